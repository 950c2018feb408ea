// Updates of private shards: bounded in length, in whole numbers, with noise where that is asked for, under a mask. Seeds stand in the
// owner's data, which nobody else has.
#pragma once
#include "aggregate.cuh"

// y = mask + whole(x * share * steps + noise), modulo 2^32; values go to the whole number above or below by chance, in proportion.
// `parts` are the squares of x, `bound` is the longest that it may be; `noise` is the deviation in whole numbers. The first four words
// of the data hold the seed in places 2 and 3.
T_KERNEL mask_update(const float *x, const float *parts, const u32 *data, const u32 *mask, u32 *y, u32 count, u32 part_count, float bound,
                     float steps, float noise, u32 round) {
    u32 i = index();
    if (i >= count) return;
    float sum = 0.0f;
    for (u32 part = 0; part < part_count; part++) sum = sum + parts[part];
    float length = t_sqrt(sum), share = length > bound ? t_div(bound, length) : 1.0f;
    Random4 r = t_philox(i, round, 0u, FOR_PRIVATE, data[2], data[3]);
    float normal, other;
    t_normal2(r.x, r.y, &normal, &other);
    float scaled = t_fma(noise, normal, x[i] * share * steps);
    i32 whole = t_to_i32(t_floor(scaled + t_unit(r.z)));
    y[i] = (u32)whole + mask[i];
}
