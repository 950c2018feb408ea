// What a ray meets, and how it scatters light: the surface of glTF 2.0 with its extensions.
//
// From the top: a coat, sheen, then facets under which light is absorbed, scattered, or let through. Each layer leaves to
// those below what it does not reflect towards the eye, by tables of energies (energy.cuh): white surfaces keep all light.
// No lobe is a perfect mirror: roughness has a floor.
//
// No function here is called, all are inlined: what a path holds would have to be kept through every call, and on a CPU
// that makes simple surfaces, which call nothing, take twice as long.
#pragma once
#include "energy.cuh"
#include "layout.cuh"
#include "lobes/ggx.cuh"
#include "lobes/sheen.cuh"
#include "texture.cuh"

// Least roughness: alpha of 0.002. That of sheen, below which its fit is steep.
#define LEAST_ROUGHNESS 0.0447214f
#define LEAST_SHEEN 0.133333333f
// Reflectance of a coat, whose index of refraction is 1.5.
#define COAT_MIRROR 0.04f

// A point that a ray has met.
struct Hit {
    Vec at;
    Vec out;        // unit, to where the ray came from
    Vec plane;      // unit normal of the triangle's front
    Vec normal;     // interpolated, unit, on the same side as `plane`
    Float4 tangent; // interpolated, w: sign of the bitangent; zero if there is none
    float uv[4];    // two sets
    Float4 color;   // of the vertices
    const Material *material;
};

// A right-handed frame.
struct Axes { Vec x, y, z; };

// A point's scattering. What stands after `layers` is only filled in where a bit of `layers` says so.
struct Surface {
    Vec facing;     // the plane's normal on the side of `out`
    Vec absorption; // per world unit, on the other side
    Axes axes;      // of the facets
    Vec view;       // `out` in these
    Ggx facets;
    Vec diffuse;    // times cosine: radiance scattered from below the facets at normal incidence
    float grazing;  // how much less of it there is of grazing light, times Schlick's weight
    Vec mirror;     // reflectance of a facet at normal incidence
    Vec rise;       // and how much it rises with Schlick's weight
    float specular; // probability of sampling facets; the rest is for the diffuse lobe, but for what layers take

    u32 layers; // THIN, REFRACTION, COAT, SHEEN
    Vec through;    // share of light that passes the facets on its way through
    float passing;  // probability of sampling what passes, with THIN
    float eta;      // with REFRACTION: index of refraction on the other side over that on this side
    float normal, inverse; // reflectance at normal incidence by Fresnel's equations, and 1 / (1 - normal)
    float passed, drop;    // share that facets let through at normal incidence, and how much less of it at grazing angles
    Axes coat_axes;
    Vec coat_view;
    Ggx coat;
    float coat_mirror, coat_rise, coat_chance;
    Vec sheen;
    float sheen_alpha, sheen_lambda, sheen_chance;
};
// Bits of `layers` besides COAT and SHEEN, which are those of materials.
#define THIN 1u
#define REFRACTION 2u

// A direction drawn from a surface.
struct Scatter {
    Vec direction;
    Vec weight;    // scattering times cosine over the density
    float density; // over solid angle
    bool through;  // whether it leaves on the other side
};

// An orthonormal frame around `n` (Duff et al., Building an Orthonormal Basis, Revisited).
T_FN void frame(Vec n, Vec *t, Vec *b) {
    float sign = n.z < 0.0f ? -1.0f : 1.0f;
    float a = t_div(-1.0f, sign + n.z), c = n.x * n.y * a;
    *t = vec(t_fma(sign * n.x, n.x * a, 1.0f), sign * c, -sign * n.x);
    *b = vec(c, t_fma(n.y, n.y * a, sign), -n.y);
}

T_FN Axes axes(Vec normal) {
    Axes a;
    a.z = normal;
    frame(normal, &a.x, &a.y);
    return a;
}

