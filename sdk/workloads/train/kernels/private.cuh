// Updates of private shards: bounded in length, in whole numbers, under a mask. Seeds stand in the owner's data, which nobody else has.
#pragma once
#include "aggregate.cuh"

// y = mask + whole(x * share * steps), modulo 2^32; values go to the whole number above or below by chance, in proportion. `parts` are
// the squares of x, `bound` is the longest that it may be. The first four words of the data hold the seed in places 2 and 3.
T_KERNEL mask_update(const float *x, const float *parts, const u32 *data, const u32 *mask, u32 *y, u32 count, u32 part_count, float bound,
                     float steps, u32 round) {
    u32 i = index();
    if (i >= count) return;
    float sum = 0.0f;
    for (u32 part = 0; part < part_count; part++) sum = sum + parts[part];
    float length = t_sqrt(sum), share = length > bound ? t_div(bound, length) : 1.0f;
    Random4 r = t_philox(i, round, 0u, FOR_PRIVATE, data[2], data[3]);
    i32 whole = t_to_i32(t_floor(x[i] * share * steps + t_unit(r.x)));
    y[i] = (u32)whole + mask[i];
}
