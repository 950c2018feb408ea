// Sines, cosines, tangents and their inverses. As in math.cuh: every NaN that comes out is 0x7fffffff, and no float is
// out of range.
#pragma once
#include "math.cuh"

// x = quarter * pi / 2 + high + low, for large finite x: the product with 2 / pi, of which only the bits around the point
// count (Payne and Hanek).
T_FN u32 t_reduce_large(float x, float *high, float *low) {
    // 1 / (2 pi). Infinity and NaN, whose result does not count, read the last word.
    static const u32 digits[7] = {0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau};
    u32 bits = t_bits(x), mantissa = (bits << 8) | 0x80000000u;
    u32 exponent = ((bits >> 23) & 0xffu) - 126u, word = exponent >> 5, shift = exponent & 31u;
    u32 a = word ? digits[word - 1u] : 0u, b = digits[word], c = digits[word + 1u];
    if (shift) {
        u32 d = digits[word + 2u], back = 32u - shift;
        a = (a << shift) | (b >> back);
        b = (b << shift) | (c >> back);
        c = (c << shift) | (d >> back);
    }
    u64 product = (u64)mantissa * b + (((u64)mantissa * c) >> 32) + ((u64)(mantissa * a) << 32);
    // Two bits of quarters, then a fraction; taken to the nearest quarter.
    u32 quarter = (u32)(product >> 62) + (u32)((product >> 61) & 1u);
    i64 fraction = (i64)(product << 2);
    double rest = (double)fraction * 8.51530395021638395e-20; // pi / 2 * 2^-64
    *high = (float)rest;
    *low = (float)(rest - (double)*high);
    if (bits >> 31) {
        *high = -*high;
        *low = -*low;
        quarter = 0u - quarter;
    }
    return quarter;
}

// x = quarter * pi / 2 + high + low with |high| <= pi / 4, for finite x; returns the quarter's number modulo 2^32.
T_FN u32 t_reduce(float x, float *high, float *low) {
    if (t_abs(x) > 65536.0f) return t_reduce_large(x, high, low);
    float shifted = t_fma(x, 0.636619772f, 12582912.0f), q = shifted - 12582912.0f;
    // pi / 2 in three parts; the first product is taken off exactly, the second with its remainder.
    float first = t_fma(q, -1.57079601f, x), part = q * 3.13916473e-7f, part_rest = t_fma(q, 3.13916473e-7f, -part);
    float sum = first - part, back = sum - first;
    *high = sum;
    *low = t_fma(q, -5.39030253e-15f, ((first - (sum - back)) - (part + back)) - part_rest);
    return t_bits(shifted);
}

// Sine and cosine of high + low, turned by `quarter` quarters.
T_FN void t_sincos_pair(float high, float low, u32 quarter, float *sine, float *cosine) {
    float z = high * high, z_rest = t_fma(high, high, -z);
    float p = t_fma(2.92177288e-6f, z, -1.98612950e-4f);
    p = t_fma(p, z, 8.33339710e-3f);
    p = t_fma(p, z, -1.66666672e-1f);
    float s = high + t_fma(p * z, high, low);
    p = t_fma(2.45439514e-5f, z, -1.38882722e-3f);
    p = t_fma(p, z, 4.16666642e-2f);
    float near = t_fma(-0.5f, z, 1.0f), rest = t_fma(-0.5f, z, 1.0f - near);
    rest = rest - t_fma(high, low, 0.5f * z_rest);
    float c = near + t_fma(p * z, z, rest);
    bool swap = (quarter & 1u) != 0u;
    float a = swap ? c : s, b = swap ? s : c;
    *sine = (quarter & 2u) ? -a : a;
    *cosine = ((quarter + 1u) & 2u) ? -b : b;
}

// Sine and cosine together.
T_FN void t_sincos(float x, float *sine, float *cosine) {
    float high, low;
    u32 quarter = t_reduce(x, &high, &low);
    t_sincos_pair(high, low, quarter, sine, cosine);
    if (x == 0.0f) *sine = x;
    if (!(t_abs(x) < t_infinity())) *sine = *cosine = t_nan();
}

T_FN float t_sin(float x) {
    float sine, cosine;
    t_sincos(x, &sine, &cosine);
    return sine;
}

T_FN float t_cos(float x) {
    float sine, cosine;
    t_sincos(x, &sine, &cosine);
    return cosine;
}

// Sine and cosine of `turn` / 2^32 whole turns.
T_FN void t_sincos_turn(u32 turn, float *sine, float *cosine) {
    u32 quarter = (turn + 0x20000000u) >> 30;
    float angle = (float)(i32)(turn - (quarter << 30)) * 1.46291807926715968e-9f; // 2 pi / 2^32
    t_sincos_pair(angle, 0.0f, quarter, sine, cosine);
}

