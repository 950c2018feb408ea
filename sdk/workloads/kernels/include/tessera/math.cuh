// Exponentials, logarithms, powers, roots. Every NaN that comes out is 0x7fffffff; denormals and infinities are exact
// cases like any other. Largest errors, over all floats: docs/kernel-library.md. Coefficients: accuracy/polynomials.py.
#pragma once
#include "base.cuh"

T_FN float t_rsqrt(float a) { return t_rcp(t_sqrt(a)); }

// y * 2^n, rounded once, for y in 0.5 .. 2 and n in -252 .. 252. In two factors, so that neither overflows.
T_FN float t_scale(float y, i32 n) {
    i32 half = n >> 1;
    return y * t_from_bits((u32)(half + 127) << 23) * t_from_bits((u32)(n - half + 127) << 23);
}

// e^(x + low), for a `low` that is small against one unit in the last place of 1.
T_FN float t_exp_sum(float x, float low) {
    float c = t_clamp(x, -105.0f, 90.0f);
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    float shifted = t_fma(c, 1.44269504f, 12582912.0f), n = shifted - 12582912.0f;
    float first = t_fma(n, -0.693147182f, c), more = t_fma(n, 1.90465421e-9f, low), r = first + more;
    low = more - (r - first);
    float p = t_fma(1.39305019e-3f, r, 8.36324878e-3f);
    p = t_fma(p, r, 4.16665114e-2f);
    p = t_fma(p, r, 1.66665763e-1f);
    p = t_fma(p, r, 0.5f);
    float sum = r + 1.0f, y = sum + (r - (sum - 1.0f) + t_fma(p * r, r, low));
    return x == x ? t_scale(y, (i32)(t_bits(shifted) - 0x4b400000u)) : t_nan();
}

// e^x.
T_FN float t_exp(float x) { return t_exp_sum(x, 0.0f); }

// 2^x.
T_FN float t_exp2(float x) {
    float c = t_clamp(x, -151.0f, 129.0f);
    float shifted = c + 12582912.0f, r = c - (shifted - 12582912.0f);
    float p = t_fma(1.41378096e-5f, r, 1.54538764e-4f);
    p = t_fma(p, r, 1.33385486e-3f);
    p = t_fma(p, r, 9.61808302e-3f);
    p = t_fma(p, r, 5.55040464e-2f);
    p = t_fma(p, r, 2.40226507e-1f);
    p = t_fma(p, r, 6.93147182e-1f);
    return x == x ? t_scale(t_fma(p, r, 1.0f), (i32)(t_bits(shifted) - 0x4b400000u)) : t_nan();
}

// x = (1 + f) * 2^n with 1 + f in `least` .. 2 `least`, for x > 0; `least` is given by its bits.
T_FN float t_split(float x, u32 least, float *n) {
    bool tiny = x < 1.17549435e-38f;
    u32 bits = t_bits(tiny ? x * 8388608.0f : x);
    u32 power = (bits - least) & 0xff800000u;
    *n = (float)((i32)power >> 23) - (tiny ? 23.0f : 0.0f);
    return t_from_bits(bits - power) - 1.0f;
}

// (log(1 + f) - f) / f^2 for f in -1/3 .. 1/3.
T_FN float t_log_tail(float f) {
    float p = t_fma(-1.24287002e-1f, f, 1.34364054e-1f);
    p = t_fma(p, f, -1.22874893e-1f);
    p = t_fma(p, f, 1.41164646e-1f);
    p = t_fma(p, f, -1.66733816e-1f);
    p = t_fma(p, f, 2.00038642e-1f);
    p = t_fma(p, f, -2.49999434e-1f);
    p = t_fma(p, f, 3.33333194e-1f);
    return t_fma(p, f, -0.5f);
}

// What a logarithm gives where x is not a positive finite number; `y` elsewhere.
T_FN float t_log_edges(float x, float y) {
    if (x > 0.0f) return x < t_infinity() ? y : x;
    return x == 0.0f ? -t_infinity() : t_nan();
}

// Natural logarithm.
T_FN float t_log(float x) {
    float n, f = t_split(x, 0x3f2aaaabu, &n);
    float y = t_fma(t_log_tail(f), f * f, f);
    y = t_fma(n, 0.693147182f, t_fma(n, -1.90465421e-9f, y));
    return t_log_edges(x, y);
}

// Logarithm to base 2; exact for powers of two.
T_FN float t_log2(float x) {
    float n, f = t_split(x, 0x3f2aaaabu, &n);
    float high = f * 1.44269502f, low = t_fma(f, 1.44269502f, -high);
    low = t_fma(f, 1.92596303e-8f, low);
    low = t_fma(t_log_tail(f) * (f * f), 1.44269502f, low);
    float sum = n + high;
    return t_log_edges(x, sum + ((high - (sum - n)) + low));
}

