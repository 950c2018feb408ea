// Attention: each row reads the keys and values of its own text. They lie in a cache, [text][position][head], so that rows that
// come later find those of before.
#pragma once
#include "rows.cuh"

// Threads of a block of attend: one head of one row.
#define ATTEND_THREADS 32u
// Keys that a thread compares at the same time.
#define ATTEND_KEYS 4u

// Puts the keys and values of rows into the cache. `parts` holds queries, keys and values of a row one behind the other;
// `queries` and `keys` are how many values each has.
T_KERNEL keep(const u32 *rows, const float *parts, float *cache_k, float *cache_v, u32 queries, u32 keys, u32 context) {
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    Row row = row_at(rows, blockIdx.x);
    const float *k = parts + (u64)blockIdx.x * (queries + 2u * keys) + queries, *v = k + keys;
    u64 to = ((u64)row.sequence * context + row.position) * keys;
    for (u32 i = threadIdx.x; i < keys; i += ROW_THREADS) {
        cache_k[to + i] = k[i];
        cache_v[to + i] = v[i];
    }
}

// The same, after queries and keys were turned by their position: value i of a head goes with value i + head / 2. `turns` holds
// cosine and sine for each position and pair.
T_KERNEL turn_and_keep(const u32 *rows, float *parts, const float *turns, float *cache_k, float *cache_v, u32 queries, u32 keys,
                       u32 head, u32 context) {
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    Row row = row_at(rows, blockIdx.x);
    float *of_row = parts + (u64)blockIdx.x * (queries + 2u * keys);
    u64 to = ((u64)row.sequence * context + row.position) * keys;
    u32 half = head / 2u;
    const float *turn = turns + (u64)row.position * head;
    for (u32 i = threadIdx.x; i < (queries + keys) / 2u; i += ROW_THREADS) {
        u32 at = i / half * head, pair = i % half;
        float *a = of_row + at + pair, *b = a + half;
        float cosine = turn[2u * pair], sine = turn[2u * pair + 1u];
        float first = t_fma(*a, cosine, -(*b * sine)), second = t_fma(*b, cosine, *a * sine);
        if (at < queries) {
            *a = first;
            *b = second;
        } else {
            float *key = cache_k + to + (at - queries) + pair;
            key[0] = first;
            key[half] = second;
        }
    }
    for (u32 i = threadIdx.x; i < keys; i += ROW_THREADS) cache_v[to + i] = of_row[queries + keys + i];
}

// Softmax attention of a row (grid x) and a head (grid y). Scores are chains over the values of a head, the weighted sum is one
// chain over the keys, both from 0 up; the sum of the weights is that of thread t over the keys t, t + 32, ..., then
// over the threads. Dynamic shared memory: a float for each key.
T_KERNEL attend(const u32 *rows, const Sequence *sequences, const float *parts, const float *cache_k, const float *cache_v,
                float *y, u32 queries, u32 keys, u32 head, u32 group, u32 context, u32 causal, float scale) {
    T_DYNAMIC_SHARED(float, weights);
    T_SHARED float scratch[2u * ATTEND_THREADS];
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    u32 thread = threadIdx.x;
    Row row = row_at(rows, blockIdx.x);
    u32 count = causal ? row.position + 1u : sequences[row.sequence].length;
    const float *q = parts + (u64)blockIdx.x * (queries + 2u * keys) + blockIdx.y * head;
    u64 cache = (u64)row.sequence * context * keys + blockIdx.y / group * head;
    const float *k = cache_k + cache, *v = cache_v + cache;

    float most = -t_infinity();
    for (u32 first = thread; first < count; first += ATTEND_THREADS * ATTEND_KEYS) {
        float sum[ATTEND_KEYS];
        u32 at[ATTEND_KEYS];
        for (u32 i = 0; i < ATTEND_KEYS; i++) {
            u32 key = first + i * ATTEND_THREADS;
            // Beyond the last key, the last one again; what comes out is not kept.
            at[i] = (key < count ? key : count - 1u) * keys;
            sum[i] = 0.0f;
        }
        for (u32 d = 0; d < head; d += 4u) {
            Four a = load4(q + d);
            for (u32 i = 0; i < ATTEND_KEYS; i++) {
                Four b = load4(k + at[i] + d);
                sum[i] = t_fma(a.x, b.x, sum[i]);
                sum[i] = t_fma(a.y, b.y, sum[i]);
                sum[i] = t_fma(a.z, b.z, sum[i]);
                sum[i] = t_fma(a.w, b.w, sum[i]);
            }
        }
        for (u32 i = 0; i < ATTEND_KEYS; i++) {
            u32 key = first + i * ATTEND_THREADS;
            if (key >= count) break;
            float score = sum[i] * scale;
            weights[key] = score;
            most = t_max(most, score);
        }
    }
    scratch[thread] = most;
    __syncthreads();
    for (u32 i = 0; i < ATTEND_THREADS; i++) most = t_max(most, scratch[i]);
    float total = 0.0f;
    for (u32 key = thread; key < count; key += ATTEND_THREADS) {
        float weight = t_exp(weights[key] - most);
        weights[key] = weight;
        total = total + weight;
    }
    scratch[ATTEND_THREADS + thread] = total;
    __syncthreads();
    u32 d = thread * 4u;
    if (d >= head) return;
    total = scratch[ATTEND_THREADS];
    for (u32 i = 1; i < ATTEND_THREADS; i++) total = total + scratch[ATTEND_THREADS + i];
    for (; d < head; d += ATTEND_THREADS * 4u) {
        float sum[4] = {};
        for (u32 key = 0; key < count; key++) {
            float weight = weights[key];
            Four b = load4(v + (u64)key * keys + d);
            sum[0] = t_fma(weight, b.x, sum[0]);
            sum[1] = t_fma(weight, b.y, sum[1]);
            sum[2] = t_fma(weight, b.z, sum[2]);
            sum[3] = t_fma(weight, b.w, sum[3]);
        }
        float *to = y + (u64)blockIdx.x * queries + blockIdx.y * head + d;
        for (u32 i = 0; i < 4u; i++) to[i] = t_div(sum[i], total);
    }
}