// A cheaper sine and cosine for small angles: absolute error below 1e-7 for |x| <= 8192.
T_FN void t_sincos_near(float x, float *sine, float *cosine) {
    i32 k = t_round_i32(x * 0.636619772f);
    float q = (float)k;
    float r = t_fma(q, -1.57079625f, x);
    r = t_fma(q, -7.54978942e-8f, r);
    float z = r * r;
    float s = t_fma(-1.95152959e-4f, z, 8.33216087e-3f);
    s = t_fma(s, z, -1.66666546e-1f);
    s = t_fma(s * z, r, r);
    float c = t_fma(2.44331571e-5f, z, -1.38873163e-3f);
    c = t_fma(c, z, 4.16666456e-2f);
    c = t_fma(c, z * z, t_fma(z, -0.5f, 1.0f));
    bool swap = (k & 1) != 0;
    float a = swap ? c : s, b = swap ? s : c;
    *sine = (k & 2) ? -a : a;
    *cosine = ((k + 1) & 2) ? -b : b;
}

T_FN float t_tan(float x) {
    float high, low;
    u32 quarter = t_reduce(x, &high, &low);
    float z = high * high;
    float p = t_fma(3.87913897e-3f, z, 1.11636287e-3f);
    p = t_fma(p, z, 1.00123929e-2f);
    p = t_fma(p, z, 2.16038283e-2f);
    p = t_fma(p, z, 5.39972931e-2f);
    p = t_fma(p, z, 1.33332118e-1f);
    p = t_fma(p, z, 3.33333343e-1f);
    float rest = t_fma(p * z, high, t_fma(z, low, low)), y = high + rest;
    if (quarter & 1u) {
        // -1 / tan, with the remainders of the sum and of the quotient.
        rest = (high - y) + rest;
        float inverse = t_rcp(y);
        y = -t_fma(t_fma(-rest, inverse, t_fma(-y, inverse, 1.0f)), inverse, inverse);
    }
    if (x == 0.0f) y = x;
    return t_abs(x) < t_infinity() ? y : t_nan();
}

// atan(small / big) = angle + rest, for 0 <= small <= big, 0 < big.
T_FN void t_atan_ratio(float small, float big, float *angle, float *rest) {
    float a = t_div(small, big), a_rest = t_fma(-a, big, small) * t_rcp(big), z = a * a;
    float p = t_fma(-1.48263690e-3f, z, 9.06985532e-3f);
    p = t_fma(p, z, -2.56874058e-2f);
    p = t_fma(p, z, 4.63988185e-2f);
    p = t_fma(p, z, -6.38198331e-2f);
    p = t_fma(p, z, 7.71927610e-2f);
    p = t_fma(p, z, -9.12855193e-2f);
    p = t_fma(p, z, 1.11214787e-1f);
    p = t_fma(p, z, -1.42869994e-1f);
    p = t_fma(p, z, 2.00000674e-1f);
    p = t_fma(p, z, -3.33333343e-1f);
    *angle = a;
    // d atan = da / (1 + a^2), for which a line is near enough.
    *rest = t_fma(p * z, a, t_fma(z, -0.5f, 1.0f) * a_rest);
}

// base + base_rest + sign * (angle + rest), where |base| is 0 or above |angle|.
T_FN float t_angle_sum(float base, float base_rest, float sign, float angle, float rest) {
    float sum = t_fma(sign, angle, base), lost = t_fma(sign, angle, base - sum);
    return sum + (lost + t_fma(sign, rest, base_rest));
}

T_FN float t_atan(float x) {
    float a = t_abs(x), angle, rest;
    bool steep = a > 1.0f;
    t_atan_ratio(steep ? 1.0f : a, steep ? t_min(a, 1e30f) : 1.0f, &angle, &rest);
    float y = steep ? t_angle_sum(1.57079637f, -4.37113883e-8f, -1.0f, angle, rest) : angle + rest;
    return x == x ? t_with_sign(y, x) : t_nan();
}

// Angle of the point (x, y) in -pi .. pi, with all the special cases of C's atan2.
T_FN float t_atan2(float y, float x) {
    float ax = t_abs(x), ay = t_abs(y);
    bool steep = ay > ax, left = (t_bits(x) >> 31) != 0u;
    float big = steep ? ay : ax, small = steep ? ax : ay;
    // The same angle where the quotient of the two is not defined.
    if (small == big) small = big = 1.0f;
    if (ax == 0.0f && ay == 0.0f) small = 0.0f;
    if (big == t_infinity()) {
        big = 1.0f;
        small = 0.0f;
    }
    // Remainders must not vanish below the smallest number.
    if (big < 8.67361738e-19f) {
        big *= 1.20892582e24f;
        small *= 1.20892582e24f;
    }
    float angle, rest;
    t_atan_ratio(small, big, &angle, &rest);
    float base = steep ? 1.57079637f : left ? 3.14159274f : 0.0f;
    float base_rest = steep ? -4.37113883e-8f : left ? -8.74227766e-8f : 0.0f;
    float r = t_angle_sum(base, base_rest, steep != left ? -1.0f : 1.0f, angle, rest);
    return x == x && y == y ? t_with_sign(r, y) : t_nan();
}
