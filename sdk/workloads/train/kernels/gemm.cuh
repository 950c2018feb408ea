// Products of matrices. Every element is one chain of fused multiply-adds over k, from 0 up, whatever the layout, the tile or the
// launch, so that no shape changes a bit.
//
// No shared memory: eight rows and four columns a thread need few loads, and a processor that runs the threads one after the
// other finds no barrier in its way.
#pragma once
#include "tessera.cuh"

// Four floats that are loaded together.
struct alignas(16) Four { float x, y, z, w; };

T_FN Four load4(const float *from) { return *(const Four *)from; }

// Rows and columns of a thread.
#define TILE_ROWS 8u
#define TILE 4u

// What happens to a sum before it is stored.
#define ADD_BIAS 1u
#define ADD_TO 2u

// Whether a matrix lies with k side by side, or with its rows (of a) or columns (of b) side by side.
#define ALONG_K true
#define ACROSS_K false

// c (m x n) = a (m x k) b (k x n), plus `bias` of a column, plus `more`, which lies as c does and may be c. `a_stride` and `b_stride`
// are the floats from one line of memory to the next.
struct Product {
    const float *a, *b, *bias, *more;
    float *c;
    u32 m, n, k, a_stride, b_stride, flags;
};

T_FN void finish(const Product &of, float sum, u32 row, u32 column) {
    u64 at = (u64)row * of.n + column;
    if (of.flags & ADD_BIAS) sum = sum + of.bias[column];
    if (of.flags & ADD_TO) sum = of.more[at] + sum;
    of.c[at] = sum;
}

T_FN void add_products(float *sum, float a, Four b) {
    sum[0] = t_fma(a, b.x, sum[0]);
    sum[1] = t_fma(a, b.y, sum[1]);
    sum[2] = t_fma(a, b.z, sum[2]);
    sum[3] = t_fma(a, b.w, sum[3]);
}

// Eight rows and four columns of a product whose sizes and strides are multiples of 4. Rows and columns beyond the last one are
// computed as others again, and not stored.
template <bool A, bool B> T_FN void tile(const Product &of) {
    u32 row = (blockIdx.x * blockDim.y + threadIdx.y) * TILE_ROWS, column = (blockIdx.y * blockDim.x + threadIdx.x) * TILE;
    if (row >= of.m || column >= of.n) return;
    float sum[TILE_ROWS][TILE] = {};
    // Four rows or none are beyond the last one.
    const float *low, *high;
    u32 next = row + TILE < of.m ? row + TILE : row;
    if (A == ALONG_K) {
        low = of.a + (u64)row * of.a_stride;
        high = of.a + (u64)next * of.a_stride;
    } else {
        low = of.a + row;
        high = of.a + next;
    }
    const float *b = B == ALONG_K ? of.b + (u64)column * of.b_stride : of.b + column;
    if (A == ALONG_K) {
        for (u32 at = 0; at < of.k; at += TILE) {
            Four lines[TILE];
            if (B == ALONG_K) {
                Four c[TILE];
                for (u32 j = 0; j < TILE; j++) c[j] = load4(b + (u64)j * of.b_stride + at);
                lines[0] = {c[0].x, c[1].x, c[2].x, c[3].x};
                lines[1] = {c[0].y, c[1].y, c[2].y, c[3].y};
                lines[2] = {c[0].z, c[1].z, c[2].z, c[3].z};
                lines[3] = {c[0].w, c[1].w, c[2].w, c[3].w};
            } else {
                for (u32 j = 0; j < TILE; j++) lines[j] = load4(b + (u64)(at + j) * of.b_stride);
            }
            for (u32 i = 0; i < TILE_ROWS; i++) {
                Four a = load4((i < TILE ? low : high) + (u64)(i % TILE) * of.a_stride + at);
                add_products(sum[i], a.x, lines[0]);
                add_products(sum[i], a.y, lines[1]);
                add_products(sum[i], a.z, lines[2]);
                add_products(sum[i], a.w, lines[3]);
            }
        }
    } else {
        for (u32 at = 0; at < of.k; at++) {
            Four line = load4(b + (u64)at * of.b_stride);
            Four first = load4(low + (u64)at * of.a_stride), second = load4(high + (u64)at * of.a_stride);
            add_products(sum[0], first.x, line);
            add_products(sum[1], first.y, line);
            add_products(sum[2], first.z, line);
            add_products(sum[3], first.w, line);
            add_products(sum[4], second.x, line);
            add_products(sum[5], second.y, line);
            add_products(sum[6], second.z, line);
            add_products(sum[7], second.w, line);
        }
    }
    for (u32 i = 0; i < TILE_ROWS; i++)
        for (u32 j = 0; j < TILE; j++)
            if (row + i < of.m) finish(of, sum[i][j], row + i, column + j);
}

// The same elements one by one, for sizes that are no multiples of 4 and for any strides: those of `strides` are from row to
// row and along k in a, from column to column and along k in b.
struct Strides { u32 a_row, a_k, b_column, b_k; };

T_FN void any_tile(const Product &of, Strides strides) {
    u32 row = (blockIdx.x * blockDim.y + threadIdx.y) * TILE, column = (blockIdx.y * blockDim.x + threadIdx.x) * TILE;
    if (row >= of.m || column >= of.n) return;
    float sum[TILE][TILE] = {};
    const float *a[TILE], *b[TILE];
    for (u32 i = 0; i < TILE; i++) {
        u32 r = row + i < of.m ? row + i : of.m - 1u, c = column + i < of.n ? column + i : of.n - 1u;
        a[i] = of.a + (u64)r * strides.a_row;
        b[i] = of.b + (u64)c * strides.b_column;
    }
    for (u32 at = 0; at < of.k; at++) {
        float of_b[TILE];
        for (u32 j = 0; j < TILE; j++) of_b[j] = b[j][(u64)at * strides.b_k];
        for (u32 i = 0; i < TILE; i++) {
            float of_a = a[i][(u64)at * strides.a_k];
            for (u32 j = 0; j < TILE; j++) sum[i][j] = t_fma(of_a, of_b[j], sum[i][j]);
        }
    }
    for (u32 i = 0; i < TILE; i++)
        for (u32 j = 0; j < TILE; j++)
            if (row + i < of.m && column + j < of.n) finish(of, sum[i][j], row + i, column + j);
}
