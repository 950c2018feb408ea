// Layers of decoders. Rows are tokens: texts of `context` tokens, one behind the other.
#pragma once
#include "gemm.cuh"
#include "layers.cuh"

T_KERNEL embed(const float *table, const u32 *tokens, float *y, u32 rows, u32 width) {
    u32 i = index();
    if (i < rows * width) y[i] = table[(u64)tokens[i / width] * width + i % width];
}

// Its gradient: each vector of the table is the sum over the rows of its token, in their order. A thread has 4 columns.
T_KERNEL embed_back(const u32 *tokens, const float *dy, float *dtable, u32 rows, u32 width, u32 words) {
    u32 i = index() * 4u;
    if (i >= words * width) return;
    u32 word = i / width, column = i % width;
    float sum[4] = {};
    for (u32 row = 0; row < rows; row++) {
        if (tokens[row] != word) continue;
        Four four = load4(dy + (u64)row * width + column);
        sum[0] = sum[0] + four.x;
        sum[1] = sum[1] + four.y;
        sum[2] = sum[2] + four.z;
        sum[3] = sum[3] + four.w;
    }
    for (u32 j = 0; j < 4u; j++) dtable[i + j] = sum[j];
}

// y = x / root mean square * scale; keeps the inverse of the root mean square of each row.
T_KERNEL rms_norm(const float *x, const float *scale, float *y, float *inverses, u32 width, float epsilon) {
    T_SHARED float scratch[ROW_THREADS];
    u64 at = (u64)blockIdx.x * width;
    float sum = 0.0f;
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) sum = t_fma(x[at + i], x[at + i], sum);
    float inverse = t_rsqrt(t_div(row_sum(sum, scratch), (float)width) + epsilon);
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) y[at + i] = x[at + i] * inverse * scale[i];
    if (threadIdx.x == 0u) inverses[blockIdx.x] = inverse;
}

T_KERNEL rms_norm_back(const float *x, const float *scale, const float *inverses, const float *dy, float *dx, u32 width, u32 add) {
    T_SHARED float scratch[ROW_THREADS];
    u64 at = (u64)blockIdx.x * width;
    float inverse = inverses[blockIdx.x], sum = 0.0f;
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) sum = t_fma(dy[at + i] * scale[i], x[at + i] * inverse, sum);
    float mean = t_div(row_sum(sum, scratch), (float)width);
    for (u32 i = threadIdx.x; i < width; i += ROW_THREADS) {
        float here = dy[at + i] * scale[i];
        put(dx + at + i, inverse * t_fma(-(x[at + i] * inverse), mean, here), add);
    }
}

// The gradient of the scale: a column's sum over the rows, in their order.
T_KERNEL rms_scale_back(const float *x, const float *inverses, const float *dy, float *dscale, u32 rows, u32 width) {
    u32 column = index();
    if (column >= width) return;
    float sum = 0.0f;
    for (u32 row = 0; row < rows; row++) {
        u64 at = (u64)row * width + column;
        sum = t_fma(dy[at], x[at] * inverses[row], sum);
    }
    dscale[column] = sum;
}

// Turns queries and keys by their position, in place: value i of a head goes with value i + head / 2. `turns` holds cosine and sine
// for each position and pair. `back` turns the other way, which is what gradients need.
T_KERNEL turn(float *parts, const float *turns, u32 rows, u32 turned, u32 stride, u32 head, u32 context, u32 back) {
    u32 i = index(), pairs = turned / 2u, half = head / 2u;
    if (i >= rows * pairs) return;
    u32 row = i / pairs, in_row = i % pairs, pair = in_row % half;
    float *a = parts + (u64)row * stride + in_row / half * head + pair, *b = a + half;
    const float *turn = turns + (u64)(row % context) * head + 2u * pair;
    float cosine = turn[0], sine = back ? -turn[1] : turn[1];
    float first = t_fma(*a, cosine, -(*b * sine)), second = t_fma(*b, cosine, *a * sine);
    *a = first;
    *b = second;
}

// Shapes of attention: values of all queries of a row, of all its keys, of a head; how many heads of queries share one of keys.
struct Heads { u32 queries, keys, head, group, context, rows; };

// A chain over the values of a head, from 0 up.
T_FN float dot(const float *a, const float *b, u32 head) {
    float sum = 0.0f;
    for (u32 d = 0; d < head; d += 4u) {
        Four x = load4(a + d), y = load4(b + d);
        sum = t_fma(x.x, y.x, sum);
        sum = t_fma(x.y, y.y, sum);
        sum = t_fma(x.z, y.z, sum);
        sum = t_fma(x.w, y.w, sum);
    }
    return sum;
}

