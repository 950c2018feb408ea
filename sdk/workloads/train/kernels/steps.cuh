// Local steps: batches that are drawn, the loss, the optimisers. What is drawn depends on the seed, round, shard, step and place alone.
#pragma once
#include "layers.cuh"

// What a random number is for: the last word of its counter.
#define FOR_WEIGHTS 0u
#define FOR_BATCHES 1u
#define FOR_UPDATES 2u
#define FOR_CHANGES 3u
#define FOR_PRIVATE 4u

// The data begins with its number of shards and what the owner alone knows of its seed, then the first sample and the number of samples
// of each shard, filled up to HEAD_WORDS.
#define HEAD_WORDS 4u

struct Shard { u32 first, count; };

T_FN Shard shard_at(const u32 *data, u32 shard) {
    Shard of = {data[HEAD_WORDS + 2u * shard], data[HEAD_WORDS + 2u * shard + 1u]};
    return of;
}

// Which parameters a round trains: one of every `part`, another one in the next round, so that all had their turn after `part` rounds.
struct Subset { u32 part, round, key; };

// Parameter number j of those that have their turn. Beyond the last one where the last few do not fill a whole `part`.
T_FN u32 chosen(Subset of, u32 j) {
    if (of.part == 1u) return j;
    return j * of.part + (t_hash(j ^ of.key) % of.part + of.round % of.part) % of.part;
}

// Starting weights: uniform between -bound and bound.
T_KERNEL draw_weights(float *weights, u32 first, u32 count, float bound, u32 seed_low, u32 seed_high) {
    u32 i = index();
    if (i >= count) return;
    Random4 r = t_philox(first + i, 0u, 0u, FOR_WEIGHTS, seed_low, seed_high);
    weights[first + i] = t_fma(2.0f, t_unit(r.x), -1.0f) * bound;
}

T_KERNEL fill(float *to, u32 count, float value) {
    u32 i = index();
    if (i < count) to[i] = value;
}

T_KERNEL copy(const float *from, float *to, u32 count) {
    u32 i = index();
    if (i < count) to[i] = from[i];
}

// A batch of samples drawn from the unit's shard, or, without a seed (`drawn` 0), the samples of the unit in their order, the last one
// again where there are no more. A sample is its label and `width` values; `records` is where they begin in the data.
T_KERNEL batch_of_samples(const u32 *data, const float *records, float *x, u32 *labels, u32 batch, u32 width, u32 unit, u32 step,
                          u32 round, u32 drawn, u32 seed_low, u32 seed_high) {
    u32 i = index();
    if (i >= batch * width) return;
    u32 place = i / width, column = i % width, sample;
    if (drawn) {
        Shard shard = shard_at(data, unit);
        Random4 r = t_philox(place, step, unit, FOR_BATCHES + (round << 8), seed_low, seed_high);
        sample = shard.first + t_below(r.x, shard.count);
    } else {
        Shard all = shard_at(data, 0u);
        sample = unit * batch + place;
        sample = sample < all.count ? sample : all.count - 1u;
    }
    const float *record = records + (u64)sample * (width + 1u);
    x[i] = record[1u + column];
    if (column == 0u) labels[place] = t_bits(record[0]);
}

// The same of a text of bytes: windows of `context` bytes, and the bytes that follow each of them.
T_KERNEL batch_of_text(const u32 *data, const u8 *text, u32 *tokens, u32 *targets, u32 batch, u32 context, u32 unit, u32 step, u32 round,
                       u32 drawn, u32 seed_low, u32 seed_high) {
    u32 i = index();
    if (i >= batch * context) return;
    u32 place = i / context, at;
    if (drawn) {
        Shard shard = shard_at(data, unit);
        Random4 r = t_philox(place, step, unit, FOR_BATCHES + (round << 8), seed_low, seed_high);
        at = shard.first + t_below(r.x, shard.count - context);
    } else {
        Shard all = shard_at(data, 0u);
        at = (unit * batch + place) * context;
        at = at + context < all.count ? at : all.count - context - 1u;
    }
    at += i % context;
    tokens[i] = text[at];
    targets[i] = text[at + 1u];
}

