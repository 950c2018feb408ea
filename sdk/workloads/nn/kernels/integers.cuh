// Products in fixed point: the values of a row of activations, and of a column of weights, are whole numbers of `bits` bits in
// units of a power of two of its own; the sum of their products is exact, so it is the same in any order, and is rounded once, to a
// float of 32 bits. src/fixed_point.rs makes the weights, and says how many bits there are and how far the result may be off.
//
// Here the sum is taken as it stands, in two words of 64 bits; residues.cuh gets the same number from products of bytes.
#pragma once
#include "gemm.cuh"

// In place of the unit of a row that has an infinity or NaN: all its products are NaN.
#define NO_UNIT 0x7fffffff
// Below the exponents of all values, whatever they are multiplied by.
#define NO_EXPONENT (-2000)

// The largest whole number that is not above log2 |x|; far above all others for infinities and NaN.
T_FN i32 exponent_of(float x) {
    u32 raw = t_bits(x) & 0x7fffffffu, exponent = raw >> 23;
    if (raw == 0u) return NO_EXPONENT;
    if (exponent == 0xffu) return 1 << 20;
    return exponent ? (i32)exponent - 127 : -118 - (i32)t_leading_zeros(raw);
}

// x 2^power to the nearest whole number, the even one of two. Below 2^30 before it is rounded.
T_FN i32 to_integer(float x, i32 power) {
    u32 raw = t_bits(x), exponent = (raw >> 23) & 0xffu, mantissa = (raw & 0x7fffffu) | (exponent ? 0x800000u : 0u);
    i32 shift = (i32)(exponent ? exponent : 1u) - 150 + power;
    if (mantissa == 0u || shift < -24) return 0;
    if (shift >= 0) {
        mantissa <<= shift;
    } else {
        u32 drop = (u32)-shift, odd = (mantissa >> drop) & 1u;
        mantissa = (mantissa + (1u << (drop - 1u)) - 1u + odd) >> drop;
    }
    return raw >> 31 ? -(i32)mantissa : (i32)mantissa;
}

// Each row in a unit of its own, in which its largest value has `bits` bits. Input i of the row is multiplied by 2^powers[i], and
// the weights by the inverse, so that inputs of very different sizes have a share of the bits that their products need. Blocks of
// ROW_THREADS for each row.
T_KERNEL to_integers(const u32 *rows, const float *x, const i32 *powers, i32 *y, i32 *units, u32 k, u32 bits) {
    T_SHARED i32 scratch[ROW_THREADS];
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    x += (u64)blockIdx.x * k;
    y += (u64)blockIdx.x * k;
    i32 most = NO_EXPONENT;
    for (u32 i = threadIdx.x; i < k; i += ROW_THREADS) {
        i32 exponent = exponent_of(x[i]) + powers[i];
        most = exponent > most ? exponent : most;
    }
    scratch[threadIdx.x] = most;
    __syncthreads();
    for (u32 i = 0; i < ROW_THREADS; i++) most = scratch[i] > most ? scratch[i] : most;
    bool finite = most < 1 << 16;
    i32 unit = most + 1 - (i32)bits;
    for (u32 i = threadIdx.x; i < k; i += ROW_THREADS) y[i] = finite ? to_integer(x[i], powers[i] - unit) : 0;
    if (threadIdx.x == 0u) units[blockIdx.x] = finite ? unit : NO_UNIT;
}

// sum 2^power, rounded once: to nearest, the even one of two; denormal results too.
T_FN float rounded(Wide sum, i32 power) {
    u32 sign = (u32)(sum.high >> 63) << 31;
    if (sign) sum = t_wide_negate(sum);
    u32 zeros = t_wide_leading_zeros(sum);
    if (zeros == 128u) return 0.0f;
    sum = t_wide_shift_left(sum, zeros);
    u64 top = sum.high, rest = sum.low;
    i32 exponent = 127 - (i32)zeros + power;
    if (exponent > 127) return t_from_bits(sign | 0x7f800000u);
    // How many bits of `top` a float does not have: more where the result is denormal.
    i32 drop = exponent >= -126 ? 40 : -86 - exponent;
    if (drop > 64) return t_from_bits(sign);
    u64 kept = drop < 64 ? top >> drop : 0u, below = drop < 64 ? top << (64 - drop) : top, half = 1ull << 63;
    if (below > half || (below == half && (rest != 0u || (kept & 1u)))) kept += 1u;
    // The highest bit of `kept` counts as one in the exponent, and so does what rounding carries there.
    u32 above = exponent >= -126 ? (u32)(exponent + 126) << 23 : 0u;
    return t_from_bits(sign | (above + (u32)kept));
}