T_FN Vec into(const Axes *a, Vec d) { return vec(dot(a->x, d), dot(a->y, d), dot(a->z, d)); }
T_FN Vec from(const Axes *a, Vec d) { return mad(a->x, d.x, mad(a->y, d.y, a->z * d.z)); }

T_FN Vec cross(Vec a, Vec b) {
    return vec(t_fma(a.y, b.z, -(a.z * b.y)), t_fma(a.z, b.x, -(a.x * b.z)), t_fma(a.x, b.y, -(a.y * b.x)));
}

T_FN Vec base_color(const Scene *scene, const Hit *hit) {
    const Material *m = hit->material;
    Vec base = vec(m->base[0], m->base[1], m->base[2]) * vec(hit->color);
    return m->base_texture ? base * read_texture(scene, m->base_texture, hit->uv) : base;
}

// Radiance that the point gives by itself.
T_FN Vec emitted(const Scene *scene, const Hit *hit) {
    if (hit->material->flags & UNLIT) return base_color(scene, hit);
    return emission(scene, hit->material, hit->uv);
}

// The axes of the interpolated normal and the tangent; false where there is no tangent.
T_FN bool tangent_axes(const Hit *hit, Axes *a) {
    Vec t = vec(hit->tangent);
    t = mad(hit->normal, -dot(hit->normal, t), t);
    float square = dot(t, t);
    if (!(square > 1e-12f)) return false;
    a->z = hit->normal;
    a->x = t * t_rsqrt(square);
    a->y = cross(a->z, a->x) * hit->tangent.w;
    return true;
}

// The normal that a texture of normals gives.
T_FN Vec bent(const Scene *scene, const Hit *hit, u32 texture, float scale) {
    Axes a;
    if (!tangent_axes(hit, &a)) return hit->normal;
    Vec n = mad(read_texture(scene, texture, hit->uv), 2.0f, vec(-1.0f, -1.0f, -1.0f));
    n = from(&a, vec(n.x * scale, n.y * scale, n.z));
    float square = dot(n, n);
    return square > 1e-12f ? n * t_rsqrt(square) : hit->normal;
}

// A shading normal on the side of the eye, bent towards it where it looks away: it would make the surface black.
T_FN Vec seen(const Hit *hit, Vec normal, bool front) {
    if (!front) normal = -normal;
    float cosine = dot(normal, hit->out);
    return cosine < 0.01f ? normalize(mad(hit->out, 0.01f - cosine, normal)) : normal;
}

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

// The dielectric's reflectance under its specular colour and strength.
T_FN void dielectric_base(const Scene *scene, const Hit *hit, Draft *d) {
    const Material *m = hit->material;
    d->mirror = vec(m->mirror[0], m->mirror[1], m->mirror[2]);
    d->specular = m->specular;
    if (m->flags & SPECULAR_TEXTURES) {
        if (m->specular_color_texture) d->mirror = d->mirror * read_texture(scene, m->specular_color_texture, hit->uv);
        if (m->specular_texture) d->specular *= read_texture(scene, m->specular_texture, hit->uv).x;
    }
    d->mirror = vec(t_min(d->mirror.x, 1.0f), t_min(d->mirror.y, 1.0f), t_min(d->mirror.z, 1.0f)) * d->specular;
}

