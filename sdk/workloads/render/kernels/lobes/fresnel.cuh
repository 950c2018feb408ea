// How much a smooth boundary reflects.
#pragma once
#include "tessera.cuh"

// Schlick's (1 - cosine)^5.
T_FN float schlick(float cosine) {
    float m = t_max(1.0f - cosine, 0.0f), m2 = m * m;
    return m2 * m2 * m;
}

// Reflectance for unpolarised light; `eta` is the index of refraction on the other side over that on this side.
T_FN float dielectric(float cosine, float eta) {
    float square = t_fma(cosine, cosine, t_fma(eta, eta, -1.0f));
    if (square <= 0.0f) return 1.0f;
    float g = t_sqrt(square), a = g - cosine, b = g + cosine;
    float across = t_div(a, b), along = t_div(t_fma(cosine, b, -1.0f), t_fma(cosine, a, 1.0f));
    return 0.5f * across * across * t_fma(along, along, 1.0f);
}

// Reflectance at normal incidence between bodies whose indices have this ratio.
T_FN float normal_reflectance(float ratio) {
    float r = t_div(ratio - 1.0f, ratio + 1.0f);
    return r * r;
}

// What a film adds to the light of wavelengths around red, green and blue, for a phase in 2 pi per nanometre: the
// observer's sensitivities, Fourier transformed, as sums of Gaussians. `sign` is -1 where waves lose half a period.
T_FN Vec film_sensitivity(float path, Vec sign) {
    float phase = 6.28318531e-3f * path, square = phase * phase, sine, x, x2, y, z;
    t_sincos_near(1.6810f * phase, &sine, &x);
    t_sincos_near(2.2399f * phase, &sine, &x2);
    t_sincos_near(1.7953f * phase, &sine, &y);
    t_sincos_near(2.2084f * phase, &sine, &z);
    // Lengths are in micrometres: 1e6 per metre in the phase, 1e12 per square metre in the exponent.
    x = t_fma(0.846589f * x, t_exp(-4.3278e-3f * square), 0.153870f * x2 * t_exp(-4.5282e-3f * square)) * sign.x;
    y = 1.00021f * y * t_exp(-9.3046e-3f * square) * sign.y;
    z = 1.00112f * z * t_exp(-6.6121e-3f * square) * sign.z;
    return vec(t_fma(3.2404542f, x, t_fma(-1.5371385f, y, -0.4985314f * z)),
               t_fma(-0.9692660f, x, t_fma(1.8760108f, y, 0.0415560f * z)),
               t_fma(0.0556434f, x, t_fma(-0.2040259f, y, 1.0572252f * z)));
}

// Reflectance of one channel's lower boundary of a film under a base of reflectance `f0`, seen inside the film under
// `cosine`; its sign as above.
T_FN float film_base(float f0, float ior, float cosine, float *sign) {
    float root = t_sqrt(t_min(f0 + 1e-4f, 0.9999f)), base = t_div(1.0f + root, 1.0f - root);
    // From the air into the film and back one half period is lost; under it another, if the base is denser.
    *sign = base < ior ? 1.0f : -1.0f;
    float r = normal_reflectance(t_div(base, ior));
    return t_fma(1.0f - r, schlick(cosine), r);
}

// Reflectance of a thin film on a base of reflectance `f0` (Belcour and Barla, A Practical Extension to Microfacet Theory
// for the Modeling of Varying Iridescence, 2017, as KHR_materials_iridescence has it). `thickness` in nanometres.
T_FN Vec film(float cosine, float ior, float thickness, Vec f0) {
    // A film that vanishes is air.
    float t = t_clamp(thickness * (1.0f / 0.03f), 0.0f, 1.0f);
    ior = t_fma(ior - 1.0f, t * t * t_fma(-2.0f, t, 3.0f), 1.0f);
    float square = 1.0f - t_div(t_fma(-cosine, cosine, 1.0f), ior * ior);
    if (square <= 0.0f) return vec(1.0f, 1.0f, 1.0f);
    float inside = t_sqrt(square), top = normal_reflectance(ior);
    top = t_fma(1.0f - top, schlick(cosine), top);
    float enters = 1.0f - top;
    Vec sign, base;
    base.x = film_base(f0.x, ior, inside, &sign.x);
    base.y = film_base(f0.y, ior, inside, &sign.y);
    base.z = film_base(f0.z, ior, inside, &sign.z);
    if (ior < 1.0f) sign = -sign;
    float path = t_min(2.0f * ior * thickness * inside, 2e4f);
    Vec both = vec(t_clamp(top * base.x, 1e-5f, 0.9999f), t_clamp(top * base.y, 1e-5f, 0.9999f),
                   t_clamp(top * base.z, 1e-5f, 0.9999f));
    Vec once = vec(t_div(enters * enters * base.x, 1.0f - both.x), t_div(enters * enters * base.y, 1.0f - both.y),
                   t_div(enters * enters * base.z, 1.0f - both.z));
    Vec sum = once + vec(top, top, top), wave = once - vec(enters, enters, enters);
    Vec root = vec(t_sqrt(both.x), t_sqrt(both.y), t_sqrt(both.z));
    wave = wave * root;
    sum = sum + wave * film_sensitivity(path, sign) * 2.0f;
    wave = wave * root;
    sum = sum + wave * film_sensitivity(2.0f * path, vec(1.0f, 1.0f, 1.0f)) * 2.0f;
    return vec(t_clamp(sum.x, 0.0f, 1.0f), t_clamp(sum.y, 0.0f, 1.0f), t_clamp(sum.z, 0.0f, 1.0f));
}