// Softmax cross-entropy of a row: its loss, whether the largest logit (the first of equal ones) is the target, and the gradient of
// the logits, times `scale`.
T_KERNEL cross_entropy(const float *logits, const u32 *targets, float *losses, u32 *right, float *dlogits, u32 rows, u32 classes,
                       float scale) {
    u32 row = index();
    if (row >= rows) return;
    const float *x = logits + (u64)row * classes;
    u32 target = targets[row], best = 0u;
    float most = x[0], total = 0.0f;
    for (u32 i = 1; i < classes; i++)
        if (x[i] > most) {
            most = x[i];
            best = i;
        }
    float *d = dlogits + (u64)row * classes;
    for (u32 i = 0; i < classes; i++) {
        float weight = t_exp(x[i] - most);
        d[i] = weight;
        total = total + weight;
    }
    for (u32 i = 0; i < classes; i++) d[i] = (t_div(d[i], total) - (i == target ? 1.0f : 0.0f)) * scale;
    losses[row] = t_log(total) + most - x[target];
    right[row] = best == target ? 1u : 0u;
}

// Adds the mean loss of a step, divided by the number of steps, to the first word of the output. One thread.
T_KERNEL add_loss(const float *losses, float *output, u32 rows, float share) {
    float sum = 0.0f;
    for (u32 row = 0; row < rows; row++) sum = sum + losses[row];
    output[0] = t_fma(sum, share, output[0]);
}

// What a unit of evaluation says: sum of the losses, number of right answers, number of answers. Rows beyond the last sample, which
// has number `samples` - 1, do not count; a sample has `context` rows. One thread.
T_KERNEL add_up(const float *losses, const u32 *right, u32 *output, u32 unit, u32 batch, u32 context, u32 samples) {
    u32 first = unit * batch, count = first + batch <= samples ? batch : samples - first;
    float sum = 0.0f;
    u32 hits = 0u;
    for (u32 row = 0; row < count * context; row++) {
        sum = sum + losses[row];
        hits += right[row];
    }
    output[0] = t_bits(sum);
    output[1] = hits;
    output[2] = count * context;
}

// Of each step: rate of learning, and for AdamW the inverse of 1 - beta1^t, and of the root of 1 - beta2^t.
struct alignas(16) Schedule { float rate, first, second, unused; };

// Momenta belong to the parameters that have their turn; `total` is how many there are of all.
T_KERNEL sgd(float *weights, const float *slopes, float *momenta, const Schedule *schedule, u32 count, u32 total, u32 part, u32 round,
             u32 key, u32 step, float momentum, float decay) {
    u32 j = index(), i = chosen({part, round, key}, j);
    if (j >= count || i >= total) return;
    float w = weights[i], m = t_fma(momentum, momenta[j], t_fma(decay, w, slopes[i]));
    momenta[j] = m;
    weights[i] = t_fma(-schedule[step].rate, m, w);
}

T_KERNEL adamw(float *weights, const float *slopes, float *momenta, float *squares, const Schedule *schedule, u32 count, u32 total,
               u32 part, u32 round, u32 key, u32 step, float beta1, float beta2, float epsilon, float decay) {
    u32 j = index(), i = chosen({part, round, key}, j);
    if (j >= count || i >= total) return;
    Schedule of = schedule[step];
    float g = slopes[i], w = weights[i];
    float m = t_fma(beta1, momenta[j], (1.0f - beta1) * g), v = t_fma(beta2, squares[j], (1.0f - beta2) * g * g);
    momenta[j] = m;
    squares[j] = v;
    w = t_fma(-(of.rate * decay), w, w);
    float step_size = t_div(m * of.first, t_fma(t_sqrt(v), of.second, epsilon));
    weights[i] = t_fma(-of.rate, step_size, w);
}
