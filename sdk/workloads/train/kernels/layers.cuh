// Layers of all models: activations, and what runs over rows. A gradient is written, or added to one that is there (`add`).
#pragma once
#include "tessera.cuh"

// Threads of a block of kernels with one thread for each element or row.
#define THREADS 128u
// Threads that share a row.
#define ROW_THREADS 32u

T_FN u32 index() { return blockIdx.x * blockDim.x + threadIdx.x; }

T_FN void put(float *to, float value, u32 add) { *to = add ? *to + value : value; }

// The sum over the threads that share a row: one chain, from thread 0 up. `scratch` is shared memory of ROW_THREADS floats. All
// threads of the block must come here, and may use `scratch` again at once.
T_FN float row_sum(float value, float *scratch) {
    scratch[threadIdx.x] = value;
    __syncthreads();
    float sum = scratch[0];
    for (u32 i = 1; i < ROW_THREADS; i++) sum = sum + scratch[i];
    __syncthreads();
    return sum;
}

// 1 / sqrt(2 pi) and 1 / sqrt 2.
#define GELU_DENSITY 0.398942280f
#define GELU_SCALE 0.707106781f

T_FN float gelu_at(float x) { return 0.5f * x * (1.0f + t_erf(x * GELU_SCALE)); }

T_FN float gelu_slope(float x) {
    float below = 0.5f * (1.0f + t_erf(x * GELU_SCALE));
    return t_fma(x * GELU_DENSITY, t_exp(-0.5f * x * x), below);
}
