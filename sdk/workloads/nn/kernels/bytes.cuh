// Products in 8 bits: weights with one scale for each output, activations with one for each row, sums of 32 bits, which are exact
// in any order below k = 131,072.
#pragma once
#include "gemm.cuh"

// Threads of a block of multiply_bytes, and words of k between two barriers.
#define BYTES_THREADS 128u
#define BYTES_STEP 8u

// The nearest of -127 to 127, the even one of two that are as near, as a byte.
T_FN u32 to_byte(float x) {
    i32 near = t_round_i32(t_clamp(x, -127.0f, 127.0f));
    return (u32)near & 0xffu;
}

// Each row in steps of its own: the largest value becomes 127 of them. A row of zeros, or of values too small for that, has steps
// of 1.
T_KERNEL to_bytes(const u32 *rows, const float *x, u32 *y, float *scales, u32 k) {
    T_SHARED float scratch[ROW_THREADS];
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    x += (u64)blockIdx.x * k;
    y += (u64)blockIdx.x * (k / 4u);
    float most = 0.0f;
    for (u32 i = threadIdx.x; i < k; i += ROW_THREADS) most = t_max(most, t_abs(x[i]));
    scratch[threadIdx.x] = most;
    __syncthreads();
    for (u32 i = 0; i < ROW_THREADS; i++) most = t_max(most, scratch[i]);
    float scale = t_div(most, 127.0f);
    if (!(scale >= 1.17549435e-38f)) scale = 1.0f;
    for (u32 i = threadIdx.x; i < k / 4u; i += ROW_THREADS) {
        Four four = load4(x + i * 4u);
        y[i] = to_byte(t_div(four.x, scale)) | to_byte(t_div(four.y, scale)) << 8 | to_byte(t_div(four.z, scale)) << 16 |
               to_byte(t_div(four.w, scale)) << 24;
    }
    if (threadIdx.x == 0u) scales[blockIdx.x] = scale;
}

// One product of bytes, as a block works on it.
struct Bytes {
    const u32 *x, *w;
    const float *x_scales, *w_scales, *bias, *residual;
    float *y;
    u32 rows, columns, words, flags;
};

// 64 rows and columns of a block; this warp has 16 rows from `row` on, and 8 * PARTS columns from `column` on.
template <u32 PARTS>
T_FN void tile_of_bytes(const Bytes &of, u32 (*tile_x)[BYTES_STEP + 1u], u32 (*tile_w)[BYTES_STEP + 1u], u32 row, u32 column) {
    u32 row0 = blockIdx.x * T_GEMM_TILE, column0 = blockIdx.y * T_GEMM_TILE;
    u32 thread = threadIdx.x, group = (thread & 31u) >> 2, in_group = thread & 3u;
    i32 sum[PARTS][4] = {};
    for (u32 at = 0; at < of.words; at += BYTES_STEP) {
        for (u32 i = thread; i < T_GEMM_TILE * BYTES_STEP; i += BYTES_THREADS) {
            u32 line = i / BYTES_STEP, word = at + i % BYTES_STEP, r = row0 + line, c = column0 + line;
            bool inside = word < of.words;
            tile_x[line][i % BYTES_STEP] = inside && r < of.rows ? of.x[(u64)r * of.words + word] : 0u;
            tile_w[line][i % BYTES_STEP] = inside && c < of.columns ? of.w[(u64)c * of.words + word] : 0u;
        }
        __syncthreads();
        u32 y = row + group;
        u32 a[4] = {tile_x[y][in_group], tile_x[y + 8u][in_group], tile_x[y][in_group + 4u], tile_x[y + 8u][in_group + 4u]};
        for (u32 part = 0; part < PARTS; part++) {
            u32 x = column + part * 8u + group;
            u32 b[2] = {tile_w[x][in_group], tile_w[x][in_group + 4u]};
            t_mma_s8(sum[part], a, b);
        }
        __syncthreads();
    }
    for (u32 part = 0; part < PARTS; part++)
        for (u32 i = 0; i < 4u; i++) {
            u32 r = row0 + row + group + (i >> 1) * 8u, c = column0 + column + part * 8u + in_group * 2u + (i & 1u);
            if (r >= of.rows || c >= of.columns) continue;
            float value = (float)sum[part][i] * (of.x_scales[r] * of.w_scales[c]);
            finish(value, of.bias, of.residual, of.y, (u64)r * of.columns + c, c, of.flags);
        }
}

// y = x w, and what the flags say. Blocks of 64 rows (x) and 64 columns (y). Where no more than 16 rows are left the warps share
// the columns, else the rows.
T_KERNEL multiply_bytes(const u32 *rows, const u32 *x, const float *x_scales, const u32 *w, const float *w_scales, const float *bias,
                        const float *residual, float *y, u32 k, u32 n, u32 flags) {
    // Rows of 8 words and one of padding, against bank conflicts.
    T_SHARED u32 tile_x[T_GEMM_TILE][BYTES_STEP + 1u];
    T_SHARED u32 tile_w[T_GEMM_TILE][BYTES_STEP + 1u];
    u32 count = rows[ROW_COUNT], row0 = blockIdx.x * T_GEMM_TILE, warp = threadIdx.x / 32u;
    if (row0 >= count) return;
    Bytes of = {x, w, x_scales, w_scales, bias, residual, y, count, n, k / 4u, flags};
    if (count - row0 <= 16u) tile_of_bytes<2>(of, tile_x, tile_w, 0u, warp * 16u);
    else tile_of_bytes<8>(of, tile_x, tile_w, warp * 16u, 0u);
}
