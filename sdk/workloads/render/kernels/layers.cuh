// The layers of surfaces that have more than diffuse and glossy scattering: films, ways through, sheen, coats.
#pragma once
#include "energy.cuh"
#include "hit.cuh"
#include "lobes/ggx.cuh"
#include "lobes/sheen.cuh"

// Least roughness: alpha of 0.002. That of sheen, below which its fit is steep.
#define LEAST_ROUGHNESS 0.0447214f
#define LEAST_SHEEN 0.133333333f
// Reflectance of a coat, whose index of refraction is 1.5.
#define COAT_MIRROR 0.04f

// What layers add to a point's scattering. It lies in memory, so that surfaces without them need no registers for it; only
// what the bits of Surface::layers announce is filled in.
struct Layers {
    Vec absorption; // with THIN or REFRACTION: per world unit, on the other side
    Vec through;    // with THIN or REFRACTION: share of light that passes the facets on its way through
    float passing;  // with THIN: probability of sampling what passes
    float eta;      // with REFRACTION: index of refraction on the other side over that on this side
    float normal, inverse; // reflectance at normal incidence by Fresnel's equations, and 1 / (1 - normal)
    float passed, drop;    // share that facets let through at normal incidence, and how much less of it at grazing angles
    Axes coat_axes; // with COAT
    Vec coat_view;
    Ggx coat;
    float coat_mirror, coat_rise, coat_chance;
    Vec sheen;      // with SHEEN
    float sheen_alpha, sheen_lambda, sheen_chance;
};
// Bits of Surface::layers besides COAT and SHEEN, which are those of materials.
#define THIN 1u
#define REFRACTION 2u

// A point's scattering.
struct Surface {
    Vec facing;     // the plane's normal on the side of `out`
    Axes axes;      // of the facets
    Vec view;       // `out` in these
    Ggx facets;
    Vec diffuse;    // times cosine: radiance scattered from below the facets at normal incidence
    float grazing;  // how much less of it there is of grazing light, times Schlick's weight
    Vec mirror;     // reflectance of a facet at normal incidence
    Vec rise;       // and how much it rises with Schlick's weight
    float specular; // probability of sampling facets; the rest is for the diffuse lobe, but for what layers take
    u32 layers;     // THIN, REFRACTION, COAT, SHEEN
    Layers *more;
};

// What surface() finds out step by step.
struct Draft {
    Vec base;
    float metallic, roughness;
    bool front;
    Vec mirror, metal;    // reflectance of dielectric and metal at normal incidence
    Vec rise, metal_rise; // and how much they rise with Schlick's weight
    float specular;       // reflectance of the dielectric at grazing angles
    Float2 energy;        // of GGX
};

// Reflectance at normal incidence that under Schlick's rise gives what a film reflects towards the eye.
T_FN Vec filmed(Vec mirror, float factor, float cosine, float ior, float thickness) {
    float rise = schlick(cosine), scale = t_rcp(t_max(1.0f - rise, 1e-3f));
    Vec r = (film(cosine, ior, thickness, mirror) + vec(-rise, -rise, -rise)) * scale;
    r = vec(t_clamp(r.x, 0.0f, 1.0f), t_clamp(r.y, 0.0f, 1.0f), t_clamp(r.z, 0.0f, 1.0f));
    return mad(r - mirror, factor, mirror);
}

T_FN void add_film(const Scene *scene, const Hit *hit, float cosine, Draft *d) {
    const Material *m = hit->material;
    float factor = m->film, place = 1.0f;
    if (m->film_texture) factor *= read_texture(scene, m->film_texture, hit->uv).x;
    if (m->film_thickness_texture) place = read_texture(scene, m->film_thickness_texture, hit->uv).y;
    float thickness = t_fma(place, m->film_thick - m->film_thin, m->film_thin);
    // Dielectric, then metal: a loop, so that the film's code is there once.
#pragma unroll 1
    for (bool metal = false;; metal = true) {
        Vec r = filmed(metal ? d->metal : d->mirror, factor, cosine, m->film_ior, thickness);
        d->metal = metal ? r : d->metal;
        d->mirror = metal ? d->mirror : r;
        if (metal || !(d->metallic > 0.0f)) break;
    }
}

