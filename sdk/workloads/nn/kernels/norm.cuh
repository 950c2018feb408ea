// Embeddings and norms: a block of ROW_THREADS threads for each row, thread t for the columns t, t + 64, ...
#pragma once
#include "rows.cuh"

// y = (x - mean) / deviation * scale + bias. A thread reads and writes its own columns, so x may be y.
T_FN void normalise_layer(const float *x, const float *scale, const float *bias, float *y, u32 width, float epsilon) {
    T_SHARED float scratch[ROW_THREADS];
    float sum = 0.0f;
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) sum = sum + x[i];
    float mean = t_div(row_sum(sum, scratch), (float)width);
    sum = 0.0f;
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) {
        float d = x[i] - mean;
        sum = t_fma(d, d, sum);
    }
    float inverse = t_rsqrt(t_div(row_sum(sum, scratch), (float)width) + epsilon);
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) y[i] = t_fma((x[i] - mean) * inverse, scale[i], bias[i]);
}

// The rows of the table that belong to tokens, plus that of the one segment, plus that of the position; normalised.
T_KERNEL embed_encoder(const u32 *rows, const float *words, const float *positions, const float *segment, const float *scale,
                       const float *bias, float *x, u32 width, float epsilon) {
    u32 at = blockIdx.x;
    if (at >= rows[ROW_COUNT]) return;
    Row row = row_at(rows, at);
    const float *word = words + (u64)row.token * width, *position = positions + (u64)row.position * width;
    x += (u64)at * width;
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) x[i] = word[i] + segment[i] + position[i];
    normalise_layer(x, scale, bias, x, width, epsilon);
}

T_KERNEL layer_norm(const u32 *rows, const float *x, const float *scale, const float *bias, float *y, u32 width, float epsilon) {
    u64 at = (u64)blockIdx.x * width;
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    normalise_layer(x + at, scale, bias, y + at, width, epsilon);
}

T_KERNEL embed_decoder(const u32 *rows, const float *words, float *x, u32 width) {
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    const float *word = words + (u64)row_at(rows, blockIdx.x).token * width;
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) x[(u64)blockIdx.x * width + i] = word[i];
}

// y = x / root mean square * scale, of the rows that the rows at work name as their source.
T_KERNEL rms_norm(const u32 *rows, const float *x, const float *scale, float *y, u32 width, float epsilon) {
    T_SHARED float scratch[ROW_THREADS];
    u32 at = blockIdx.x;
    if (at >= rows[ROW_COUNT]) return;
    x += (u64)row_at(rows, at).source * width;
    float sum = 0.0f;
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) sum = t_fma(x[i], x[i], sum);
    float inverse = t_rsqrt(t_div(row_sum(sum, scratch), (float)width) + epsilon);
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) y[(u64)at * width + i] = x[i] * inverse * scale[i];
}

// What becomes of the rows of a text.
#define POOL_MEAN 0u
#define POOL_FIRST 1u

// One vector for each text: the mean of its rows, added from the first to the last, or its first row; divided by its length
// where that is asked for.
T_KERNEL pool(const Sequence *sequences, const float *x, float *y, u32 width, u32 mode, u32 unit_length) {
    T_SHARED float scratch[ROW_THREADS];
    Sequence text = sequences[blockIdx.x];
    if (text.length == 0u) return;
    y += (u64)blockIdx.x * width;
    u32 count = mode == POOL_MEAN ? text.length : 1u;
    float squares = 0.0f;
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) {
        float sum = 0.0f;
        for (u32 row = 0; row < count; row++) sum = sum + x[(u64)(text.first + row) * width + i];
        float mean = t_div(sum, (float)count);
        y[i] = mean;
        squares = t_fma(mean, mean, squares);
    }
    if (!unit_length) return;
    float length = t_max(t_sqrt(row_sum(squares, scratch)), 1e-12f);
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) y[i] = t_div(y[i], length);
}
