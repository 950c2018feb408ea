// How likely each token of a text is after those before it.
#pragma once
#include "choose.cuh"

// In place of the next token, where a row is the last one of its text.
#define NO_TOKEN 0xffffffffu
// Words of a text's scores before those of its tokens, and words of a token: its log-likelihood, and the most likely token.
#define SCORE_HEAD 1u
#define SCORE_WORDS 2u
// Steps of 1.0 in which likelihoods are added: 2^24 of at most 1 fit 64 bits.
#define SCORE_ONE 274877906944.0f

// Takes the rows from `round` times `most` on, at most `most` of them; the token of a row becomes the one that follows it. Blocks of
// ROW_THREADS.
T_KERNEL rows_to_score(const u32 *rows, u32 *scored, u32 most, u32 round) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, first = round * most, count = rows[ROW_COUNT];
    u32 here = first < count ? (count - first < most ? count - first : most) : 0u;
    if (i == 0u) scored[ROW_COUNT] = here;
    if (i >= here) return;
    Row row = row_at(rows, first + i);
    u32 next = NO_TOKEN;
    if (first + i + 1u < count) {
        Row behind = row_at(rows, first + i + 1u);
        if (behind.sequence == row.sequence) next = behind.token;
    }
    set_row(scored, i, Row{next, row.position, row.sequence, first + i});
}

// The logarithm of the probability of each row's token, and the token that is most likely. The sum over all tokens is one of
// whole numbers, which is exact in any order. `words` is how many a text has in `scores`.
T_KERNEL score(const u32 *rows, const Sequence *sequences, const float *logits, u32 *scores, u32 vocabulary, u32 words) {
    T_SHARED u64 scratch[CHOOSE_THREADS];
    T_SHARED u32 found[CHOOSE_THREADS];
    if (blockIdx.x >= rows[ROW_COUNT]) return;
    Row row = row_at(rows, blockIdx.x);
    if (row.token == NO_TOKEN) return;
    logits += (u64)blockIdx.x * vocabulary;
    u32 best = largest(logits, vocabulary, found);
    float peak = logits[best];
    u64 sum = 0;
    for (u32 i = threadIdx.x; i < vocabulary; i += CHOOSE_THREADS) sum += t_to_u64(t_exp(logits[i] - peak) * SCORE_ONE);
    sum = block_total(sum, scratch);
    if (threadIdx.x != 0u) return;
    float total = (float)sum * (1.0f / SCORE_ONE);
    scores += (u64)row.sequence * words;
    if (row.position == 0u) scores[0] = sequences[row.sequence].length - 1u;
    scores += SCORE_HEAD + row.position * SCORE_WORDS;
    scores[0] = t_bits((logits[row.token] - peak) - t_log(total));
    scores[1] = best;
}