// One product in fixed point, as a thread or a block works on it.
struct FixedPoint {
    const i32 *x_units, *w_units;
    const float *bias, *residual;
    float *y;
    u32 columns, flags;
};

T_FN void finish_fixed_point(const FixedPoint &of, Wide sum, u32 row, u32 column) {
    i32 unit = of.x_units[row];
    float value = unit == NO_UNIT ? t_nan() : rounded(sum, unit + of.w_units[column]);
    finish(value, of.bias, of.residual, of.y, (u64)row * of.columns + column, column, of.flags);
}

// Rows and columns of a thread of multiply_integers.
#define INTEGER_ROWS 4u
#define INTEGER_COLUMNS 4u

struct alignas(INTEGER_COLUMNS * 4u) Integers { i32 of[INTEGER_COLUMNS]; };

// An activation of at most 2^30 is low + 2^16 high, with low from -2^15 to 2^15 - 1, so high is at most 2^14. With weights of at most
// 2^30, each sum of k < 2^17 products is below 2^62: none of the two overflows.
template <u32 COUNT> T_FN void integer_products(const FixedPoint &of, const i32 *x, const i32 *w, u32 row, u32 column, u32 k) {
    i64 low[COUNT][INTEGER_COLUMNS] = {}, high[COUNT][INTEGER_COLUMNS] = {};
    x += (u64)row * k;
    w += (u64)(column / PANEL) * PANEL * k + column % PANEL;
    for (u32 at = 0; at < k; at++) {
        Integers b = *(const Integers *)(w + (u64)at * PANEL);
        for (u32 i = 0; i < COUNT; i++) {
            i32 a = x[(u64)i * k + at], a_low = (i32)(i16)a, a_high = (a - a_low) >> 16;
            for (u32 j = 0; j < INTEGER_COLUMNS; j++) {
                low[i][j] += (i64)a_low * b.of[j];
                high[i][j] += (i64)a_high * b.of[j];
            }
        }
    }
    for (u32 i = 0; i < COUNT; i++)
        for (u32 j = 0; j < INTEGER_COLUMNS; j++) {
            if (column + j >= of.columns) continue;
            Wide sum = {(u64)low[i][j], (u64)(low[i][j] >> 63)};
            Wide more = {(u64)high[i][j] << 16, (u64)(high[i][j] >> 48)};
            finish_fixed_point(of, t_wide_add(sum, more), row + i, column + j);
        }
}

// y = x w, and what the flags say. For processors, which multiply whole numbers as fast as bytes, and for few rows, where reading
// the weights is most of the work: they take 4 bytes each here, and MODULI bytes as residues.
T_KERNEL multiply_integers(const u32 *rows, const i32 *x, const i32 *x_units, const i32 *w, const i32 *w_units, const float *bias,
                           const float *residual, float *y, u32 k, u32 n, u32 flags) {
    u32 count = rows[ROW_COUNT], column = (blockIdx.y * blockDim.x + threadIdx.x) * INTEGER_COLUMNS;
    u32 row = (blockIdx.x * blockDim.y + threadIdx.y) * INTEGER_ROWS;
    if (row >= count || column >= n) return;
    FixedPoint of = {x_units, w_units, bias, residual, y, n, flags};
    if (row + INTEGER_ROWS <= count) {
        integer_products<INTEGER_ROWS>(of, x, w, row, column, k);
        return;
    }
    for (; row < count; row++) integer_products<1>(of, x, w, row, column, k);
}
