// What a triangle's corners say about a point inside of it.
#pragma once
#include "layout.cuh"
#include "hit.cuh"

// Numbers at a triangle's corners, weighted.
struct Weights { float a, b, c; };

T_FN float blend(Weights w, float a, float b, float c) { return t_fma(a, w.a, t_fma(b, w.b, c * w.c)); }

// Halves of a word as signed numbers of -32767..32767.
T_FN float low_half(u32 word) { return (float)((i32)(word << 16) >> 16); }
T_FN float high_half(u32 word) { return (float)((i32)word >> 16); }

// Both sets of texture coordinates.
T_FN void coordinates(const Scene *scene, const Attributes *at, Weights w, float uv[4]) {
    uv[0] = blend(w, at->uv[0], at->uv[2], at->uv[4]);
    uv[1] = blend(w, at->uv[1], at->uv[3], at->uv[5]);
    uv[2] = uv[3] = 0.0f;
    if (at->extras) {
        const Extras *extras = section<Extras>(scene, scene->extras) + (at->extras - 1u);
        uv[2] = blend(w, extras->uv[0], extras->uv[2], extras->uv[4]);
        uv[3] = blend(w, extras->uv[1], extras->uv[3], extras->uv[5]);
    }
}

// Opacity of the vertices' colours.
T_FN float vertex_opacity(const Scene *scene, const Attributes *at, Weights w) {
    if (!at->extras) return 1.0f;
    const u32 *colors = (section<Extras>(scene, scene->extras) + (at->extras - 1u))->colors;
    return blend(w, (float)(colors[1] >> 16), (float)(colors[3] >> 16), (float)(colors[5] >> 16)) * (1.0f / 65535.0f);
}

// The tangent of a corner; its last number is the sign of the bitangent.
T_FN Float4 tangent(u32 word) {
    u32 sign = word >> 30;
    Float4 t = {(float)((i32)(word << 22) >> 22), (float)((i32)(word << 12) >> 22), (float)((i32)(word << 2) >> 22),
                sign == 2u ? -1.0f : (float)sign};
    return t;
}

T_FN Vec from_rows(const Instance *instance, Vec v) {
    const float(*rows)[3] = instance->forward;
    return vec(dot(vec(rows[0][0], rows[0][1], rows[0][2]), v), dot(vec(rows[1][0], rows[1][1], rows[1][2]), v),
               dot(vec(rows[2][0], rows[2][1], rows[2][2]), v));
}

// A surface normal of a mesh, in the world; not normalised.
T_FN Vec normal_from(const Instance *instance, Vec n) {
    return mad(vec(instance->inverse[0]), n.x, mad(vec(instance->inverse[1]), n.y, vec(instance->inverse[2]) * n.z));
}

// Everything about the point of triangle `index` of barycentrics (u, v); `number` is that of its instance or NO_NODE.
// `at` and `out` are known already.
T_FN void interpolate(const Scene *scene, u32 index, u32 number, float u, float v, Hit *hit) {
    const Attributes *at = section<Attributes>(scene, scene->attributes) + index;
    Weights w;
    w.b = t_clamp(u, 0.0f, 1.0f);
    w.c = t_clamp(v, 0.0f, 1.0f);
    w.a = 1.0f - w.b - w.c;
    const u32 *n = at->normals;
    bool smooth = (n[4] & SMOOTH_CORNERS) != 0u;
    hit->material = section<Material>(scene, scene->materials) + at->material;
    hit->plane = vec(section<Triangle>(scene, scene->triangles)[index].row[2]);
    if (smooth) {
        hit->normal = vec(blend(w, low_half(n[0]), high_half(n[1]), low_half(n[3])),
                          blend(w, high_half(n[0]), low_half(n[2]), high_half(n[3])),
                          blend(w, low_half(n[1]), high_half(n[2]), low_half(n[4])));
    }
    coordinates(scene, at, w, hit->uv);
    hit->tangent = {0.0f, 0.0f, 0.0f, 0.0f};
    hit->color = {1.0f, 1.0f, 1.0f, 1.0f};
    if (at->extras) {
        const Extras *extras = section<Extras>(scene, scene->extras) + (at->extras - 1u);
        const u32 *c = extras->colors;
        float scale = 1.0f / 65535.0f;
        hit->color.x = blend(w, (float)(c[0] & 65535u), (float)(c[2] & 65535u), (float)(c[4] & 65535u)) * scale;
        hit->color.y = blend(w, (float)(c[0] >> 16), (float)(c[2] >> 16), (float)(c[4] >> 16)) * scale;
        hit->color.z = blend(w, (float)(c[1] & 65535u), (float)(c[3] & 65535u), (float)(c[5] & 65535u)) * scale;
        hit->color.w = blend(w, (float)(c[1] >> 16), (float)(c[3] >> 16), (float)(c[5] >> 16)) * scale;
        Float4 a = tangent(extras->tangents[0]), b = tangent(extras->tangents[1]), t = tangent(extras->tangents[2]);
        hit->tangent = {blend(w, a.x, b.x, t.x), blend(w, a.y, b.y, t.y), blend(w, a.z, b.z, t.z), a.w};
    }
    if (number != NO_NODE) {
        const Instance *instance = section<Instance>(scene, scene->instances) + number;
        hit->plane = normalize(normal_from(instance, hit->plane));
        if (smooth) hit->normal = normal_from(instance, hit->normal);
        if (hit->tangent.w != 0.0f) {
            Vec t = from_rows(instance, vec(hit->tangent));
            hit->tangent = {t.x, t.y, t.z, instance->order & 1u ? -hit->tangent.w : hit->tangent.w};
        }
    }
    if (hit->tangent.w != 0.0f) {
        Vec t = vec(hit->tangent);
        float square = dot(t, t);
        t = t * t_rsqrt(square);
        // Where the corners disagree so much that nothing is left there is none.
        hit->tangent = {t.x, t.y, t.z, square > 0.0f ? hit->tangent.w : 0.0f};
    }
    if (smooth) {
        Vec normal = normalize(hit->normal);
        hit->normal = dot(normal, hit->plane) < 0.0f ? -normal : normal;
    } else {
        hit->normal = hit->plane;
    }
}
