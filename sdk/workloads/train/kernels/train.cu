// Kernels of federated training, in the reproducible profile. The host (src/network.rs, src/aggregate.rs) puts them in order.
#include "decoder.cuh"
#include "images.cuh"
#include "private.cuh"

// c = x w^T: the weights of a layer lie by outputs.
T_KERNEL multiply(const float *a, const float *b, const float *bias, const float *more, float *c, u32 m, u32 n, u32 k, u32 a_stride,
                  u32 b_stride, u32 flags) {
    tile<ALONG_K, ALONG_K>({a, b, bias, more, c, m, n, k, a_stride, b_stride, flags});
}

// c = dy w: gradients of what a layer read.
T_KERNEL multiply_back(const float *a, const float *b, const float *bias, const float *more, float *c, u32 m, u32 n, u32 k, u32 a_stride,
                       u32 b_stride, u32 flags) {
    tile<ALONG_K, ACROSS_K>({a, b, bias, more, c, m, n, k, a_stride, b_stride, flags});
}

// c = dy^T x: gradients of its weights.
T_KERNEL multiply_weights(const float *a, const float *b, const float *bias, const float *more, float *c, u32 m, u32 n, u32 k,
                          u32 a_stride, u32 b_stride, u32 flags) {
    tile<ACROSS_K, ACROSS_K>({a, b, bias, more, c, m, n, k, a_stride, b_stride, flags});
}

// Any of these, of any sizes.
T_KERNEL multiply_any(const float *a, const float *b, const float *bias, const float *more, float *c, u32 m, u32 n, u32 k, u32 a_row,
                      u32 a_k, u32 b_column, u32 b_k, u32 flags) {
    any_tile({a, b, bias, more, c, m, n, k, 0u, 0u, flags}, {a_row, a_k, b_column, b_k});
}

// The gradient of a bias: a column's sum over the rows, in their order.
T_KERNEL bias_back(const float *dy, float *dbias, u32 rows, u32 width) {
    u32 column = index();
    if (column >= width) return;
    float sum = 0.0f;
    for (u32 row = 0; row < rows; row++) sum = sum + dy[(u64)row * width + column];
    dbias[column] = sum;
}

T_KERNEL relu(const float *x, float *y, u32 count) {
    u32 i = index();
    if (i < count) y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

T_KERNEL relu_back(const float *x, const float *dy, float *dx, u32 count, u32 add) {
    u32 i = index();
    if (i < count) put(dx + i, x[i] > 0.0f ? dy[i] : 0.0f, add);
}

// x half of 1 + erf(x / sqrt 2).
T_KERNEL gelu(const float *x, float *y, u32 count) {
    u32 i = index();
    if (i < count) y[i] = gelu_at(x[i]);
}

T_KERNEL gelu_back(const float *x, const float *dy, float *dx, u32 count, u32 add) {
    u32 i = index();
    if (i < count) put(dx + i, dy[i] * gelu_slope(x[i]), add);
}
