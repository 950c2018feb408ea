// From the updates of a round to the change of the weights. Updates lie one behind the other, `count` values each; every sum goes
// over the updates in their order.
#pragma once
#include "compress.cuh"

// Most updates of a round.
#define MOST_UPDATES 64u
// Parameters of which one thread adds the squares.
#define PART 1024u

// The squares of a part of an update's distance from `centre`: a thread for each part (x) and update (y).
T_KERNEL squares_of_parts(const float *updates, const float *centre, float *parts, u32 count, u32 part_count) {
    u32 part = index(), update = blockIdx.y;
    if (part >= part_count) return;
    const float *x = updates + (u64)update * count;
    float sum = 0.0f;
    for (u32 i = part * PART; i < count && i < (part + 1u) * PART; i++) {
        float d = x[i] - centre[i];
        sum = t_fma(d, d, sum);
    }
    parts[(u64)update * part_count + part] = sum;
}

// The products of a part of an update with `centre`: a thread for each part (x) and update (y).
T_KERNEL products_of_parts(const float *updates, const float *centre, float *parts, u32 count, u32 part_count) {
    u32 part = index(), update = blockIdx.y;
    if (part >= part_count) return;
    const float *x = updates + (u64)update * count;
    float sum = 0.0f;
    for (u32 i = part * PART; i < count && i < (part + 1u) * PART; i++) sum = t_fma(x[i], centre[i], sum);
    parts[(u64)update * part_count + part] = sum;
}

T_FN float sum_of_parts(const float *parts, u32 update, u32 part_count) {
    float sum = 0.0f;
    for (u32 part = 0; part < part_count; part++) sum = sum + parts[(u64)update * part_count + part];
    return sum;
}

// Shares divided by their sum; the weights where that is 0.
T_FN void normalise(float *shares, const float *weights, u32 updates) {
    float total = 0.0f;
    for (u32 u = 0; u < updates; u++) total = total + shares[u];
    for (u32 u = 0; u < updates; u++) shares[u] = total > 0.0f ? t_div(shares[u], total) : weights[u];
}

// How much each update counts by the cosine of its angle to a direction, given its products with that and its squares: nothing where it
// points away. `weights` add up to 1, and so do the shares; where all point away they stay as they are. One thread.
T_KERNEL agreeing_shares(const float *products, const float *squares, const float *weights, float *shares, u32 updates, u32 part_count) {
    for (u32 u = 0; u < updates; u++) {
        float length = t_sqrt(sum_of_parts(squares, u, part_count)), along = sum_of_parts(products, u, part_count);
        shares[u] = length > 0.0f && along > 0.0f ? weights[u] * t_div(along, length) : 0.0f;
    }
    normalise(shares, weights, updates);
}

// The cosine of the angle between each update and what the others make together: `mean` is what `shares` make of all, from which each
// update's own part is taken away. `products` are those of updates with the mean, `squares` their own, `of_mean` those of the mean; 0
// where one of both has no length. One thread.
T_KERNEL cosines_to_others(const float *products, const float *squares, const float *of_mean, const float *shares, float *cosines,
                           u32 updates, u32 part_count) {
    float all = sum_of_parts(of_mean, 0u, part_count);
    for (u32 u = 0; u < updates; u++) {
        float own = sum_of_parts(squares, u, part_count), along = sum_of_parts(products, u, part_count), share = shares[u];
        float others = t_fma(share * share, own, t_fma(-2.0f * share, along, all));
        float lengths = others > 0.0f ? t_sqrt(own) * t_sqrt(others) : 0.0f;
        cosines[u] = lengths > 0.0f ? t_clamp(t_div(t_fma(-share, own, along), lengths), -1.0f, 1.0f) : 0.0f;
    }
}

// How much each update counts by the square of a cosine: nothing below 0. One thread.
T_KERNEL shares_by_cosines(const float *cosines, const float *weights, float *shares, u32 updates) {
    for (u32 u = 0; u < updates; u++) {
        float cosine = t_max(cosines[u], 0.0f);
        shares[u] = weights[u] * cosine * cosine;
    }
    normalise(shares, weights, updates);
}

// The part of a standing that the cosine of one round is.
#define OF_A_ROUND 0.1f

