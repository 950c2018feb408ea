// Building blocks for kernels whose results have the same bits on every machine.
//
// The reproducible profile allows single IEEE-754 operations rounded to nearest even and integer arithmetic. Everything
// else that a kernel needs (exp, sin, random numbers, sums) is built here from those. Rules for a kernel that uses this:
//   * compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true; write t_fma where a fused operation is meant;
//   * never call a function of the CUDA math library;
//   * sum in fixed point (t_fixed), so that the order of additions does not matter.
// A NaN has the bits 0x7fffffff. Conversion of a float to an integer saturates and maps NaN to 0.
//
// The same text compiles as host C++ (g++ -std=c++17 -ffp-contract=off), which helps when debugging a kernel.
#pragma once

typedef unsigned char u8;
typedef int i32;
typedef unsigned int u32;
typedef unsigned long long u64;

#if defined(__CUDACC__)
#define T_FN static __device__ __forceinline__
#define T_KERNEL extern "C" __global__ void

T_FN float t_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
T_FN float t_sqrt(float a) { return __fsqrt_rn(a); }
T_FN float t_div(float a, float b) { return __fdiv_rn(a, b); }
T_FN float t_rcp(float a) { return __frcp_rn(a); }
// The smaller or larger operand; a NaN operand is dropped.
T_FN float t_min(float a, float b) { return fminf(a, b); }
T_FN float t_max(float a, float b) { return fmaxf(a, b); }
T_FN float t_abs(float a) { return fabsf(a); }
T_FN float t_floor(float a) { return floorf(a); }
T_FN i32 t_to_i32(float a) { return __float2int_rz(a); }
T_FN i32 t_round_i32(float a) { return __float2int_rn(a); }
T_FN u64 t_to_u64(float a) { return __float2ull_rz(a); }
T_FN u32 t_bits(float a) { return __float_as_uint(a); }
T_FN float t_from_bits(u32 a) { return __uint_as_float(a); }
T_FN u32 t_mul_hi(u32 a, u32 b) { return __umulhi(a, b); }
T_FN u32 t_reverse(u32 a) { return __brev(a); }
// All threads of the warp that have not left the kernel meet here. Changes no result.
T_FN void t_meet() { __syncwarp(); }
#else
#define T_FN static inline __attribute__((always_inline))
#define T_KERNEL static void

T_FN void t_meet() {}
T_FN float t_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
T_FN float t_sqrt(float a) { return __builtin_sqrtf(a); }
T_FN float t_div(float a, float b) { return a / b; }
T_FN float t_rcp(float a) { return 1.0f / a; }
T_FN u32 t_bits(float a) { u32 u; __builtin_memcpy(&u, &a, 4); return u; }
T_FN float t_from_bits(u32 a) { float f; __builtin_memcpy(&f, &a, 4); return f; }
T_FN float t_min(float a, float b) {
    if (a != a) return b;
    return a < b || b != b || (a == b && (t_bits(a) >> 31)) ? a : b;
}
T_FN float t_max(float a, float b) {
    if (a != a) return b;
    return a > b || b != b || (a == b && !(t_bits(a) >> 31)) ? a : b;
}
T_FN float t_abs(float a) { return __builtin_fabsf(a); }
T_FN float t_floor(float a) { return __builtin_floorf(a); }
T_FN i32 t_to_i32(float a) {
    if (a != a) return 0;
    return a >= 2147483648.0f ? 0x7fffffff : a < -2147483648.0f ? -0x7fffffff - 1 : (i32)a;
}
T_FN i32 t_round_i32(float a) { return t_to_i32(__builtin_rintf(a)); }
T_FN u64 t_to_u64(float a) { return !(a > 0.0f) ? 0ull : a >= 18446744073709551616.0f ? ~0ull : (u64)a; }
T_FN u32 t_mul_hi(u32 a, u32 b) { return (u32)(((u64)a * b) >> 32); }
T_FN u32 t_reverse(u32 a) {
    a = (a >> 16) | (a << 16);
    a = ((a & 0xff00ff00u) >> 8) | ((a & 0x00ff00ffu) << 8);
    a = ((a & 0xf0f0f0f0u) >> 4) | ((a & 0x0f0f0f0fu) << 4);
    a = ((a & 0xccccccccu) >> 2) | ((a & 0x33333333u) << 2);
    return ((a & 0xaaaaaaaau) >> 1) | ((a & 0x55555555u) << 1);
}
#endif

