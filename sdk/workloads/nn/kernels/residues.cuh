// Products in fixed point on tensor cores (Ozaki, Uchino, Imamura 2025, "Ozaki scheme II"): whole numbers are taken modulo nine
// pairwise coprime numbers of at most 8 bits, one exact product of bytes is computed for each, and the sum follows from what is left
// of it modulo each of them (Chinese remainder theorem).
//
// Nothing wraps: residues are at most 128, so sums of k < 2^17 products of them are below 2^31. The sum is below half of the product
// of all moduli, 2^71.4, since src/fixed_point.rs takes as many bits as k allows; so it is the only such number with these residues.
#pragma once
#include "bytes.cuh"
#include "integers.cuh"

#define MODULI 9u

template <u32 INDEX> T_FN constexpr i32 modulus() {
    constexpr i32 all[MODULI] = {256, 255, 253, 251, 247, 241, 239, 233, 229};
    return all[INDEX];
}

// The modulus of a number that is known only when the kernel runs.
template <u32 INDEX = 0> T_FN i32 modulus_at(u32 index) {
    if constexpr (INDEX + 1u < MODULI)
        return index == INDEX ? modulus<INDEX>() : modulus_at<INDEX + 1u>(index);
    else
        return modulus<INDEX>();
}

// From -128 to 127.
template <u32 INDEX> T_FN u32 residue_byte(i32 value) {
    constexpr i32 m = modulus<INDEX>();
    i32 left = value % m;
    if (left > (m - 1) / 2) left -= m;
    if (left < -(m / 2)) left += m;
    return (u32)left & 0xffu;
}

// Four numbers as a word of residues for each modulus, `stride` words from each other.
template <u32 INDEX = 0> T_FN void store_residues(const i32 *four, u32 *to, u64 stride) {
    if constexpr (INDEX < MODULI) {
        *to = residue_byte<INDEX>(four[0]) | residue_byte<INDEX>(four[1]) << 8 | residue_byte<INDEX>(four[2]) << 16 |
              residue_byte<INDEX>(four[3]) << 24;
        store_residues<INDEX + 1u>(four, to + stride, stride);
    }
}

// Rows of activations as residues: of each row k bytes for each modulus. Blocks of ROW_THREADS for each row.
T_KERNEL rows_to_residues(const u32 *rows, const i32 *x, u32 *y, u32 k) {
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    x += (u64)blockIdx.x * k;
    y += (u64)blockIdx.x * MODULI * (k / 4u);
    for (u32 i = threadIdx.x; i < k / 4u; i += ROW_THREADS) store_residues(x + i * 4u, y + i, k / 4u);
}

// Weights as residues: of each panel as many bytes as multiply_bytes reads, for each modulus. Blocks of ROW_THREADS words (y) for each
// panel (x). Nothing is done for a product without rows.
T_KERNEL weights_to_residues(const u32 *rows, const i32 *w, u32 *y, u32 k) {
    u32 words = k / 4u * PANEL, i = blockIdx.y * blockDim.x + threadIdx.x;
    if (rows[ROW_COUNT] == 0u || i >= words) return;
    w += (u64)blockIdx.x * PANEL * k + (u64)(i / PANEL) * 4u * PANEL + i % PANEL;
    i32 four[4] = {w[0], w[PANEL], w[2u * PANEL], w[3u * PANEL]};
    store_residues(four, y + (u64)blockIdx.x * MODULI * words + i, words);
}

// What is left of the sums of products: of each row a byte for each column, for each modulus, from 0 up. Blocks of 64 rows (x) and 64
// columns (y) for each modulus (z).
T_KERNEL multiply_residues(const u32 *rows, const u32 *x, const u32 *w, u8 *y, u32 k, u32 n) {
    T_SHARED u32 tile_x[T_GEMM_TILE][BYTES_STEP + 1u];
    T_SHARED u32 tile_w[T_GEMM_TILE][BYTES_STEP + 1u];
    u32 count = rows[ROW_COUNT], words = k / 4u, of_all = MODULI * words;
    if (blockIdx.x * T_GEMM_TILE >= count) return;
    Tile of = {x + blockIdx.z * words, w + (u64)blockIdx.z * words * PANEL, count, n, words, of_all, of_all};
    i32 sum[BYTES_PARTS][4] = {};
    sums_of_bytes(of, tile_x, tile_w, sum);
    i32 m = modulus_at(blockIdx.z);
    for (u32 part = 0; part < BYTES_PARTS; part++)
        for (u32 i = 0; i < 4u; i++) {
            u32 row = row_of_sum(i), column = column_of_sum(part, i);
            if (row >= count || column >= n) continue;
            i32 left = sum[part][i] % m;
            y[((u64)row * MODULI + blockIdx.z) * n + column] = (u8)(left < 0 ? left + m : left);
        }
}