// to[d] = scale times the sum over `count` weights, each with a row of `from`: one chain for each d, over the rows in their order.
T_FN void weighted(const float *weights, const float *from, float *to, u32 count, u32 stride, u32 head, float scale) {
    for (u32 d = 0; d < head; d += 4u) {
        float sum[4] = {};
        for (u32 i = 0; i < count; i++) add_products(sum, weights[i], load4(from + (u64)i * stride + d));
        for (u32 j = 0; j < 4u; j++) to[d + j] = sum[j] * scale;
    }
}

// Causal softmax attention: a thread for each row and head. `parts` holds queries, keys and values of a row; the probabilities are
// kept, `context` for each head and row.
T_KERNEL attend(const float *parts, float *probabilities, float *y, u32 queries, u32 keys, u32 head, u32 group, u32 context, u32 rows,
                float scale) {
    u32 row = index(), h = blockIdx.y, stride = queries + 2u * keys;
    if (row >= rows) return;
    u32 first = row / context * context, count = row - first + 1u;
    const float *q = parts + (u64)row * stride + h * head;
    const float *k = parts + (u64)first * stride + queries + h / group * head, *v = k + keys;
    float *p = probabilities + ((u64)h * rows + row) * context;
    float most = -t_infinity(), total = 0.0f;
    for (u32 i = 0; i < count; i++) {
        float score = dot(q, k + (u64)i * stride, head) * scale;
        p[i] = score;
        most = t_max(most, score);
    }
    for (u32 i = 0; i < count; i++) {
        float weight = t_exp(p[i] - most);
        p[i] = weight;
        total = total + weight;
    }
    for (u32 i = 0; i < count; i++) p[i] = t_div(p[i], total);
    weighted(p, v, y + (u64)row * queries + h * head, count, stride, head, 1.0f);
}

// Gradients of the scores, `slopes` as the probabilities lie, and of the queries.
T_KERNEL attend_back(const float *parts, const float *probabilities, const float *dy, float *slopes, float *dparts, u32 queries, u32 keys,
                     u32 head, u32 group, u32 context, u32 rows, float scale) {
    u32 row = index(), h = blockIdx.y, stride = queries + 2u * keys;
    if (row >= rows) return;
    u32 first = row / context * context, count = row - first + 1u;
    const float *k = parts + (u64)first * stride + queries + h / group * head, *v = k + keys;
    const float *of_y = dy + (u64)row * queries + h * head, *p = probabilities + ((u64)h * rows + row) * context;
    float *s = slopes + ((u64)h * rows + row) * context;
    float total = 0.0f;
    for (u32 i = 0; i < count; i++) {
        float slope = dot(of_y, v + (u64)i * stride, head);
        s[i] = slope;
        total = t_fma(slope, p[i], total);
    }
    for (u32 i = 0; i < count; i++) s[i] = p[i] * (s[i] - total);
    weighted(s, k, dparts + (u64)row * stride + h * head, count, stride, head, scale);
}

// Gradients of keys and values: a thread for four values of a key, over the heads that read it, then over the rows behind it.
T_KERNEL attend_back_keys(const float *parts, const float *probabilities, const float *slopes, const float *dy, float *dparts, u32 queries,
                          u32 keys, u32 head, u32 group, u32 context, u32 rows, float scale) {
    u32 i = index(), fours = keys / 4u, stride = queries + 2u * keys;
    if (i >= rows * fours) return;
    u32 row = i / fours, at = i % fours * 4u, d = at % head, position = row % context;
    float of_key[4] = {}, of_value[4] = {};
    for (u32 h = at / head * group; h < at / head * group + group; h++) {
        for (u32 later = row; later < row - position + context; later++) {
            u64 weight = ((u64)h * rows + later) * context + position;
            add_products(of_key, slopes[weight], load4(parts + (u64)later * stride + h * head + d));
            add_products(of_value, probabilities[weight], load4(dy + (u64)later * queries + h * head + d));
        }
    }
    float *key = dparts + (u64)row * stride + queries + at, *value = key + keys;
    for (u32 j = 0; j < 4u; j++) {
        key[j] = of_key[j] * scale;
        value[j] = of_value[j];
    }
}

// y = silu(gate) * up, where x holds gates and ups of a row one behind the other.
T_KERNEL gate(const float *x, float *y, u32 count, u32 inner) {
    u32 i = index();
    if (i >= count) return;
    const float *at = x + (u64)(i / inner) * 2u * inner + i % inner;
    y[i] = at[0] * t_sigmoid(at[0]) * at[inner];
}

T_KERNEL gate_back(const float *x, const float *dy, float *dx, u32 count, u32 inner) {
    u32 i = index();
    if (i >= count) return;
    u64 at = (u64)(i / inner) * 2u * inner + i % inner;
    float z = x[at], up = x[at + inner], s = t_sigmoid(z);
    // silu' = s (1 + z (1 - s))
    dx[at] = dy[i] * up * (s * t_fma(z, 1.0f - s, 1.0f));
    dx[at + inner] = dy[i] * (z * s);
}
