// Products in 8 bits: weights with one scale for each output, activations with one for each row, sums of 32 bits, which are exact
// in any order below k = 131,072. Weights lie in panels of 16 columns, four bytes of k of each column in a word, word by word.
#pragma once
#include "gemm.cuh"

// Threads of a block of multiply_bytes, and words of k between two barriers.
#define BYTES_THREADS 128u
#define BYTES_STEP 8u
// Steps of tensor cores side by side, of 8 columns each.
#define BYTES_PARTS 8u

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

// Where the words of a column begin. They are PANEL words from each other.
T_FN const u32 *column_of(const u32 *w, u32 column, u32 words) { return w + (u64)(column / PANEL) * PANEL * words + column % PANEL; }

T_FN void finish_bytes(const Bytes &of, i32 sum, u32 row, u32 column) {
    float value = (float)sum * (of.x_scales[row] * of.w_scales[column]);
    finish(value, of.bias, of.residual, of.y, (u64)row * of.columns + column, column, of.flags);
}

// A product of bytes on tensor cores, as a block works on it: where rows of x and panels of w begin, and how many words are from
// one to the next, of those of w for each of their columns.
struct Tile {
    const u32 *x, *w;
    u32 rows, columns, words;
    u32 x_stride, w_stride;
};

// The row and the column of a sum that a thread has in part `part`.
T_FN u32 row_of_sum(u32 i) { return blockIdx.x * T_GEMM_TILE + threadIdx.x / 32u * 16u + (threadIdx.x & 31u) / 4u + (i >> 1) * 8u; }
T_FN u32 column_of_sum(u32 part, u32 i) { return blockIdx.y * T_GEMM_TILE + part * 8u + (threadIdx.x & 3u) * 2u + (i & 1u); }

// 64 rows and columns of a block; each warp has 16 rows.
T_FN void sums_of_bytes(const Tile &of, u32 (*tile_x)[BYTES_STEP + 1u], u32 (*tile_w)[BYTES_STEP + 1u], i32 (*sum)[4]) {
    u32 row0 = blockIdx.x * T_GEMM_TILE, column0 = blockIdx.y * T_GEMM_TILE;
    u32 thread = threadIdx.x, group = (thread & 31u) >> 2, in_group = thread & 3u;
    for (u32 at = 0; at < of.words; at += BYTES_STEP) {
        for (u32 i = thread; i < T_GEMM_TILE * BYTES_STEP; i += BYTES_THREADS) {
            u32 line = i / BYTES_STEP, word = at + i % BYTES_STEP, r = row0 + line;
            tile_x[line][i % BYTES_STEP] = word < of.words && r < of.rows ? of.x[(u64)r * of.x_stride + word] : 0u;
            // Threads side by side take columns side by side.
            u32 c = column0 + i % T_GEMM_TILE;
            word = at + i / T_GEMM_TILE;
            bool inside = word < of.words && c < of.columns;
            tile_w[i % T_GEMM_TILE][i / T_GEMM_TILE] = inside ? column_of(of.w, c, of.w_stride)[(u64)word * PANEL] : 0u;
        }
        __syncthreads();
        u32 y = thread / 32u * 16u + group;
        u32 a[4] = {tile_x[y][in_group], tile_x[y + 8u][in_group], tile_x[y][in_group + 4u], tile_x[y + 8u][in_group + 4u]};
        for (u32 part = 0; part < BYTES_PARTS; part++) {
            u32 x = part * 8u + group;
            u32 b[2] = {tile_w[x][in_group], tile_w[x][in_group + 4u]};
            t_mma_s8(sum[part], a, b);
        }
        __syncthreads();
    }
}

// y = x w, and what the flags say. Blocks of 64 rows (x) and 64 columns (y).
T_KERNEL multiply_bytes(const u32 *rows, const u32 *x, const float *x_scales, const u32 *w, const float *w_scales, const float *bias,
                        const float *residual, float *y, u32 k, u32 n, u32 flags) {
    // Rows of 8 words and one of padding, against bank conflicts.
    T_SHARED u32 tile_x[T_GEMM_TILE][BYTES_STEP + 1u];
    T_SHARED u32 tile_w[T_GEMM_TILE][BYTES_STEP + 1u];
    u32 count = rows[ROW_COUNT];
    if (blockIdx.x * T_GEMM_TILE >= count) return;
    Bytes of = {x, w, x_scales, w_scales, bias, residual, y, count, n, k / 4u, flags};
    Tile tile = {x, w, count, n, k / 4u, k / 4u, k / 4u};
    i32 sum[BYTES_PARTS][4] = {};
    sums_of_bytes(tile, tile_x, tile_w, sum);
    for (u32 part = 0; part < BYTES_PARTS; part++)
        for (u32 i = 0; i < 4u; i++) {
            u32 row = row_of_sum(i), column = column_of_sum(part, i);
            if (row < count && column < n) finish_bytes(of, sum[part][i], row, column);
        }
}

// Rows and columns of a thread of multiply_few_bytes.
#define FEW_ROWS 4u
#define FEW_COLUMNS 4u

// Words of columns side by side.
struct alignas(FEW_COLUMNS * 4u) Words { u32 of[FEW_COLUMNS]; };

template <u32 COUNT> T_FN void few_bytes(const Bytes &of, u32 row, u32 column) {
    const u32 *x = of.x + (u64)row * of.words, *w = column_of(of.w, column, of.words);
    i32 sum[COUNT][FEW_COLUMNS] = {};
    for (u32 at = 0; at < of.words; at++) {
        Words b = *(const Words *)(w + (u64)at * PANEL);
        for (u32 i = 0; i < COUNT; i++) {
            u32 a = x[(u64)i * of.words + at];
            for (u32 j = 0; j < FEW_COLUMNS; j++) sum[i][j] = t_dot4(a, b.of[j], sum[i][j]);
        }
    }
    for (u32 i = 0; i < COUNT; i++)
        for (u32 j = 0; j < FEW_COLUMNS; j++)
            if (column + j < of.columns) finish_bytes(of, sum[i][j], row + i, column + j);
}

// The same where rows are so few that reading the weights is most of the work, as for the next tokens of answers: without tensor
// cores, whose tiles would be nearly empty, and without shared memory. The sums are exact, so the bits are the same.
T_KERNEL multiply_few_bytes(const u32 *rows, const u32 *x, const float *x_scales, const u32 *w, const float *w_scales,
                            const float *bias, const float *residual, float *y, u32 k, u32 n, u32 flags) {
    u32 count = rows[ROW_COUNT], column = (blockIdx.y * blockDim.x + threadIdx.x) * FEW_COLUMNS;
    u32 row = (blockIdx.x * blockDim.y + threadIdx.y) * FEW_ROWS;
    if (row >= count || column >= n) return;
    Bytes of = {x, w, x_scales, w_scales, bias, residual, y, count, n, k / 4u, flags};
    if (row + FEW_ROWS <= count) {
        few_bytes<FEW_ROWS>(of, row, column);
        return;
    }
    for (; row < count; row++) few_bytes<1>(of, row, column);
}
