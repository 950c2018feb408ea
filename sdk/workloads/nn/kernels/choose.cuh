// From logits to tokens: the largest one, or one drawn by chance. Weights of tokens are whole numbers, so that their sums are exact,
// and the random number depends on the seed, the text and the place in the answer alone.
#pragma once
#include "rows.cuh"

// Threads of a block of choose.
#define CHOOSE_THREADS 128u
// Words of an answer before its tokens: how many there are, and whether the last one ends it.
#define ANSWER_COUNT 0u
#define ANSWER_ENDED 1u
#define ANSWER_HEAD 2u

// Larger for larger floats.
T_FN u32 order(float x) {
    u32 bits = t_bits(x);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// The exact sum over the threads of a block. All must come here.
T_FN u64 block_total(u64 value, u64 *scratch) {
    scratch[threadIdx.x] = value;
    __syncthreads();
    u64 sum = 0;
    for (u32 i = 0; i < CHOOSE_THREADS; i++) sum += scratch[i];
    __syncthreads();
    return sum;
}

// How many tokens, or which weight of tokens, lie at or above a place of the order.
template <bool WEIGHTS> T_FN u64 above(const float *logits, const u64 *weights, u32 count, u32 least, u64 *scratch) {
    u64 sum = 0;
    for (u32 i = threadIdx.x; i < count; i += CHOOSE_THREADS)
        if (order(logits[i]) >= least) sum += WEIGHTS ? weights[i] : 1ull;
    return block_total(sum, scratch);
}

// The highest place at or above which there is at least `wanted`. Tokens that are equally likely stay together.
template <bool WEIGHTS> T_FN u32 highest(const float *logits, const u64 *weights, u32 count, u64 wanted, u64 *scratch) {
    u32 place = 0;
    for (u32 bit = 0x80000000u; bit > 0u; bit >>= 1)
        if (above<WEIGHTS>(logits, weights, count, place | bit, scratch) >= wanted) place |= bit;
    return place;
}

// Takes away the weight of all tokens below a place of the order. Each thread has its own tokens.
T_FN void drop_below(const float *logits, u64 *weights, u32 count, u32 least) {
    for (u32 i = threadIdx.x; i < count; i += CHOOSE_THREADS)
        if (order(logits[i]) < least) weights[i] = 0ull;
}

// The token of the largest logit, the first of those that are equal. Every thread gets it.
T_FN u32 largest(const float *logits, u32 count, u32 *scratch) {
    u32 best = threadIdx.x < count ? threadIdx.x : 0u;
    for (u32 i = threadIdx.x; i < count; i += CHOOSE_THREADS)
        if (logits[i] > logits[best]) best = i;
    scratch[threadIdx.x] = best;
    __syncthreads();
    for (u32 i = 0; i < CHOOSE_THREADS; i++) {
        u32 other = scratch[i];
        if (logits[other] > logits[best] || (logits[other] == logits[best] && other < best)) best = other;
    }
    __syncthreads();
    return best;
}

// A token with the probability of its weight: the first at which the sum of the weights, in the order of the tokens, is above
// what was drawn. `total` is the sum of all.
T_FN u32 draw(const u64 *weights, u32 count, u64 total, u64 random, u64 *scratch, u32 *found) {
    u64 left = t_mul_hi(random, total);
    u32 share = (count + CHOOSE_THREADS - 1u) / CHOOSE_THREADS, first = threadIdx.x * share;
    u32 end = first + share < count ? first + share : count;
    u64 sum = 0;
    for (u32 i = first; i < end; i++) sum += weights[i];
    scratch[threadIdx.x] = sum;
    __syncthreads();
    u64 before = 0;
    for (u32 i = 0; i < threadIdx.x; i++) before += scratch[i];
    if (left >= before && left - before < sum) {
        u32 i = first;
        for (left -= before; left >= weights[i]; i++) left -= weights[i];
        found[0] = i;
    }
    __syncthreads();
    return found[0];
}
