// Sums, minima and maxima over a warp or a block. Each has one order of operations, written here, so that a sum of floats has the
// same bits everywhere.
#pragma once
#include "base.cuh"

// This thread's number in its block, and the number of threads.
T_FN u32 t_thread() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
T_FN u32 t_threads() { return blockDim.x * blockDim.y * blockDim.z; }

// The value of the lane whose number differs in the bits of `mask`. All 32 lanes of the warp must come here together.
T_FN u32 t_swap(u32 value, u32 mask) { return __shfl_xor_sync(0xffffffffu, value, (int)mask); }
T_FN i32 t_swap(i32 value, u32 mask) { return (i32)t_swap((u32)value, mask); }
T_FN float t_swap(float value, u32 mask) { return t_from_bits(t_swap(t_bits(value), mask)); }
T_FN u64 t_swap(u64 value, u32 mask) {
    u32 low = t_swap((u32)value, mask), high = t_swap((u32)(value >> 32), mask);
    return ((u64)high << 32) | low;
}
T_FN i64 t_swap(i64 value, u32 mask) { return (i64)t_swap((u64)value, mask); }

struct Sum {
    template <class T> T_FN T of(T a, T b) { return a + b; }
};
// The smaller one; of floats as t_min says.
struct Least {
    template <class T> T_FN T of(T a, T b) { return b < a ? b : a; }
    T_FN float of(float a, float b) { return t_min(a, b); }
};
// The larger one; of floats as t_max says.
struct Most {
    template <class T> T_FN T of(T a, T b) { return b > a ? b : a; }
    T_FN float of(float a, float b) { return t_max(a, b); }
};

// A butterfly over the 32 lanes of a warp: partners at distance 16, 8, 4, 2, 1. Every lane gets the same result, because
// the operations commute. All lanes must come here together.
template <class Op, class T> T_FN T t_warp(T value) {
    for (u32 distance = 16u; distance > 0u; distance >>= 1) value = Op::of(value, t_swap(value, distance));
    return value;
}

// A tree over the threads of a block: thread i takes in thread i + w, for w = the largest power of two below the number of
// threads, then w / 2, down to 1. Every thread gets the result. `scratch` is shared memory of one T a thread; all
// threads of the block must come here, and may use `scratch` again at once.
template <class Op, class T> T_FN T t_block(T value, T *scratch) {
    u32 thread = t_thread(), count = t_threads(), width = 1u;
    while (width * 2u < count) width *= 2u;
    scratch[thread] = value;
    __syncthreads();
    for (; width > 0u; width >>= 1) {
        if (thread < width && thread + width < count) scratch[thread] = Op::of(scratch[thread], scratch[thread + width]);
        __syncthreads();
    }
    value = scratch[0];
    __syncthreads();
    return value;
}

template <class T> T_FN T t_warp_sum(T value) { return t_warp<Sum>(value); }
template <class T> T_FN T t_warp_min(T value) { return t_warp<Least>(value); }
template <class T> T_FN T t_warp_max(T value) { return t_warp<Most>(value); }
template <class T> T_FN T t_block_sum(T value, T *scratch) { return t_block<Sum>(value, scratch); }
template <class T> T_FN T t_block_min(T value, T *scratch) { return t_block<Least>(value, scratch); }
template <class T> T_FN T t_block_max(T value, T *scratch) { return t_block<Most>(value, scratch); }