// log x = high + low with about 32 bits, for x > 0, finite.
T_FN void t_log_pair(float x, float *high, float *low) {
    float n, f = t_split(x, 0x3f3504f3u, &n);
    // log(1 + f) = 2 atanh(q), q = f / (2 + f).
    float r = t_rcp(f + 2.0f), q = r * f, rest = r * t_fma(q, -f, t_fma(q, -2.0f, f));
    float z = q * q, z_rest = t_fma(q, rest + rest, t_fma(q, q, -z));
    float cube = z * q, cube_rest = t_fma(z, rest, t_fma(z_rest, q, t_fma(z, q, -cube)));
    float p = t_fma(1.12882882e-1f, z, 1.42948255e-1f);
    p = t_fma(p, z, 1.99997753e-1f);
    p = t_fma(p, z, 3.33333343e-1f);
    float sum = t_fma(0.346573591f, n, q), back = t_fma(-0.346573591f, n, sum);
    float tail = (q - back) + t_fma(p, cube, t_fma(p, cube_rest, rest));
    tail = t_fma(-9.52327106e-10f, n, tail);
    *high = t_fma(2.0f, tail, sum + sum);
    *low = t_fma(2.0f, tail, (sum + sum) - *high);
}

// x^y, with all the special cases of C's pow: a negative x has a power where y is an integer.
T_FN float t_pow(float x, float y) {
    if (y == 0.0f || x == 1.0f) return 1.0f;
    if (x != x || y != y) return t_nan();
    float a = t_abs(x), b = t_abs(y), whole = t_floor(b);
    bool integer = whole == b, odd = integer && b < 16777216.0f && (t_to_i32(whole) & 1);
    float r;
    if (a == 0.0f || a == t_infinity()) {
        r = (a == 0.0f) == (y < 0.0f) ? t_infinity() : 0.0f;
    } else if (b == t_infinity()) {
        r = a == 1.0f ? 1.0f : (a > 1.0f) == (y > 0.0f) ? t_infinity() : 0.0f;
    } else {
        float high, low;
        t_log_pair(a, &high, &low);
        float product = high * y;
        low = t_fma(low, y, t_fma(high, y, -product));
        r = t_exp_sum(product, t_abs(product) < 106.0f ? low : 0.0f);
        if (x < 0.0f && !integer) r = t_nan();
    }
    return (t_bits(x) >> 31) && odd ? -r : r;
}

// Cube root.
T_FN float t_cbrt(float x) {
    float a = t_abs(x);
    if (!(a > 0.0f && a < t_infinity())) return x == x ? x : t_nan();
    bool tiny = a < 1e-30f, huge = a > 1e30f;
    a = tiny ? a * 16777216.0f : huge ? a * 5.96046448e-8f : a;
    float y = t_from_bits(t_bits(a) / 3u + 0x2a5119f2u);
    // Halley's step doubles, Newton's with an exact remainder doubles again.
    float c = y * y * y;
    y = y * t_div(c + a + a, c + c + a);
    float z = y * y, rest = t_fma(t_fma(y, y, -z), y, t_fma(z, y, -a));
    y = y - t_div(rest, 3.0f * z);
    return t_with_sign(tiny ? y * 0.00390625f : huge ? y * 256.0f : y, x);
}

// Hyperbolic tangent.
T_FN float t_tanh(float x) {
    float a = t_abs(x), z = a * a;
    float p = t_fma(-6.29240833e-3f, z, 2.11291537e-2f);
    p = t_fma(p, z, -5.38786165e-2f);
    p = t_fma(p, z, 1.33329585e-1f);
    p = t_fma(p, z, -3.33333313e-1f);
    float y = t_fma(p * z, a, a);
    if (a > 0.6f) y = 1.0f - t_div(2.0f, t_exp(t_min(a + a, 40.0f)) + 1.0f);
    return x == x ? t_with_sign(y, x) : t_nan();
}

// 1 / (1 + e^-x).
T_FN float t_sigmoid(float x) {
    float e = t_exp(-t_abs(x));
    float sum = 1.0f + e, lost = e - (sum - 1.0f), r = t_rcp(sum);
    r = t_fma(t_fma(-r, sum, 1.0f) - r * lost, r, r);
    return x == x ? (x < 0.0f ? e * r : r) : t_nan();
}

// The error function.
T_FN float t_erf(float x) {
    float a = t_abs(x), y;
    if (a < 0.93f) {
        float z = a * a;
        float p = t_fma(8.28983248e-5f, z, -8.12262413e-4f);
        p = t_fma(p, z, 5.19911619e-3f);
        p = t_fma(p, z, -2.68585272e-2f);
        p = t_fma(p, z, 1.12836763e-1f);
        p = t_fma(p, z, -3.76126319e-1f);
        p = t_fma(p, z, 1.28379166e-1f);
        y = t_fma(p, a, a);
    } else {
        float c = t_min(a, 3.95f);
        float p = t_fma(-1.57781869e-7f, c, 3.78756067e-6f);
        p = t_fma(p, c, -3.83721745e-5f);
        p = t_fma(p, c, 1.98530834e-4f);
        p = t_fma(p, c, -3.60270904e-4f);
        p = t_fma(p, c, -2.25780322e-3f);
        p = t_fma(p, c, 2.20013950e-2f);
        p = t_fma(p, c, -1.04873724e-1f);
        p = t_fma(p, c, -6.35737658e-1f);
        p = t_fma(p, c, -1.12854123f);
        y = 1.0f - t_exp(p * c);
    }
    return x == x ? t_with_sign(y, x) : t_nan();
}