// Axes along and across a stretched highlight, its roughness, its energy.
T_FN void stretch(const Scene *scene, const Hit *hit, Surface *s, Draft *d) {
    const Material *m = hit->material;
    float strength = m->anisotropy, x = m->anisotropy_cosine, y = m->anisotropy_sine;
    if (m->anisotropy_texture) {
        Vec r = read_texture(scene, m->anisotropy_texture, hit->uv);
        float u = t_fma(2.0f, r.x, -1.0f), v = t_fma(2.0f, r.y, -1.0f), turned = t_fma(x, u, -(y * v));
        y = t_fma(y, u, x * v);
        x = turned;
        strength *= r.z;
    }
    Axes a;
    if (tangent_axes(hit, &a)) {
        Vec t = mad(a.x, x, a.y * y);
        t = mad(s->axes.z, -dot(s->axes.z, t), t);
        float square = dot(t, t);
        if (square > 1e-12f) {
            s->axes.x = t * t_rsqrt(square);
            s->axes.y = cross(s->axes.z, s->axes.x);
        }
    }
    s->view = into(&s->axes, hit->out);
    float across = d->roughness * d->roughness;
    s->facets = ggx(t_fma(1.0f - across, strength * strength, across), across, s->view);
    d->energy = stretched_energy(scene, m->stretched, s->view, d->roughness);
}

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
    if (d->front) s->absorption = vec(m->absorption[0], m->absorption[1], m->absorption[2]);
    if (!m->refraction) {
        s->layers |= THIN;
        s->through = color * t_div(*left, d->energy.x);
        return;
    }
    // Facets reflect by Fresnel's equations. Both ways get the same share of what facets pass on to each other.
    Float2 energy = refracting_energy(scene, m->refraction, s->view.z, d->roughness, d->front);
    float scale = t_rcp(energy.y), dielectric = scale * (1.0f - d->metallic), mirror = largest(d->mirror);
    s->layers |= REFRACTION;
    s->through = color * scale;
    s->mirror = mad(d->mirror, dielectric, d->metal * d->metallic);
    s->rise = mad(d->rise, dielectric, d->metal_rise * d->metallic);
    s->eta = d->front ? m->ior : t_rcp(m->ior);
    s->normal = normal_reflectance(m->ior);
    s->inverse = t_rcp(1.0f - s->normal);
    s->passed = 1.0f - mirror;
    s->drop = d->specular - mirror;
    *left = 1.0f - energy.x * scale;
}

// Sheen over all that is below. Returns the share of light that it leaves.
T_FN float add_sheen(const Scene *scene, const Hit *hit, float blur, Surface *s) {
    const Material *m = hit->material;
    float roughness = m->sheen_roughness;
    s->sheen = vec(m->sheen[0], m->sheen[1], m->sheen[2]);
    if (m->sheen_texture) s->sheen = s->sheen * read_texture(scene, m->sheen_texture, hit->uv);
    if (m->sheen_roughness_texture) roughness *= read_texture(scene, m->sheen_roughness_texture, hit->uv).x;
    roughness = t_max(t_max(roughness, blur), LEAST_SHEEN);
    float energy = sheen_energy(scene, s->view.z, roughness);
    // The fit gives back more than it gets at some angles.
    if (energy > 1.0f) s->sheen = s->sheen * t_rcp(energy);
    energy = t_min(energy, 1.0f) * largest(s->sheen);
    s->layers |= SHEEN;
    s->sheen_alpha = roughness * roughness;
    s->sheen_lambda = sheen_lambda(s->view.z, s->sheen_alpha);
    s->sheen_chance = energy;
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
    s->coat_axes = axes(seen(hit, normal, front));
    s->coat_view = into(&s->coat_axes, hit->out);
    s->coat_view.z = t_max(s->coat_view.z, 1e-4f);
    float alpha = roughness * roughness;
    s->coat = ggx(alpha, alpha, s->coat_view);
    Float2 energy = glossy_energy(scene, s->coat_view.z, roughness);
    factor *= t_fma(COAT_MIRROR, t_rcp(energy.x) - 1.0f, 1.0f);
    s->coat_mirror = COAT_MIRROR * factor;
    s->coat_rise = (1.0f - COAT_MIRROR) * factor;
    s->layers |= COAT;
    s->coat_chance = t_fma(s->coat_mirror, energy.x, s->coat_rise * energy.y);
    return 1.0f - s->coat_chance;
}

