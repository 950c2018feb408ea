// Kernels of encoders and decoders, in the reproducible profile. The host (src/plan.rs) puts them in order.
#include "attention.cuh"
#include "bytes.cuh"
#include "choose.cuh"
#include "norm.cuh"
#include "residues.cuh"
#include "score.cuh"

// Takes a unit's texts and rows out of the input. A unit has `stride` words there: the number of its rows, three words, the
// texts, filled up to 16 bytes, and the rows. Blocks of ROW_THREADS for whichever is more, texts or rows.
T_KERNEL begin(const u32 *texts, u32 *rows, Sequence *sequences, u32 unit, u32 stride, u32 batch) {
    const u32 *mine = texts + HEAD_WORDS + (u64)unit * stride;
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, count = mine[0];
    if (i == 0u) {
        rows[ROW_COUNT] = count;
        rows[UNIT] = unit;
    }
    if (i < batch) sequences[i] = ((const Sequence *)(mine + 4u))[i];
    if (i < count) set_row(rows, i, ((const Row *)(mine + 4u + (batch + 1u) / 2u * 4u))[i]);
}

// y = x w, and what the flags say. A thread has 8 rows (x) and 4 columns (y) of the product.
T_KERNEL multiply(const u32 *rows, const float *x, const float *w, const float *bias, const float *residual, float *y, u32 k, u32 n,
                  u32 flags) {
    u32 count = rows[ROW_COUNT], column = (blockIdx.y * blockDim.x + threadIdx.x) * TILE;
    u32 row = (blockIdx.x * blockDim.y + threadIdx.y) * TILE_ROWS;
    if (row >= count || column >= n) return;
    w += (u64)(column / PANEL) * PANEL * k + column % PANEL;
    u32 end = row + TILE_ROWS < count ? row + TILE_ROWS : count;
    if (row + 8u <= end) {
        product<8>(x, w, bias, residual, y, row, column, k, n, flags);
        return;
    }
    if (row + 4u <= end) {
        product<4>(x, w, bias, residual, y, row, column, k, n, flags);
        row += 4u;
    }
    for (; row < end; row++) product<1>(x, w, bias, residual, y, row, column, k, n, flags);
}

// x = gelu(x), in place: x half of 1 + erf(x / sqrt 2).
T_KERNEL gelu(const u32 *rows, float *x, u32 inner) {
    u32 i = blockIdx.y * blockDim.x + threadIdx.x;
    if (blockIdx.x >= rows[ROW_COUNT] || i >= inner) return;
    x += (u64)blockIdx.x * inner;
    x[i] = 0.5f * x[i] * (1.0f + t_erf(x[i] * 0.707106781f));
}

// y = silu(gate) * up, where x holds gates and ups of a row one behind the other.
T_KERNEL gate(const u32 *rows, const float *x, float *y, u32 inner) {
    u32 i = blockIdx.y * blockDim.x + threadIdx.x;
    if (blockIdx.x >= rows[ROW_COUNT] || i >= inner) return;
    const float *of_row = x + (u64)blockIdx.x * 2u * inner;
    y[(u64)blockIdx.x * inner + i] = of_row[i] * t_sigmoid(of_row[i]) * of_row[inner + i];
}

// The rows at work become the last ones of the texts: those from which the next token follows. One thread.
T_KERNEL last_rows(u32 *rows, const Sequence *sequences, u32 batch) {
    u32 count = 0;
    for (u32 s = 0; s < batch; s++) {
        Sequence text = sequences[s];
        if (text.length == 0u) continue;
        Row row = {0u, text.length - 1u, s, text.first + text.length - 1u};
        set_row(rows, count++, row);
    }
    rows[ROW_COUNT] = count;
}

// The rows at work become one for each answer that goes on: its last token. One thread.
T_KERNEL next_rows(u32 *rows, const Sequence *sequences, const u32 *answers, u32 batch, u32 most) {
    u32 count = 0;
    for (u32 s = 0; s < batch; s++) {
        const u32 *answer = answers + (u64)s * (ANSWER_HEAD + most);
        u32 made = answer[ANSWER_COUNT], length = sequences[s].length;
        if (length == 0u || answer[ANSWER_ENDED] || made == 0u || made >= most) continue;
        Row row = {answer[ANSWER_HEAD + made - 1u], length + made - 1u, s, count};
        set_row(rows, count++, row);
    }
    rows[ROW_COUNT] = count;
}

// The next token of each row's answer. With `inverse` 0 it is the most likely one; else one is drawn: logits are multiplied by
// `inverse`, and only the `top` most likely tokens count (0: all), and of these the most likely ones that have together at least
// `part` 2^-32 of the probability. `weights` is room for a number for each token of each row.
T_KERNEL choose(const u32 *rows, const u32 *texts, const float *logits, u64 *weights, u32 *answers, u32 vocabulary, u32 batch,
                u32 most, float inverse, u32 top, u64 part, u32 seed_low, u32 seed_high) {
    T_SHARED u64 scratch[CHOOSE_THREADS];
    T_SHARED u32 found[CHOOSE_THREADS];
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    Row row = row_at(rows, blockIdx.x);
    u32 *answer = answers + (u64)row.sequence * (ANSWER_HEAD + most);
    logits += (u64)blockIdx.x * vocabulary;
    weights += (u64)blockIdx.x * vocabulary;
    u32 made = answer[ANSWER_COUNT], token = largest(logits, vocabulary, found);
    if (inverse > 0.0f) {
        float peak = logits[token];
        for (u32 i = threadIdx.x; i < vocabulary; i += CHOOSE_THREADS)
            weights[i] = t_to_u64(t_exp((logits[i] - peak) * inverse) * 4294967296.0f);
        if (top > 0u && top < vocabulary)
            drop_below(logits, weights, vocabulary, highest<false>(logits, weights, vocabulary, top, scratch));
        u64 total = above<true>(logits, weights, vocabulary, 0u, scratch);
        if (part < 1ull << 32) {
            u64 wanted = (total >> 32) * part + (((total & 0xffffffffull) * part) >> 32);
            drop_below(logits, weights, vocabulary, highest<true>(logits, weights, vocabulary, wanted, scratch));
            total = above<true>(logits, weights, vocabulary, 0u, scratch);
        }
        Random4 r = t_philox(made, rows[UNIT] * batch + row.sequence, 0u, 0u, seed_low, seed_high);
        token = draw(weights, vocabulary, total, ((u64)r.x << 32) | r.y, scratch, found);
    }
    __syncthreads();
    if (threadIdx.x != 0u) return;
    answer[ANSWER_HEAD + made] = token;
    answer[ANSWER_COUNT] = made + 1u;
    for (u32 i = 0; i < texts[0]; i++)
        if (token == texts[1u + i]) answer[ANSWER_ENDED] = 1u;
}