// The number whose product with a is 1 modulo m, by Euclid's algorithm.
T_FN constexpr u64 inverse(u64 a, u64 m) {
    i64 last = (i64)m, now = (i64)(a % m), last_factor = 0, factor = 1;
    while (now != 0) {
        i64 times = last / now, next = last - times * now, next_factor = last_factor - times * factor;
        last = now;
        now = next;
        last_factor = factor;
        factor = next_factor;
    }
    return (u64)(last_factor < 0 ? last_factor + (i64)m : last_factor);
}

// The product of four moduli; below 2^32.
template <u32 FIRST> T_FN constexpr u64 of_four() {
    return (u64)modulus<FIRST>() * modulus<FIRST + 1u>() * modulus<FIRST + 2u>() * modulus<FIRST + 3u>();
}

// What belongs to the residue of one of four moduli: 1 modulo this one, 0 modulo the others.
template <u32 FIRST, u32 INDEX> T_FN constexpr u64 basis() {
    constexpr u64 others = of_four<FIRST>() / modulus<INDEX>();
    return others * inverse(others, modulus<INDEX>());
}

// The number below the product of four moduli that has these residues. Each of the four addends is below 2^40.
template <u32 FIRST> T_FN u64 joined(const u8 *left, u32 stride) {
    u64 sum = left[FIRST * (u64)stride] * basis<FIRST, FIRST>() + left[(FIRST + 1u) * (u64)stride] * basis<FIRST, FIRST + 1u>() +
              left[(FIRST + 2u) * (u64)stride] * basis<FIRST, FIRST + 2u>() +
              left[(FIRST + 3u) * (u64)stride] * basis<FIRST, FIRST + 3u>();
    return sum % of_four<FIRST>();
}

// The number between -half and half of the product of all moduli that has these residues, `stride` bytes from each other.
T_FN Wide whole(const u8 *left, u32 stride) {
    constexpr u64 first = of_four<0>(), second = of_four<4>(), eight = first * second, last = modulus<8>();
    u64 of_first = joined<0>(left, stride), of_second = joined<4>(left, stride);
    // of_first + first * digit is right modulo eight of them, and below their product; then in the same way with the last one.
    u64 digit = (of_second + second - of_first % second) % second * inverse(first, second) % second;
    u64 of_eight = of_first + first * digit;
    u64 top = (left[8u * (u64)stride] + last - of_eight % last) * inverse(eight, last) % last;
    // The number is of_eight + eight * top: in its upper half it stands for a negative one.
    bool negative = top > last / 2u || (top == last / 2u && of_eight >= eight / 2u);
    u64 times = negative ? last - top : top;
    Wide product = {eight * times, t_mul_hi(eight, times)}, rest = {of_eight, 0u};
    return t_wide_add(negative ? t_wide_negate(product) : product, rest);
}

// y = the product whose residues these are, and what the flags say. Blocks of ROW_THREADS columns (y) for each row (x).
T_KERNEL from_residues(const u32 *rows, const u8 *left, const i32 *x_units, const i32 *w_units, const float *bias,
                       const float *residual, float *y, u32 n, u32 flags) {
    u32 row = blockIdx.x, column = blockIdx.y * blockDim.x + threadIdx.x;
    if (row >= rows[ROW_COUNT] || column >= n) return;
    FixedPoint of = {x_units, w_units, bias, residual, y, n, flags};
    finish_fixed_point(of, whole(left + (u64)row * MODULI * n + column, n), row, column);
}
