// Random numbers: pure functions of a counter and a key, so that a sample depends on nothing but its own number.
#pragma once
#include "trig.cuh"

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

// A whole number below `n`. Its bias is at most n / 2^32.
T_FN u32 t_below(u32 bits, u32 n) { return t_mul_hi(bits, n); }

// Two independent normal deviates (Box and Muller) from two words of random bits; at most 6.8 from zero.
T_FN void t_normal2(u32 a, u32 b, float *x, float *y) {
    // In 2^-33 .. 1: never zero.
    float u = t_fma((float)a, 2.3283064365386963e-10f, 1.16415321826934814e-10f);
    float radius = t_sqrt(-2.0f * t_log(u)), sine, cosine;
    t_sincos_turn(b, &sine, &cosine);
    *x = radius * cosine;
    *y = radius * sine;
}