// How the point scatters; `blur` is the least roughness.
T_FN void surface(const Scene *scene, const Hit *hit, float blur, Surface *s) {
    const Material *m = hit->material;
    u32 flags = m->flags;
    Draft d;
    d.base = base_color(scene, hit);
    d.base = vec(t_min(d.base.x, 1.0f), t_min(d.base.y, 1.0f), t_min(d.base.z, 1.0f));
    d.metallic = m->metallic;
    d.roughness = m->roughness;
    if (m->surface_texture) {
        Vec r = read_texture(scene, m->surface_texture, hit->uv);
        d.roughness *= r.y;
        d.metallic *= r.z;
    }
    d.roughness = t_max(t_max(d.roughness, blur), LEAST_ROUGHNESS);
    dielectric_base(scene, hit, &d);
    d.front = dot(hit->plane, hit->out) >= 0.0f;
    s->facing = d.front ? hit->plane : -hit->plane;
    Vec normal = flags & NORMAL_MAP ? bent(scene, hit, m->normal_texture, m->normal_scale) : hit->normal;
    s->axes = axes(seen(hit, normal, d.front));
    s->layers = 0u;

    if (flags & ANISOTROPY) {
        stretch(scene, hit, s, &d);
    } else {
        s->view = into(&s->axes, hit->out);
        s->view.z = t_max(s->view.z, 1e-4f);
        float alpha = d.roughness * d.roughness;
        s->facets = ggx(alpha, alpha, s->view);
        d.energy = glossy_energy(scene, s->view.z, d.roughness);
    }
    d.metal = d.base;
    if (flags & FILM) add_film(scene, hit, s->view.z, &d);
    Vec one = vec(1.0f, 1.0f, 1.0f);
    d.rise = vec(d.specular, d.specular, d.specular) - d.mirror;
    // What facets pass on to each other (Turquin 2019), dielectric and metal on their own.
    float lost = t_rcp(d.energy.x) - 1.0f;
    Vec boost = mad(d.mirror, lost, one);
    s->mirror = d.mirror * boost;
    s->rise = d.rise * boost;
    float left = 1.0f - largest(mad(s->mirror, d.energy.x, s->rise * d.energy.y));
    if (d.metallic > 0.0f) {
        boost = mad(d.metal, lost, one);
        d.metal_rise = (one - d.metal) * boost;
        d.metal = d.metal * boost;
        s->mirror = mad(d.metal - s->mirror, d.metallic, s->mirror);
        s->rise = mad(d.metal_rise - s->rise, d.metallic, s->rise);
    } else {
        d.metal = d.metal_rise = vec(0.0f, 0.0f, 0.0f);
    }
    s->diffuse = d.base * (1.0f - d.metallic);
    s->through = s->sheen = s->absorption = vec(0.0f, 0.0f, 0.0f);
    if (flags & TRANSMISSION) transmit(scene, hit, &d, &left, s);
    s->diffuse = s->diffuse * left;
    float scattered = largest(s->diffuse);
    // Of grazing light less comes below the facets: Schlick's weight, scaled so that the sum over all directions is 1.
    s->grazing = d.specular;
    // 1 / (1 - x / 21) as a series.
    float missing = d.specular * (1.0f / 21.0f), series = t_fma(missing, t_fma(missing, missing + 1.0f, 1.0f), 1.0f);
    s->diffuse = s->diffuse * (T_INV_PI * series);
    float specular = largest(mad(s->mirror, d.energy.x, s->rise * d.energy.y));
    if (flags & (TRANSMISSION | SHEEN | COAT)) {
        // What passes a sheet has a chance of its own, what is refracted shares that of reflection.
        float passing = largest(s->through) * d.energy.x;
        if (!(s->layers & THIN)) {
            specular += passing;
            passing = 0.0f;
        }
        float under = 1.0f;
        s->sheen_chance = s->coat_chance = 0.0f;
        if (flags & SHEEN) under = add_sheen(scene, hit, blur, s);
        if (flags & COAT) {
            float coated = add_coat(scene, hit, d.front, blur, s);
            under *= coated;
            s->sheen = s->sheen * coated;
            s->sheen_chance *= coated;
        }
        s->diffuse = s->diffuse * under;
        s->mirror = s->mirror * under;
        s->rise = s->rise * under;
        s->through = s->through * under;
        specular *= under;
        scattered *= under;
        passing *= under;
        float all = t_rcp(t_max(specular + scattered + passing + s->sheen_chance + s->coat_chance, 1e-6f));
        s->specular = specular * all;
        s->passing = passing * all;
        s->sheen_chance *= all;
        s->coat_chance *= all;
    } else {
        s->specular = specular > 0.0f ? t_div(specular, specular + scattered) : 0.0f;
    }
}

