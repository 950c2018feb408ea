// Textures and the sky. Texels are looked up bilinearly, in linear light.
#pragma once
#include "layout.cuh"

// The texel left of (or at) a coordinate, its right neighbour, and the weight of the latter.
T_FN void wrap(float x, u32 size, u32 mode, u32 *left, u32 *right, float *weight) {
    float n = (float)size;
    if (mode == WRAP_REPEAT) {
        x = x - t_floor(x);
    } else if (mode == WRAP_MIRROR) {
        x = t_fma(t_floor(x * 0.5f), -2.0f, x);
        x = x > 1.0f ? 2.0f - x : x;
    }
    x = t_fma(t_clamp(x, 0.0f, 1.0f), n, -0.5f);
    float low = t_floor(x);
    *weight = x - low;
    i32 i = t_to_i32(low), last = (i32)size - 1;
    bool repeat = mode == WRAP_REPEAT;
    *left = (u32)(i < 0 ? (repeat ? last : 0) : i);
    *right = (u32)(i + 1 > last ? (repeat ? 0 : last) : i + 1);
}

T_FN Vec texel(u32 bits) {
    return vec((float)(bits & 1023u), (float)((bits >> 10) & 1023u), (float)((bits >> 20) & 1023u));
}

// Texture number `index - 1` at (u, v): 10 bits a channel, of the square root of the value.
T_FN Vec sample_texture(const Scene *scene, u32 index, float u, float v) {
    Uint4 head = section<Uint4>(scene, scene->textures)[index - 1];
    const u32 *texels = section<u32>(scene, scene->texels) + head.x;
    u32 x0, x1, y0, y1;
    float fx, fy;
    wrap(u, head.y, head.w & 3u, &x0, &x1, &fx);
    wrap(v, head.z, head.w >> 2, &y0, &y1, &fy);
    const u32 *low = texels + (u64)y0 * head.y, *high = texels + (u64)y1 * head.y;
    Vec a = texel(low[x0]), b = texel(low[x1]), c = texel(high[x0]), d = texel(high[x1]);
    float scale = 1.0f / (1023.0f * 1023.0f), top = (1.0f - fy) * scale, bottom = fy * scale;
    Vec r = a * a * ((1.0f - fx) * top);
    r = mad(b * b, fx * top, r);
    r = mad(c * c, (1.0f - fx) * bottom, r);
    return mad(d * d, fx * bottom, r);
}

// A direction on the unit square: the octahedron |x| + |y| + |z| = 1 seen from above, its lower half folded outwards.
T_FN void octahedral(Vec d, float *u, float *v) {
    float r = t_rcp(t_abs(d.x) + t_abs(d.y) + t_abs(d.z));
    float x = d.x * r, y = d.z * r;
    if (d.y < 0.0f) {
        float fold_x = 1.0f - t_abs(y), fold_y = 1.0f - t_abs(x);
        x = x < 0.0f ? -fold_x : fold_x;
        y = y < 0.0f ? -fold_y : fold_y;
    }
    *u = t_fma(x, 0.5f, 0.5f);
    *v = t_fma(y, 0.5f, 0.5f);
}

// The direction of a point of the unit square, not normalised: the sum of its absolute coordinates is 1.
T_FN Vec from_octahedral(float u, float v) {
    float x = t_fma(u, 2.0f, -1.0f), y = t_fma(v, 2.0f, -1.0f), z = 1.0f - t_abs(x) - t_abs(y);
    if (z < 0.0f) {
        float fold_x = 1.0f - t_abs(y), fold_y = 1.0f - t_abs(x);
        x = x < 0.0f ? -fold_x : fold_x;
        y = y < 0.0f ? -fold_y : fold_y;
    }
    return vec(x, z, y);
}

T_FN Vec rgb9e5(u32 bits) {
    float scale = t_from_bits(((bits >> 27) + 103u) << 23);
    return vec((float)(bits & 511u), (float)((bits >> 9) & 511u), (float)((bits >> 18) & 511u)) * scale;
}

// Radiance of the sky at a point of the unit square.
T_FN Vec sky_radiance(const Scene *scene, float u, float v) {
    u32 size = scene->sky_size;
    if (size == 0) return vec(0.0f, 0.0f, 0.0f);
    float n = (float)size;
    float x = t_fma(u, n, 0.5f), y = t_fma(v, n, 0.5f);
    u32 ix = (u32)t_to_i32(x), iy = (u32)t_to_i32(y);
    ix = ix > size ? size : ix;
    iy = iy > size ? size : iy;
    float fx = x - (float)ix, fy = y - (float)iy;
    const u32 *low = section<u32>(scene, scene->sky) + (u64)iy * (size + 2u) + ix, *high = low + (size + 2u);
    Vec r = rgb9e5(low[0]) * ((1.0f - fx) * (1.0f - fy));
    r = mad(rgb9e5(low[1]), fx * (1.0f - fy), r);
    r = mad(rgb9e5(high[0]), (1.0f - fx) * fy, r);
    return mad(rgb9e5(high[1]), fx * fy, r);
}
