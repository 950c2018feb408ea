// GGX facets: what they reflect, and what they let through bent or straight. Directions are in the frame of the facets'
// mean normal, z along it; `view` is on its positive side.
#pragma once
#include "fresnel.cuh"

struct Ggx {
    float ax, ay;  // roughness along x and y
    float smith;   // of the view: sqrt(ax^2 x^2 + ay^2 y^2 + z^2)
    float visible; // 1 / (2 (z + smith))
};

T_FN float smith(const Ggx *g, Vec d) {
    float x = g->ax * d.x, y = g->ay * d.y;
    return t_sqrt(t_fma(x, x, t_fma(y, y, d.z * d.z)));
}

T_FN Ggx ggx(float ax, float ay, Vec view) {
    Ggx g;
    g.ax = ax;
    g.ay = ay;
    g.smith = smith(&g, view);
    g.visible = t_div(0.5f, view.z + g.smith);
    return g;
}

// Density of facets with the normal `h` of any length, whose square is `square`.
T_FN float facets(const Ggx *g, Vec h, float square) {
    float x = h.x * g->ay, y = h.y * g->ax, area = g->ax * g->ay, z = h.z * area;
    float q = t_div(square * area, t_fma(x, x, t_fma(y, y, z * z)));
    return q * q * (area * T_INV_PI);
}

// Facets that reflect everything, times the cosine of `light`: Smith's height-correlated masking and shadowing. Gives the
// cosine of the angle to the facet, and the density with which visible_normal() leads there.
T_FN float reflect(const Ggx *g, Vec view, Vec light, float *cosine, float *density) {
    Vec h = view + light;
    float square = dot(h, h), d = facets(g, h, square);
    *cosine = t_min(0.5f * t_sqrt(square), 1.0f);
    *density = d * g->visible;
    return t_div(0.5f * d * light.z, t_fma(light.z, g->smith, view.z * smith(g, light)));
}

// Facets that let through everything into a body of relative index `eta`, times the cosine of `light` (Walter et al.,
// Microfacet Models for Refraction through Rough Surfaces, 2007), for radiance over the square of the index. As above; zero
// where no facet leads there.
T_FN float refract(const Ggx *g, Vec view, Vec light, float eta, float *cosine, float *density) {
    Vec h = mad(light, eta, view);
    if (h.z < 0.0f) h = -h;
    float square = dot(h, h), inverse = t_rsqrt(t_max(square, 1e-20f));
    float vh = dot(view, h) * inverse, lh = dot(light, h) * inverse;
    *cosine = t_min(vh, 1.0f);
    *density = 0.0f;
    if (vh <= 0.0f || lh >= 0.0f) return 0.0f;
    float sum = t_fma(eta, lh, vh);
    // The density of visible normals, then the change of the direction with the normal.
    float d = 4.0f * facets(g, h, square) * g->visible * vh;
    *density = t_div(d * eta * eta * -lh, t_max(sum * sum, 1e-20f));
    return *density * t_div(-2.0f * light.z, smith(g, light) - light.z);
}

// A normal that is visible from `view` (Dupuy and Benyoub, Sampling Visible GGX Normals with Spherical Caps, 2023).
T_FN Vec visible_normal(const Ggx *g, Vec view, float sine, float cosine, float v) {
    Vec cap = normalize(vec(view.x * g->ax, view.y * g->ay, view.z));
    float z = t_fma(1.0f - v, 1.0f + cap.z, -cap.z), r = t_sqrt(t_max(t_fma(-z, z, 1.0f), 0.0f));
    return normalize(vec(t_fma(r, cosine, cap.x) * g->ax, t_fma(r, sine, cap.y) * g->ay, t_max(z + cap.z, 1e-6f)));
}
