// Textures and the sky, blended in linear light.
#pragma once
#include "layout.cuh"

// A coordinate taken into 0..1 as the texture repeats.
T_FN float wrap(float x, u32 mode) {
    if (mode == WRAP_REPEAT) {
        x = x - t_floor(x);
    } else if (mode == WRAP_MIRROR) {
        x = t_fma(t_floor(x * 0.5f), -2.0f, x);
        x = x > 1.0f ? 2.0f - x : x;
    }
    return t_clamp(x, 0.0f, 1.0f);
}

// The texel left of (or at) a coordinate, its right neighbour, and the weight of the latter.
T_FN void neighbours(float x, u32 size, u32 mode, u32 *left, u32 *right, float *weight) {
    x = t_fma(wrap(x, mode), (float)size, -0.5f);
    float low = t_floor(x);
    *weight = x - low;
    i32 i = t_to_i32(low), last = (i32)size - 1;
    bool repeat = mode == WRAP_REPEAT;
    *left = (u32)(i < 0 ? (repeat ? last : 0) : i);
    *right = (u32)(i + 1 > last ? (repeat ? 0 : last) : i + 1);
}

// The texel at a coordinate.
T_FN u32 nearest(float x, u32 size, u32 mode) {
    u32 i = (u32)t_to_i32(wrap(x, mode) * (float)size);
    return i < size ? i : size - 1u;
}

// Ten bits a channel, as numbers of 0..1023; their squares where the texture holds roots.
T_FN Vec texel(u32 bits, bool linear) {
    Vec t = vec((float)(bits & 1023u), (float)((bits >> 10) & 1023u), (float)((bits >> 20) & 1023u));
    return linear ? t : t * t;
}

// The value at (u, v) of the texels of a texture whose record starts with `width`, `height`, `flags`.
T_FN Vec blend(const u32 *texels, u32 width, u32 height, u32 flags, float u, float v) {
    u32 wrap_u = flags & 3u, wrap_v = (flags >> 2) & 3u;
    bool linear = (flags & TEXTURE_LINEAR) != 0u;
    float scale = linear ? 1.0f / 1023.0f : 1.0f / (1023.0f * 1023.0f);
    if (flags & TEXTURE_NEAREST) {
        u32 x = nearest(u, width, wrap_u), y = nearest(v, height, wrap_v);
        return texel(texels[(u64)y * width + x], linear) * scale;
    }
    u32 x0, x1, y0, y1;
    float fx, fy;
    neighbours(u, width, wrap_u, &x0, &x1, &fx);
    neighbours(v, height, wrap_v, &y0, &y1, &fy);
    const u32 *low = texels + (u64)y0 * width, *high = texels + (u64)y1 * width;
    float top = (1.0f - fy) * scale, bottom = fy * scale;
    Vec r = texel(low[x0], linear) * ((1.0f - fx) * top);
    r = mad(texel(low[x1], linear), fx * top, r);
    r = mad(texel(high[x0], linear), (1.0f - fx) * bottom, r);
    return mad(texel(high[x1], linear), fx * bottom, r);
}

// The value of Texture record number `use - 1` at a point with two sets of coordinates.
T_FN Vec read_texture(const Scene *scene, u32 use, const float uv[4]) {
    const Texture *texture = section<Texture>(scene, scene->textures) + (use - 1u);
    Uint4 head = *(const Uint4 *)texture;
    bool second = (head.w & TEXTURE_SECOND_SET) != 0u;
    float u = second ? uv[2] : uv[0], v = second ? uv[3] : uv[1];
    if (head.w & TEXTURE_MAPPED) {
        const float *a = texture->map[0], *b = texture->map[1];
        float mapped = t_fma(a[0], u, t_fma(a[1], v, a[2]));
        v = t_fma(b[0], u, t_fma(b[1], v, b[2]));
        u = mapped;
    }
    return blend(section<u32>(scene, scene->texels) + head.x, head.y, head.z, head.w, u, v);
}

// The radiance that a material emits; what unlit surfaces show is not part of it.
T_FN Vec emission(const Scene *scene, const Material *m, const float uv[4]) {
    Vec light = vec(m->emissive[0], m->emissive[1], m->emissive[2]);
    if (m->emissive_texture && largest(light) > 0.0f) light = light * read_texture(scene, m->emissive_texture, uv);
    return light;
}

// Opacity before the alpha test.
T_FN float opacity(const Scene *scene, const Material *m, const float uv[4], float vertex_alpha) {
    float alpha = m->opacity * vertex_alpha;
    if (m->opacity_texture) alpha *= read_texture(scene, m->opacity_texture, uv).x;
    return alpha;
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
