// Sheen of fibres (Estevez and Kulla, Production Friendly Microfacet Sheen BRDF, 2017), as KHR_materials_sheen has it.
#pragma once
#include "tessera.cuh"

// The logarithm of the fit of Smith's Lambda for cosines up to one half.
T_FN float sheen_curve(float x, float alpha) {
    float mix = (1.0f - alpha) * (1.0f - alpha);
    float a = t_fma(mix, 25.3245f - 21.5473f, 21.5473f), b = t_fma(mix, 3.32435f - 3.82987f, 3.82987f);
    float c = t_fma(mix, 0.16801f - 0.19823f, 0.19823f), d = t_fma(mix, 1.97760f - 1.27393f, -1.97760f);
    float e = t_fma(mix, 4.32054f - 4.85967f, -4.32054f);
    return t_div(a, t_fma(b, t_pow(x, c), 1.0f)) + t_fma(d, x, e);
}

// Smith's Lambda.
T_FN float sheen_lambda(float cosine, float alpha) {
    bool low = cosine < 0.5f;
    float curve = sheen_curve(low ? cosine : 1.0f - cosine, alpha);
    return t_exp(low ? curve : t_fma(2.0f, sheen_curve(0.5f, alpha), -curve));
}

// White sheen times the cosine of `light`; directions in the frame of the normal, `lambda` of the view.
T_FN float sheen(Vec view, Vec light, float alpha, float lambda) {
    Vec h = view + light;
    // The squared sine of the half vector.
    float flat = t_fma(h.x, h.x, h.y * h.y), square = t_div(flat, t_fma(h.z, h.z, flat)), inverse = t_rcp(alpha);
    float fibres = (2.0f + inverse) * t_pow(square, 0.5f * inverse) * (0.5f * T_INV_PI);
    return t_div(0.25f * fibres, view.z * (1.0f + lambda + sheen_lambda(light.z, alpha)));
}