#define T_PI 3.14159265f
#define T_TWO_PI 6.28318531f
#define T_INV_PI 0.318309886f

T_FN float t_clamp(float x, float low, float high) { return t_min(t_max(x, low), high); }
T_FN float t_rsqrt(float a) { return t_rcp(t_sqrt(a)); }

// ---- Elementary functions. Errors against the exact value, measured over the stated domain.

// e^x, within 1.2 ulp where the result is a normal number; 0 or infinity beyond the range of float; NaN stays NaN.
T_FN float t_exp(float x) {
    float c = t_clamp(x, -104.0f, 89.0f);
    float n = (float)t_round_i32(c * 1.44269504f);
    float r = t_fma(n, -0.693359375f, c);
    r = t_fma(n, 2.12194440e-4f, r);
    float p = t_fma(1.98756915e-4f, r, 1.39819995e-3f);
    p = t_fma(p, r, 8.33345191e-3f);
    p = t_fma(p, r, 4.16657959e-2f);
    p = t_fma(p, r, 1.66666655e-1f);
    p = t_fma(p, r, 0.5f);
    p = t_fma(p, r * r, r) + 1.0f;
    // The power of two is applied in two factors, so that neither overflows.
    i32 e = t_to_i32(n), half = e >> 1;
    float y = p * t_from_bits((u32)(half + 127) << 23) * t_from_bits((u32)(e - half + 127) << 23);
    return x == x ? y : x;
}

// Natural logarithm, within 1 ulp for normal x > 0. Zero and denormals count as 2^-126; negative x and NaN give NaN.
T_FN float t_log(float x) {
    float c = t_max(x, 1.17549435e-38f);
    u32 bits = t_bits(c);
    i32 e = (i32)(bits >> 23) - 127;
    float m = t_from_bits((bits & 0x7fffffu) | 0x3f800000u);
    if (m > 1.41421356f) {
        m = m * 0.5f;
        e += 1;
    }
    float f = m - 1.0f, z = f * f, fe = (float)e;
    float p = t_fma(7.03768363e-2f, f, -1.15146103e-1f);
    p = t_fma(p, f, 1.16769987e-1f);
    p = t_fma(p, f, -1.24201408e-1f);
    p = t_fma(p, f, 1.42493228e-1f);
    p = t_fma(p, f, -1.66680577e-1f);
    p = t_fma(p, f, 2.00007148e-1f);
    p = t_fma(p, f, -2.49999940e-1f);
    p = t_fma(p, f, 3.33333312e-1f);
    float y = t_fma(fe, -2.12194440e-4f, p * f * z);
    y = t_fma(z, -0.5f, y);
    y = t_fma(fe, 0.693359375f, f + y);
    return x >= 0.0f ? y : t_from_bits(0x7fffffffu);
}

// x^y for x >= 0 by exp(y log x): relative error about |y log x| * 1e-7.
T_FN float t_pow(float x, float y) { return t_exp(y * t_log(x)); }

