// Random numbers of a sample, and the ray with which it starts.
#pragma once
#include "layout.cuh"

// Random numbers of one sample: dimension pairs of scrambled Sobol points, keyed by pixel and frame.
struct Sampler {
    u32 index, key;
};

T_FN void next2(Sampler *s, float *x, float *y) {
    s->key += 0x9E3779B9u;
    t_sobol2(s->index, t_hash(s->key), x, y);
}

// A point of the unit disc, with equal areas for equal areas of the unit square (Shirley and Chiu).
T_FN void disc(float u, float v, float *x, float *y) {
    float a = t_fma(u, 2.0f, -1.0f), b = t_fma(v, 2.0f, -1.0f), sine, cosine;
    bool wide = t_abs(a) > t_abs(b);
    float r = wide ? a : b, other = wide ? b : a;
    float turn = r == 0.0f ? 0.0f : T_PI * 0.25f * t_div(other, r);
    t_sincos_near(turn, &sine, &cosine);
    *x = r * (wide ? cosine : sine);
    *y = r * (wide ? sine : cosine);
}

T_FN Vec between(const float a[3], const float b[3], float share) {
    return vec(t_fma(share, b[0] - a[0], a[0]), t_fma(share, b[1] - a[1], a[1]), t_fma(share, b[2] - a[2], a[2]));
}

// The ray of a sample through pixel (x, y). `cameras` stand in the middles of the frame's moments; in between, and beyond
// the first and the last, the camera moves evenly.
T_FN void aim(const Frame *f, const Camera *cameras, u32 slice, u32 x, u32 y, Sampler *random, Vec *origin, Vec *direction) {
    float u, v;
    next2(random, &u, &v);
    float sx = t_fma((float)x + u, t_div(2.0f, (float)f->width), -1.0f);
    float sy = t_fma((float)y + v, t_div(-2.0f, (float)f->height), 1.0f);
    const Camera *from = cameras, *to = cameras;
    float share = 0.0f;
    if (f->slices > 1u) {
        float time = t_unit(t_hash(random->key ^ (random->index * 0x85ebca6bu))) - 0.5f;
        u32 left = time < 0.0f && slice > 0u ? slice - 1u : slice;
        left = left > f->slices - 2u ? f->slices - 2u : left;
        from = cameras + left;
        to = from + 1;
        share = (float)slice - (float)left + time;
    }
    Vec eye = between(from->origin, to->origin, share), right = between(from->right, to->right, share);
    Vec up = between(from->up, to->up, share), forward = between(from->forward, to->forward, share);
    Vec aside = mad(right, sx, up * sy);
    bool parallel = (cameras[slice].pose & 1u) != 0u;
    if (parallel) eye = eye + aside;
    Vec along = parallel ? forward : forward + aside;
    if (from->lens_y > 0.0f) {
        next2(random, &u, &v);
        disc(u, v, &u, &v);
        Vec shift = mad(right, u * from->lens_x, up * (v * from->lens_y));
        along = mad(along, from->focus, -shift);
        eye = eye + shift;
    }
    *origin = eye;
    *direction = normalize(along);
}