// Probability that a refracting facet that is met under a cosine reflects; its reflectance, and what it lets through.
T_FN float reflects(const Surface *s, float cosine, Vec *reflectance, float *passed) {
    float rise = (dielectric(cosine, s->eta) - s->normal) * s->inverse;
    *reflectance = mad(s->rise, rise, s->mirror);
    // Nothing passes where all is reflected.
    *passed = rise < 1.0f ? t_max(t_fma(-s->drop, rise, s->passed), 0.0f) : 0.0f;
    float reflected = largest(*reflectance), other = largest(s->through) * *passed;
    return t_div(reflected, t_max(reflected + other, 1e-12f));
}

// Scattering times cosine towards `light`, which is in the frame of the facets; `above` says whether it is on the side of
// the eye. Adds to the density.
T_FN Vec weigh(const Surface *s, Vec light, Vec world, bool above, float *density) {
    Vec sum = vec(0.0f, 0.0f, 0.0f);
    u32 layers = s->layers;
    if (above && light.z > 0.0f) {
        sum = s->diffuse * t_fma(-light.z * s->grazing, schlick(light.z), light.z);
        float rest = 1.0f - s->specular;
        if (layers) {
            if (layers & THIN) rest -= s->passing;
            if (layers & SHEEN) {
                rest -= s->sheen_chance;
                *density += s->sheen_chance * (0.5f * T_INV_PI);
                sum = mad(s->sheen, sheen(s->view, light, s->sheen_alpha, s->sheen_lambda), sum);
            }
            if (layers & COAT) rest -= s->coat_chance;
            rest = t_max(rest, 0.0f);
        }
        *density = t_fma(rest * T_INV_PI, light.z, *density);
        if (s->specular > 0.0f) {
            float cosine, chance, facets = reflect(&s->facets, s->view, light, &cosine, &chance);
            Vec reflectance;
            if (layers & REFRACTION) {
                float passed;
                chance *= reflects(s, cosine, &reflectance, &passed);
            } else {
                reflectance = mad(s->rise, schlick(cosine), s->mirror);
            }
            *density = t_fma(s->specular, chance, *density);
            sum = mad(reflectance, facets, sum);
        }
    }
    if (layers && !above && light.z < 0.0f) {
        float cosine, chance;
        if (layers & THIN) {
            // A thin sheet lets light through as it would reflect it.
            float facets = reflect(&s->facets, s->view, vec(light.x, light.y, -light.z), &cosine, &chance);
            *density = t_fma(s->passing, chance, *density);
            sum = s->through * facets;
        }
        if (layers & REFRACTION) {
            float facets = refract(&s->facets, s->view, light, s->eta, &cosine, &chance);
            Vec reflectance;
            float passed, keeps = 1.0f - reflects(s, cosine, &reflectance, &passed);
            *density = t_fma(s->specular * keeps, chance, *density);
            sum = s->through * (facets * passed);
        }
    }
    if (layers & COAT) {
        Vec local = into(&s->coat_axes, world);
        if (above && local.z > 0.0f) {
            float cosine, chance, facets = reflect(&s->coat, s->coat_view, local, &cosine, &chance);
            *density = t_fma(s->coat_chance, chance, *density);
            facets *= t_fma(s->coat_rise, schlick(cosine), s->coat_mirror);
            sum = sum + vec(facets, facets, facets);
        }
    }
    return sum;
}

