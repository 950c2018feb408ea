// Sums that do not depend on the order of additions: integers, in one word or in two.
#pragma once
#include "base.cuh"

// Units of a fixed-point sum per 1.0.
#define T_FIXED_ONE 16777216.0f
// Largest value that a single addend may have; 2^24 addends fit a u64.
#define T_FIXED_MAX 65504.0f

// A value of 0 to T_FIXED_MAX in fixed point (40.24). Larger values are cut off; negative ones and NaN count as 0.
T_FN u64 t_fixed(float x) { return t_to_u64(t_min(t_max(x, 0.0f), T_FIXED_MAX) * T_FIXED_ONE); }


// A signed value in units of 1 / `one`, to the nearest; NaN counts as 0, and what does not fit 63 bits is cut off. Sums
// are exact as long as the sum of the magnitudes fits.
T_FN i64 t_fixed_signed(float x, float one) {
    float scaled = x * one;
    // Above 2^23 every float is whole; below, adding 1.5 * 2^23 rounds.
    if (t_abs(scaled) < 4194304.0f) scaled = (scaled + 12582912.0f) - 12582912.0f;
    return x == x ? t_to_i64(scaled) : 0;
}

// Adds to a sum in memory that other threads add to as well.
T_FN void t_add_signed(i64 *sum, i64 value) { atomicAdd((u64 *)sum, (u64)value); }

// A number of 128 bits in two's complement: high * 2^64 + low.
struct Wide { u64 low, high; };

T_FN Wide t_wide_add(Wide a, Wide b) {
    Wide r = {a.low + b.low, a.high + b.high};
    r.high += r.low < a.low ? 1u : 0u;
    return r;
}

T_FN Wide t_wide_negate(Wide a) {
    Wide r = {0u - a.low, ~a.high};
    r.high += a.low == 0u ? 1u : 0u;
    return r;
}

// x in units of 2^-bits. Exact where x is a multiple of the unit; else cut towards zero. NaN and infinities count as 0, and
// so does what does not fit 127 bits.
T_FN Wide t_wide(float x, i32 bits) {
    u32 raw = t_bits(x), exponent = (raw >> 23) & 0xffu;
    u64 mantissa = (raw & 0x7fffffu) | (exponent ? 0x800000u : 0u);
    i32 shift = (i32)(exponent ? exponent : 1u) - 150 + bits;
    Wide r = {0u, 0u};
    if (exponent == 0xffu || shift > 102 || shift < -23) return r;
    if (shift < 0) {
        r.low = mantissa >> -shift;
    } else if (shift < 64) {
        r.low = mantissa << shift;
        r.high = shift > 40 ? mantissa >> (64 - shift) : 0u;
    } else {
        r.high = mantissa << (shift - 64);
    }
    return raw >> 31 ? t_wide_negate(r) : r;
}

// x * y in units of 2^-bits, with no rounding of the product itself.
T_FN Wide t_wide_product(float x, float y, i32 bits) {
    float high = x * y;
    return t_wide_add(t_wide(high, bits), t_wide(t_fma(x, y, -high), bits));
}

// A sum in memory that many threads add to: four digits of 32 bits, each in a word of 64, so that carries need not be passed
// on before 2^32 additions. Start from zero.
T_FN void t_wide_add_to(u64 *digits, Wide value) {
    atomicAdd(digits, value.low & 0xffffffffu);
    atomicAdd(digits + 1, value.low >> 32);
    atomicAdd(digits + 2, value.high & 0xffffffffu);
    atomicAdd(digits + 3, value.high >> 32);
}

// The sum that such digits hold.
T_FN Wide t_wide_of(const u64 *digits) {
    Wide r = {digits[0], 0u}, next = {digits[1] << 32, digits[1] >> 32};
    r = t_wide_add(r, next);
    r.high += digits[2] + (digits[3] << 32);
    return r;
}

// Zeros above the highest bit; 128 where there is none.
T_FN u32 t_wide_leading_zeros(Wide a) { return a.high ? t_leading_zeros(a.high) : 64u + t_leading_zeros(a.low); }

// a 2^bits, of which the lowest 128 bits are left; `bits` is below 128.
T_FN Wide t_wide_shift_left(Wide a, u32 bits) {
    Wide r = a;
    if (bits >= 64u) {
        r.high = a.low << (bits - 64u);
        r.low = 0u;
    } else if (bits > 0u) {
        r.high = (a.high << bits) | (a.low >> (64u - bits));
        r.low = a.low << bits;
    }
    return r;
}

// The value of a sum in units of 2^-bits, rounded to nearest; below 2^-126 twice.
T_FN float t_wide_to_float(Wide a, i32 bits) {
    bool negative = (a.high >> 63) != 0u;
    if (negative) a = t_wide_negate(a);
    u32 zeros = t_wide_leading_zeros(a);
    if (zeros == 128u) return 0.0f;
    a = t_wide_shift_left(a, zeros);
    // What was cut off decides ties.
    float y = (float)(a.high | (a.low ? 1u : 0u));
    i32 power = 64 - (i32)zeros - bits, first = power < -100 ? -100 : power > 60 ? 60 : power;
    i32 second = power - first;
    second = second < -126 ? -126 : second > 127 ? 127 : second;
    y = y * t_from_bits((u32)(first + 127) << 23) * t_from_bits((u32)(second + 127) << 23);
    return negative ? -y : y;
}
