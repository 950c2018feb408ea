// Tables of how much light lobes scatter. Made by src/energy.rs, which says what stands in them; change both together.
#pragma once
#include "layout.cuh"

#define GLOSSY_COSINES 32u
#define GLOSSY_ROUGHNESSES 32u
#define SHEEN_COSINES 32u
#define SHEEN_ROUGHNESSES 16u
#define REFRACTING_COSINES 32u
#define REFRACTING_ROUGHNESSES 16u
#define STRETCHED_COSINES 16u
#define STRETCHED_DIRECTIONS 9u
#define STRETCHED_ROUGHNESSES 12u

struct alignas(8) Float2 { float x, y; };

// An entry along one side of a table, and how far the place lies on the way to the next.
T_FN u32 entry(float x, u32 count, float *rest) {
    float scaled = t_clamp(x, 0.0f, 1.0f) * (float)(count - 1u);
    u32 i = (u32)t_to_i32(scaled);
    i = i < count - 2u ? i : count - 2u;
    *rest = scaled - (float)i;
    return i;
}

// The pair of floats between four pairs, `stride` apart along the first side.
T_FN Float2 between(const Float2 *at, u32 stride, float x, float y) {
    Float2 a = at[0], b = at[1], c = at[stride], d = at[stride + 1u];
    float first = t_fma(y, b.x - a.x, a.x), second = t_fma(y, b.y - a.y, a.y);
    Float2 r = {t_fma(x, t_fma(y, d.x - c.x, c.x) - first, first), t_fma(x, t_fma(y, d.y - c.y, c.y) - second, second)};
    return r;
}

// Albedo of GGX that reflects everything, and of GGX times Schlick's weight.
T_FN Float2 glossy_energy(const Scene *scene, float cosine, float roughness) {
    float x, y;
    u32 i = entry(t_sqrt(cosine), GLOSSY_COSINES, &x), j = entry(roughness, GLOSSY_ROUGHNESSES, &y);
    return between(section<Float2>(scene, scene->energy) + i * GLOSSY_ROUGHNESSES + j, GLOSSY_ROUGHNESSES, x, y);
}

// The same for stretched highlights. `view` is in the frame of the tangent.
T_FN Float2 stretched_energy(const Scene *scene, u32 table, Vec view, float roughness) {
    float x, y, z, ax = t_abs(view.x), ay = t_abs(view.y);
    u32 i = entry(t_sqrt(view.z), STRETCHED_COSINES, &x);
    u32 j = entry(t_div(ax, t_max(ax + ay, 1e-12f)), STRETCHED_DIRECTIONS, &y);
    u32 k = entry(roughness, STRETCHED_ROUGHNESSES, &z);
    const Float2 *at =
        section<Float2>(scene, scene->energy + table) + (i * STRETCHED_DIRECTIONS + j) * STRETCHED_ROUGHNESSES + k;
    Float2 a = between(at, STRETCHED_ROUGHNESSES, y, z);
    Float2 b = between(at + STRETCHED_DIRECTIONS * STRETCHED_ROUGHNESSES, STRETCHED_ROUGHNESSES, y, z);
    Float2 r = {t_fma(x, b.x - a.x, a.x), t_fma(x, b.y - a.y, a.y)};
    return r;
}

// Share that a rough dielectric reflects, and share that it reflects or refracts.
T_FN Float2 refracting_energy(const Scene *scene, u32 table, float cosine, float roughness, bool outside) {
    float x, y;
    u32 i = entry(t_sqrt(cosine), REFRACTING_COSINES, &x), j = entry(roughness, REFRACTING_ROUGHNESSES, &y);
    u32 half = outside ? 0u : REFRACTING_COSINES * REFRACTING_ROUGHNESSES;
    const Float2 *at = section<Float2>(scene, scene->energy + table) + half + i * REFRACTING_ROUGHNESSES + j;
    return between(at, REFRACTING_ROUGHNESSES, x, y);
}

// Albedo of white sheen.
T_FN float sheen_energy(const Scene *scene, float cosine, float roughness) {
    float x, y;
    u32 i = entry(t_sqrt(cosine), SHEEN_COSINES, &x), j = entry(roughness, SHEEN_ROUGHNESSES, &y);
    const float *at = (const float *)(section<Float2>(scene, scene->energy) + GLOSSY_COSINES * GLOSSY_ROUGHNESSES) +
                      i * SHEEN_ROUGHNESSES + j;
    float a = t_fma(y, at[1] - at[0], at[0]);
    at += SHEEN_ROUGHNESSES;
    return t_fma(x, t_fma(y, at[1] - at[0], at[0]) - a, a);
}