// Scattering times cosine towards `light` on either side, and the density with which scatter() picks that direction.
T_FN Vec evaluate(const Surface *s, Vec light, float *density) {
    *density = 0.0f;
    return weigh(s, into(&s->axes, light), light, dot(s->facing, light) > 0.0f, density);
}

// Where the mirror image of the view on a visible facet lies.
T_FN Vec mirrored(const Ggx *facets, Vec view, float sine, float cosine, float v) {
    Vec h = visible_normal(facets, view, sine, cosine, v);
    return mad(h, 2.0f * dot(view, h), -view);
}

// A direction from the facets, in their frame.
T_FN Vec scatter_facets(const Surface *s, float lobe, float sine, float cosine, float v, bool *through) {
    Vec h = visible_normal(&s->facets, s->view, sine, cosine, v);
    float vh = dot(s->view, h);
    if (s->layers & REFRACTION) {
        Vec reflectance;
        float passed, inverse = t_rcp(s->eta), square = t_fma(t_fma(vh, vh, -1.0f), inverse * inverse, 1.0f);
        if (lobe >= s->specular * reflects(s, vh, &reflectance, &passed) && square > 0.0f) {
            *through = true;
            return mad(h, t_fma(vh, inverse, -t_sqrt(square)), s->view * -inverse);
        }
    }
    return mad(h, 2.0f * vh, -s->view);
}

// A direction from one of the lobes that layers add, in the frame of the facets. `lobe` lies beyond those of other
// surfaces, or below zero: then the direction stays as it is.
T_FN Vec scatter_layer(const Surface *s, float lobe, float sine, float cosine, float v, Vec local, bool *through) {
    if (lobe < 0.0f) return local;
    if (s->layers & THIN) {
        if (lobe < s->passing) {
            local = mirrored(&s->facets, s->view, sine, cosine, v);
            *through = true;
            return vec(local.x, local.y, -local.z);
        }
        lobe -= s->passing;
    }
    if (s->layers & SHEEN) {
        if (lobe < s->sheen_chance) {
            float r = t_sqrt(v * (2.0f - v));
            return vec(r * cosine, r * sine, 1.0f - v);
        }
        lobe -= s->sheen_chance;
    }
    if ((s->layers & COAT) && lobe < s->coat_chance) {
        local = mirrored(&s->coat, s->coat_view, sine, cosine, v);
        return into(&s->axes, from(&s->coat_axes, local));
    }
    return local;
}

// A direction from one of the lobes; false where it carries no light.
T_FN bool scatter(const Surface *s, float lobe, float u, float v, Scatter *out) {
    float sine, cosine;
    t_sincos_near(T_TWO_PI * u, &sine, &cosine);
    Vec local;
    out->through = false;
    if (lobe < s->specular) {
        local = scatter_facets(s, lobe, sine, cosine, v, &out->through);
    } else {
        float r = t_sqrt(v);
        local = vec(r * cosine, r * sine, t_sqrt(t_max(1.0f - v, 0.0f)));
        if (s->layers & (THIN | SHEEN | COAT))
            local = scatter_layer(s, lobe - s->specular, sine, cosine, v, local, &out->through);
    }
    out->direction = from(&s->axes, local);
    // Facets that turn light to the wrong side lose it; the tables know.
    bool above = dot(s->facing, out->direction) > 0.0f;
    if (above == out->through || (out->through && local.z >= 0.0f)) return false;
    out->density = 0.0f;
    Vec gain = weigh(s, local, out->direction, above, &out->density);
    if (!(out->density > 0.0f)) return false;
    out->weight = gain * t_rcp(out->density);
    return largest(out->weight) > 0.0f;
}

// Share of light that the point scatters, roughly.
T_FN Vec albedo(const Surface *s) {
    Vec sum = mad(s->diffuse, T_PI, s->mirror) + s->through;
    return vec(t_min(sum.x, 1.0f), t_min(sum.y, 1.0f), t_min(sum.z, 1.0f));
}
