// The product of rows and a matrix of weights. Every element is one chain of fused multiply-adds over k, from 0 up, so no tile
// shape, batch or launch shape changes a bit.
//
// Weights lie in panels of 16 columns, k by k: 64 bytes, which are one line of a processor's cache and whole sectors of a
// GPU's. No shared memory: eight rows and four columns a thread need few loads, and a processor that runs the threads one after
// the other finds no barrier in its way.
#pragma once
#include "rows.cuh"

#define PANEL 16u
// Rows and columns of a thread.
#define TILE_ROWS 8u
#define TILE 4u

// What happens to a sum before it is stored.
#define ADD_BIAS 1u
#define ADD_RESIDUAL 2u

T_FN void finish(float sum, const float *bias, const float *residual, float *y, u64 at, u32 column, u32 flags) {
    if (flags & ADD_BIAS) sum = sum + bias[column];
    if (flags & ADD_RESIDUAL) sum = residual[at] + sum;
    y[at] = sum;
}

T_FN void add_products(float *sum, float a, Four b) {
    sum[0] = t_fma(a, b.x, sum[0]);
    sum[1] = t_fma(a, b.y, sum[1]);
    sum[2] = t_fma(a, b.z, sum[2]);
    sum[3] = t_fma(a, b.w, sum[3]);
}

// Four columns of COUNT rows. `k` is a multiple of 4.
template <u32 COUNT> T_FN void sums(float (*sum)[TILE], const float *x, const float *w, u32 k) {
    for (u32 i = 0; i < COUNT; i++)
        for (u32 j = 0; j < TILE; j++) sum[i][j] = 0.0f;
    for (u32 at = 0; at < k; at += 4u) {
        Four a[COUNT];
        for (u32 i = 0; i < COUNT; i++) a[i] = load4(x + (u64)i * k + at);
        const float *of_k = w + (u64)at * PANEL;
        Four b = load4(of_k);
        for (u32 i = 0; i < COUNT; i++) add_products(sum[i], a[i].x, b);
        b = load4(of_k + PANEL);
        for (u32 i = 0; i < COUNT; i++) add_products(sum[i], a[i].y, b);
        b = load4(of_k + 2u * PANEL);
        for (u32 i = 0; i < COUNT; i++) add_products(sum[i], a[i].z, b);
        b = load4(of_k + 3u * PANEL);
        for (u32 i = 0; i < COUNT; i++) add_products(sum[i], a[i].w, b);
    }
}

// The same, stored with what the flags say.
template <u32 COUNT>
T_FN void product(const float *x, const float *w, const float *bias, const float *residual, float *y, u32 row, u32 column, u32 k, u32 n,
                  u32 flags) {
    float sum[COUNT][TILE];
    sums<COUNT>(sum, x + (u64)row * k, w, k);
    for (u32 i = 0; i < COUNT; i++)
        for (u32 j = 0; j < TILE; j++)
            if (column + j < n) finish(sum[i][j], bias, residual, y, (u64)(row + i) * n + column + j, column + j, flags);
}