// The standing of the shard of each update moves towards the update's cosine; who has none above 0 counts nothing, the others as
// they do without a rule. One thread.
T_KERNEL shares_by_standing(const float *cosines, const u32 *shards, float *standings, const float *weights, float *shares, u32 updates) {
    for (u32 u = 0; u < updates; u++) {
        float before = standings[shards[u]], now = t_fma(OF_A_ROUND, cosines[u] - before, before);
        standings[shards[u]] = now;
        shares[u] = now > 0.0f ? weights[u] : 0.0f;
    }
    normalise(shares, weights, updates);
}

// Lengths from the squares, and how much each update counts so that none is longer than `factor` times the middle one: the upper one of
// the two in the middle where their number is even is left, the lower one taken. `weights` add up to 1. One thread.
T_KERNEL bounded_shares(const float *parts, const float *weights, float *shares, u32 updates, u32 part_count, float factor) {
    float lengths[MOST_UPDATES], sorted[MOST_UPDATES];
    for (u32 u = 0; u < updates && u < MOST_UPDATES; u++) {
        lengths[u] = t_sqrt(sum_of_parts(parts, u, part_count));
        u32 at = u;
        for (; at > 0u && sorted[at - 1u] > lengths[u]; at--) sorted[at] = sorted[at - 1u];
        sorted[at] = lengths[u];
    }
    float bound = sorted[(updates - 1u) / 2u] * factor;
    for (u32 u = 0; u < updates && u < MOST_UPDATES; u++)
        shares[u] = lengths[u] > bound ? weights[u] * t_div(bound, lengths[u]) : weights[u];
}

// centre + the sum of shares times the distances from it.
T_KERNEL towards(const float *updates, const float *shares, const float *centre, float *y, u32 updates_count, u32 count) {
    u32 i = index();
    if (i >= count) return;
    float c = centre[i], sum = 0.0f;
    for (u32 u = 0; u < updates_count; u++) sum = t_fma(shares[u], updates[(u64)u * count + i] - c, sum);
    y[i] = c + sum;
}

// Of each parameter the mean without the `cut` smallest and largest values.
T_KERNEL trimmed_mean(const float *updates, float *y, u32 updates_count, u32 count, u32 cut) {
    u32 i = index();
    if (i >= count) return;
    float sorted[MOST_UPDATES];
    for (u32 u = 0; u < updates_count && u < MOST_UPDATES; u++) {
        float value = updates[(u64)u * count + i];
        u32 at = u;
        for (; at > 0u && sorted[at - 1u] > value; at--) sorted[at] = sorted[at - 1u];
        sorted[at] = value;
    }
    float sum = 0.0f;
    for (u32 u = cut; u < updates_count - cut; u++) sum = sum + sorted[u];
    y[i] = t_div(sum, (float)(updates_count - 2u * cut));
}

// The loss that the updates tell, weighted; what is no loss counts as 0. One thread. `stride` words from one update's loss to the next.
T_KERNEL told_loss(const float *told, const float *weights, float *output, u32 updates) {
    float sum = 0.0f;
    for (u32 u = 0; u < updates; u++) {
        float loss = told[u];
        sum = t_fma(weights[u], loss >= 0.0f && loss <= LARGEST ? loss : 0.0f, sum);
    }
    output[0] = sum;
}

// The outer optimiser, Nesterov's momentum as in DiLoCo, for the parameters that have their turn: pending = error + rate (g + momentum m),
// where m is the new momentum. The state holds the momenta of all, then what of each was not sent yet.
T_KERNEL outer(const float *mean, float *state, float *pending, u32 count, u32 total, u32 part, u32 round, u32 key, float rate,
               float momentum) {
    u32 j = index(), i = chosen({part, round, key}, j);
    if (j >= count || i >= total) return;
    float g = mean[j], m = tame(t_fma(momentum, state[i], g));
    state[i] = m;
    pending[j] = tame(t_fma(rate, t_fma(momentum, m, g), state[total + i]));
}

// What was not sent goes back into the state.
T_KERNEL keep_unsent(const float *pending, float *state, u32 count, u32 total, u32 part, u32 round, u32 key) {
    u32 j = index(), i = chosen({part, round, key}, j);
    if (j < count && i < total) state[total + i] = pending[j];
}

// A sum of vectors in whole numbers as their mean.
T_KERNEL mean_of_sum(const u32 *sum, float *y, u32 count, float scale) {
    u32 i = index();
    if (i < count) y[i] = (float)(i32)sum[i] * scale;
}
