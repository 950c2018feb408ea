// The metallic-roughness surface of glTF 2.0: a diffuse lobe under a GGX lobe.
#pragma once
#include "layout.cuh"

struct Surface {
    Vec normal, tangent, bitangent; // shading frame
    Vec view;                       // towards the eye
    Vec diffuse;                    // albedo of the diffuse lobe
    Vec f0;                         // reflectance at normal incidence
    float alpha2, alpha;
    float nv;                       // normal . view
    float smith;                    // sqrt(alpha2 + (1 - alpha2) nv^2)
    float specular;                 // probability of sampling the GGX lobe
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

T_FN Surface surface(Vec normal, Vec view, Vec base, float metallic, float roughness) {
    Surface s;
    s.normal = normal;
    frame(normal, &s.tangent, &s.bitangent);
    s.view = view;
    s.diffuse = base * (1.0f - metallic);
    s.f0 = mad(base, metallic, vec(1.0f, 1.0f, 1.0f) * t_fma(metallic, -0.04f, 0.04f));
    s.alpha = t_max(roughness * roughness, 0.002f);
    s.alpha2 = s.alpha * s.alpha;
    s.nv = t_max(dot(normal, view), 1e-4f);
    s.smith = t_sqrt(t_fma(1.0f - s.alpha2, s.nv * s.nv, s.alpha2));
    float mirror = largest(s.f0), rest = largest(s.diffuse);
    mirror = t_fma(1.0f - mirror, schlick(s.nv), mirror);
    s.specular = rest > 0.0f ? t_max(t_div(mirror, mirror + rest), 0.05f) : 1.0f;
    return s;
}

// Reflectance times cosine towards `light`, and the density with which scatter() picks that direction.
T_FN Vec evaluate(const Surface *s, Vec light, float *density) {
    float nl = dot(s->normal, light);
    *density = 0.0f;
    if (nl <= 0.0f) return vec(0.0f, 0.0f, 0.0f);
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

// A direction from one of the lobes.
T_FN Vec scatter(const Surface *s, float lobe, float u, float v) {
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
    return mad(s->tangent, local.x, mad(s->bitangent, local.y, s->normal * local.z));
}