// Sine and cosine together, absolute error below 1e-7 for |x| <= 8192.
T_FN void t_sincos(float x, float *sine, float *cosine) {
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

// Angle of the point (x, y) in -pi..pi, absolute error below 4e-7. (0, 0) gives 0.
T_FN float t_atan2(float y, float x) {
    float ax = t_abs(x), ay = t_abs(y), big = t_max(ax, ay), small = t_min(ax, ay);
    float a = big > 0.0f ? t_div(small, big) : 0.0f;
    // Reduce a > tan(pi/8) by atan(a) = pi/4 + atan((a - 1) / (a + 1)).
    float base = 0.0f;
    if (a > 0.414213562f) {
        base = 0.785398163f;
        a = t_div(a - 1.0f, a + 1.0f);
    }
    float z = a * a;
    float p = t_fma(8.05374449e-2f, z, -1.38776856e-1f);
    p = t_fma(p, z, 1.99777106e-1f);
    p = t_fma(p, z, -3.33329491e-1f);
    float angle = t_fma(p * z, a, a) + base;
    if (ay > ax) angle = 1.57079633f - angle;
    if (x < 0.0f) angle = T_PI - angle;
    return y < 0.0f ? -angle : angle;
}

// ---- Random numbers: pure functions of a counter and a key.

struct Random4 { u32 x, y, z, w; };

// Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3).
T_FN Random4 t_philox(u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
    for (int round = 0; round < 10; round++) {
        u32 high0 = t_mul_hi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        u32 high1 = t_mul_hi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    Random4 r = {c0, c1, c2, c3};
    return r;
}

// A cheap integer hash with full avalanche, for keys that derive from a Philox output.
T_FN u32 t_hash(u32 x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

// The upper 24 bits as a float in 0 <= u < 1, exactly.
T_FN float t_unit(u32 bits) { return (float)(bits >> 8) * 5.9604644775390625e-8f; }

// Owen scrambling of a binary fraction whose first digit is the lowest bit (Laine and Karras, with Vegdahl's constants).
T_FN u32 t_owen(u32 x, u32 key) {
    x ^= x * 0x3d20adeau;
    x += key;
    x *= (key >> 16) | 1u;
    x ^= x * 0x05526c56u;
    return x ^ (x * 0x53a22864u);
}

// Point `index` of a two-dimensional Sobol sequence, shuffled and Owen-scrambled by `key` (Burley, Practical Hash-based
// Owen Scrambling). Points of different keys are independent; any 2^k aligned points of one key are stratified.
T_FN void t_sobol2(u32 index, u32 key, float *x, float *y) {
    u32 i = t_reverse(t_owen(t_reverse(index), key));
    u32 j = i ^ (i >> 16); // the Pascal matrix mod 2, on reversed digits
    j ^= (j & 0xff00ff00u) >> 8;
    j ^= (j & 0xf0f0f0f0u) >> 4;
    j ^= (j & 0xccccccccu) >> 2;
    j ^= (j & 0xaaaaaaaau) >> 1;
    *x = t_unit(t_reverse(t_owen(i, key * 0x2c1b3c6du + 0x68bc21ebu)));
    *y = t_unit(t_reverse(t_owen(j, key * 0x297a2d39u + 0x02e5be93u)));
}

// ---- Sums that do not depend on the order of additions.

// Units of a fixed-point sum per 1.0.
#define T_FIXED_ONE 16777216.0f
// Largest value that a single addend may have; 2^24 addends fit a u64.
#define T_FIXED_MAX 65504.0f

// A value of 0 to T_FIXED_MAX in fixed point (40.24). Larger values are cut off; negative ones and NaN count as 0.
T_FN u64 t_fixed(float x) { return t_to_u64(t_min(t_max(x, 0.0f), T_FIXED_MAX) * T_FIXED_ONE); }

// ---- Vectors.

struct alignas(16) Float4 { float x, y, z, w; };
struct alignas(16) Uint4 { u32 x, y, z, w; };
struct alignas(8) Uint2 { u32 x, y; };

struct Vec { float x, y, z; };

T_FN Vec vec(float x, float y, float z) { Vec r = {x, y, z}; return r; }
T_FN Vec vec(Float4 a) { return vec(a.x, a.y, a.z); }
T_FN Vec operator+(Vec a, Vec b) { return vec(a.x + b.x, a.y + b.y, a.z + b.z); }
T_FN Vec operator-(Vec a, Vec b) { return vec(a.x - b.x, a.y - b.y, a.z - b.z); }
T_FN Vec operator-(Vec a) { return vec(-a.x, -a.y, -a.z); }
T_FN Vec operator*(Vec a, Vec b) { return vec(a.x * b.x, a.y * b.y, a.z * b.z); }
T_FN Vec operator*(Vec a, float s) { return vec(a.x * s, a.y * s, a.z * s); }
T_FN Vec mad(Vec a, float s, Vec b) { return vec(t_fma(a.x, s, b.x), t_fma(a.y, s, b.y), t_fma(a.z, s, b.z)); }
T_FN Vec mad(Vec a, Vec s, Vec b) { return vec(t_fma(a.x, s.x, b.x), t_fma(a.y, s.y, b.y), t_fma(a.z, s.z, b.z)); }
T_FN float dot(Vec a, Vec b) { return t_fma(a.x, b.x, t_fma(a.y, b.y, a.z * b.z)); }
T_FN Vec normalize(Vec a) { return a * t_rsqrt(dot(a, a)); }
T_FN float largest(Vec a) { return t_max(a.x, t_max(a.y, a.z)); }