// Light on its way through the surface. Takes from the diffuse lobe; `left` is the share that facets do not reflect.
T_FN void transmit(const Scene *scene, const Hit *hit, const Draft *d, float *left, Surface *s) {
    const Material *m = hit->material;
    float share = m->transmission;
    if (m->transmission_texture) share *= read_texture(scene, m->transmission_texture, hit->uv).x;
    Vec color = d->base * (share * (1.0f - d->metallic));
    s->diffuse = s->diffuse * (1.0f - share);
    s->more->absorption = d->front ? vec(m->absorption[0], m->absorption[1], m->absorption[2]) : vec(0.0f, 0.0f, 0.0f);
    if (!m->refraction) {
        s->layers |= THIN;
        s->more->through = color * t_div(*left, d->energy.x);
        return;
    }
    // Facets reflect by Fresnel's equations. Both ways get the same share of what facets pass on to each other.
    Float2 energy = refracting_energy(scene, m->refraction, s->view.z, d->roughness, d->front);
    float scale = t_rcp(energy.y), dielectric = scale * (1.0f - d->metallic), mirror = largest(d->mirror);
    s->layers |= REFRACTION;
    s->more->through = color * scale;
    s->mirror = mad(d->mirror, dielectric, d->metal * d->metallic);
    s->rise = mad(d->rise, dielectric, d->metal_rise * d->metallic);
    s->more->eta = d->front ? m->ior : t_rcp(m->ior);
    s->more->normal = normal_reflectance(m->ior);
    s->more->inverse = t_rcp(1.0f - s->more->normal);
    s->more->passed = 1.0f - mirror;
    s->more->drop = d->specular - mirror;
    *left = 1.0f - energy.x * scale;
}

// Sheen over all that is below. Returns the share of light that it leaves.
T_FN float add_sheen(const Scene *scene, const Hit *hit, float blur, Surface *s) {
    const Material *m = hit->material;
    float roughness = m->sheen_roughness;
    s->more->sheen = vec(m->sheen[0], m->sheen[1], m->sheen[2]);
    if (m->sheen_texture) s->more->sheen = s->more->sheen * read_texture(scene, m->sheen_texture, hit->uv);
    if (m->sheen_roughness_texture) roughness *= read_texture(scene, m->sheen_roughness_texture, hit->uv).x;
    roughness = t_max(t_max(roughness, blur), LEAST_SHEEN);
    float energy = sheen_energy(scene, s->view.z, roughness);
    // The fit gives back more than it gets at some angles.
    if (energy > 1.0f) s->more->sheen = s->more->sheen * t_rcp(energy);
    energy = t_min(energy, 1.0f) * largest(s->more->sheen);
    s->layers |= SHEEN;
    s->more->sheen_alpha = roughness * roughness;
    s->more->sheen_lambda = sheen_lambda(s->view.z, s->more->sheen_alpha);
    return 1.0f - energy;
}

// A coat over all that is below. Returns the share of light that it leaves.
T_FN float add_coat(const Scene *scene, const Hit *hit, bool front, float blur, Surface *s) {
    const Material *m = hit->material;
    float factor = m->coat, roughness = m->coat_roughness;
    if (m->coat_texture) factor *= read_texture(scene, m->coat_texture, hit->uv).x;
    if (m->coat_roughness_texture) roughness *= read_texture(scene, m->coat_roughness_texture, hit->uv).y;
    roughness = t_max(t_max(roughness, blur), LEAST_ROUGHNESS);
    Vec normal = hit->normal;
    if (m->coat_normal_texture) normal = bent(scene, hit, m->coat_normal_texture, m->coat_normal_scale);
    s->more->coat_axes = axes(seen(hit, normal, front));
    s->more->coat_view = into(&s->more->coat_axes, hit->out);
    s->more->coat_view.z = t_max(s->more->coat_view.z, 1e-4f);
    float alpha = roughness * roughness;
    s->more->coat = ggx(alpha, alpha, s->more->coat_view);
    Float2 energy = glossy_energy(scene, s->more->coat_view.z, roughness);
    factor *= t_fma(COAT_MIRROR, t_rcp(energy.x) - 1.0f, 1.0f);
    s->more->coat_mirror = COAT_MIRROR * factor;
    s->more->coat_rise = (1.0f - COAT_MIRROR) * factor;
    s->layers |= COAT;
    return 1.0f - t_fma(s->more->coat_mirror, energy.x, s->more->coat_rise * energy.y);
}
