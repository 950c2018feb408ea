// What a ray meets, and how it scatters light: the metallic-roughness surface of glTF 2.0.
#pragma once
#include "layout.cuh"
#include "texture.cuh"

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

// A point's scattering.
struct Surface {
    Vec facing;                     // the plane's normal on the side of `out`
    Vec absorption;                 // per world unit, on the other side
    Vec normal, tangent, bitangent; // shading frame
    Vec view;                       // `out`
    Vec diffuse;                    // albedo of the diffuse lobe
    Vec f0;                         // reflectance at normal incidence
    float alpha2, alpha;
    float nv;                       // normal . view
    float smith;                    // sqrt(alpha2 + (1 - alpha2) nv^2)
    float specular;                 // probability of sampling the GGX lobe
};

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

// Schlick's (1 - cosine)^5.
T_FN float schlick(float cosine) {
    float m = t_max(1.0f - cosine, 0.0f), m2 = m * m;
    return m2 * m2 * m;
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

// How the point scatters; `blur` is the least roughness.
T_FN void surface(const Scene *scene, const Hit *hit, float blur, Surface *s) {
    const Material *m = hit->material;
    Vec base = base_color(scene, hit);
    float metallic = m->metallic, roughness = m->roughness;
    if (m->surface_texture) {
        Vec r = read_texture(scene, m->surface_texture, hit->uv);
        roughness *= r.y;
        metallic *= r.z;
    }
    roughness = t_max(roughness, blur);
    bool front = dot(hit->plane, hit->out) >= 0.0f;
    s->facing = front ? hit->plane : -hit->plane;
    s->absorption = front ? vec(m->absorption[0], m->absorption[1], m->absorption[2]) : vec(0.0f, 0.0f, 0.0f);
    s->normal = front ? hit->normal : -hit->normal;
    // A smooth normal that looks away from the eye would make the surface black.
    if (!(dot(s->normal, hit->out) > 0.0f)) s->normal = s->facing;
    frame(s->normal, &s->tangent, &s->bitangent);
    s->view = hit->out;
    s->diffuse = base * (1.0f - metallic);
    s->f0 = mad(base, metallic, vec(1.0f, 1.0f, 1.0f) * t_fma(metallic, -0.04f, 0.04f));
    s->alpha = t_max(roughness * roughness, 0.002f);
    s->alpha2 = s->alpha * s->alpha;
    s->nv = t_max(dot(s->normal, s->view), 1e-4f);
    s->smith = t_sqrt(t_fma(1.0f - s->alpha2, s->nv * s->nv, s->alpha2));
    float mirror = largest(s->f0), rest = largest(s->diffuse);
    mirror = t_fma(1.0f - mirror, schlick(s->nv), mirror);
    s->specular = rest > 0.0f ? t_max(t_div(mirror, mirror + rest), 0.05f) : 1.0f;
}

// Scattering times cosine towards `light` on either side, and the density with which scatter() picks that direction.
T_FN Vec evaluate(const Surface *s, Vec light, float *density) {
    float nl = dot(s->normal, light);
    *density = 0.0f;
    if (nl <= 0.0f || dot(s->facing, light) <= 0.0f) return vec(0.0f, 0.0f, 0.0f);
    Vec h = normalize(s->view + light);
    float nh = dot(s->normal, h), vh = t_clamp(dot(s->view, h), 0.0f, 1.0f);
    float q = t_fma(nh * nh, s->alpha2 - 1.0f, 1.0f);
    float d = t_div(s->alpha2 * T_INV_PI, q * q);
    float smith_l = t_sqrt(t_fma(1.0f - s->alpha2, nl * nl, s->alpha2));
    float fresnel = schlick(vh);
    // Smith's height-correlated masking and shadowing, over 4 nl nv, times nl.
    float spec = t_div(0.5f * d * nl, t_fma(nl, s->smith, s->nv * smith_l));
    float under = nl * T_INV_PI * t_fma(fresnel, -0.96f, 0.96f);
    *density = t_fma(s->specular, t_div(0.5f * d, s->nv + s->smith), (1.0f - s->specular) * nl * T_INV_PI);
    Vec f = mad(vec(1.0f, 1.0f, 1.0f) - s->f0, fresnel, s->f0);
    return mad(s->diffuse, under, f * spec);
}

// A direction from one of the lobes; false where it carries no light.
T_FN bool scatter(const Surface *s, float lobe, float u, float v, Scatter *out) {
    float sine, cosine;
    t_sincos_near(T_TWO_PI * u, &sine, &cosine);
    Vec local;
    if (lobe < s->specular) {
        // Visible normals of GGX as a spherical cap (Dupuy and Benyoub 2023), then a mirror reflection.
        Vec view = vec(dot(s->tangent, s->view), dot(s->bitangent, s->view), s->nv);
        Vec cap = normalize(vec(view.x * s->alpha, view.y * s->alpha, view.z));
        float z = t_fma(1.0f - v, 1.0f + cap.z, -cap.z);
        float r = t_sqrt(t_max(t_fma(-z, z, 1.0f), 0.0f));
        Vec h = vec(t_fma(r, cosine, cap.x) * s->alpha, t_fma(r, sine, cap.y) * s->alpha, t_max(z + cap.z, 1e-6f));
        h = normalize(h);
        local = mad(h, 2.0f * dot(view, h), -view);
    } else {
        float r = t_sqrt(v);
        local = vec(r * cosine, r * sine, t_sqrt(t_max(1.0f - v, 0.0f)));
    }
    out->direction = mad(s->tangent, local.x, mad(s->bitangent, local.y, s->normal * local.z));
    out->through = false;
    Vec gain = evaluate(s, out->direction, &out->density);
    if (!(out->density > 0.0f)) return false;
    out->weight = gain * t_rcp(out->density);
    return largest(out->weight) > 0.0f;
}

// Share of light that the point reflects, roughly.
T_FN Vec albedo(const Surface *s) { return s->diffuse + s->f0; }
