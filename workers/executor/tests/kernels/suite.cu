// Kernels of the executor's test suite. Built with
//   --fmad=false --ftz=false --prec-div=true --prec-sqrt=true --std=c++17 -arch=compute_80
#include "tessera.cuh"

extern "C" __global__ void saxpy(const float *x, const float *y, float *out, float a, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = __fmaf_rn(a, x[i], y[i]);
}

// Sums of blocks of 256 floats by a tree in shared memory; the order is fixed.
extern "C" __global__ void block_sums(const float *x, float *sums) {
    __shared__ float part[256];
    u32 t = threadIdx.x;
    part[t] = x[blockIdx.x * 256 + t];
    __syncthreads();
    for (u32 width = 128; width > 0; width >>= 1) {
        if (t < width) part[t] = part[t] + part[t + width];
        __syncthreads();
    }
    if (t == 0) sums[blockIdx.x] = part[0];
}

// The second step: one block adds the sums and divides by their number, in dynamic shared memory.
extern "C" __global__ void mean_of_sums(const float *sums, float *mean, u32 count) {
    T_DYNAMIC_SHARED(float, gathered);
    if (threadIdx.x < count) gathered[threadIdx.x] = sums[threadIdx.x];
    __syncthreads();
    if (threadIdx.x == 0) {
        float sum = 0.0f;
        for (u32 i = 0; i < count; ++i) sum = sum + gathered[i];
        mean[0] = sum / (float)count;
        mean[1] = sqrtf(sum);
    }
}

// Counts bytes: integer atomics are exact in any order.
extern "C" __global__ void histogram(const unsigned char *data, u32 n, u32 *bins, u64 *total) {
    __shared__ u32 local[256];
    local[threadIdx.x] = 0;
    __syncthreads();
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        atomicAdd(&local[data[i]], 1u);
        atomicAdd(total, (u64)data[i]);
    }
    __syncthreads();
    atomicAdd(&bins[threadIdx.x], local[threadIdx.x]);
}

// Another output for each unit; the buffer `state` starts as a copy of its input and is changed in place.
extern "C" __global__ void step(u32 unit32, u64 unit64, u32 *state, u32 *out, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 c = i, k = unit32 ^ (u32)(unit64 >> 7);
    for (int round = 0; round < 10; ++round) {
        u32 high = __umulhi(0xD2511F53u, c), low = 0xD2511F53u * c;
        c = high ^ low ^ k;
        k += 0x9E3779B9u;
    }
    state[i] += c;
    out[i] = state[i];
}

// A structure by value, unaligned fields, lanes that talk to each other, a function call.
struct Shape {
    unsigned char tag;
    float scale;
    u64 bias;
    short steps[3];
};

__device__ __noinline__ float weight(float x, short steps) {
    float y = 1.0f;
    for (short s = 0; s < steps; ++s) y = y * x + 0.5f;
    return y;
}

extern "C" __global__ void warp_mix(Shape shape, const int *data, u64 *out) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    int v = data[i];
    u32 votes = __ballot_sync(0xffffffffu, v & 1);
    int sum = v;
    for (int d = 16; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    float w = weight((float)v * shape.scale, shape.steps[i % 3]);
    out[i] = (u64)__popc(votes) + (u64)sum * 3 + (u64)__float_as_uint(w) + shape.bias + shape.tag;
}

extern "C" __global__ void far_away(u32 *out, u64 offset) {
    out[offset + threadIdx.x] = 1;
}

extern "C" __global__ void off_by_one(char *out) {
    *(u32 *)(out + 1 + threadIdx.x) = 7;
}

extern "C" __global__ void give_up(u32 *out) {
    if (threadIdx.x == 5) __trap();
    out[threadIdx.x] = 1;
}

extern "C" __global__ void for_ever(u32 *out, u32 stop) {
    u32 x = 1;
    while (x != stop) x = x * 5 + 2 | 1;
    out[0] = x;
}

// A round of a repeated launch: the state of each round goes into the next, with the round's number.
extern "C" __global__ void turn(u32 round, u32 unit, u32 *state, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) state[i] = (state[i] ^ round) * 0x9E3779B1u + unit;
}

// Between the turns: reads what its neighbour wrote, so that order matters.
extern "C" __global__ void pass_on(const u32 *from, u32 *to, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) to[i] = from[(i + 1u) % n] + to[i];
}
