// Rays against the tree of triangles.
#pragma once
#include "layout.cuh"
#include "texture.cuh"

struct Hit {
    float t, u, v;
    u32 triangle;
};

// How far outside of a triangle, in barycentrics, a ray still hits: closes cracks between neighbours.
#define EDGE 2e-4f

T_FN float reciprocal(float d) { return t_rcp(t_abs(d) < 1e-18f ? (d < 0.0f ? -1e-18f : 1e-18f) : d); }

// Whether the alpha test lets a ray pass at this point of a triangle.
T_FN bool passes(const Scene *scene, u32 index, float u, float v, u32 key) {
    const Attributes *at = section<Attributes>(scene, scene->attributes) + index;
    const Material *m = section<Material>(scene, scene->materials) + at->material;
    float alpha = m->alpha;
    if (m->alpha_texture) {
        float w = 1.0f - u - v;
        float s = t_fma(at->uv[0], w, t_fma(at->uv[2], u, at->uv[4] * v));
        float t = t_fma(at->uv[1], w, t_fma(at->uv[3], u, at->uv[5] * v));
        alpha *= sample_texture(scene, m->alpha_texture, s, t).x;
    }
    float cutoff = m->cutoff > 1.0f ? t_unit(t_hash(key ^ (index * 0x9E3779B9u))) : m->cutoff;
    return alpha < cutoff;
}

// The nearest hit before hit->t, or with ANY whether there is one at all. `key` decides the alpha test of translucent
// surfaces.
template <bool ANY> T_FN bool trace(const Scene *scene, Vec o, Vec d, u32 key, Hit *hit) {
    const Node *nodes = section<Node>(scene, scene->nodes);
    const Triangle *triangles = section<Triangle>(scene, scene->triangles);
    Vec inv = vec(reciprocal(d.x), reciprocal(d.y), reciprocal(d.z));
    Vec shift = vec(-o.x * inv.x, -o.y * inv.y, -o.z * inv.z);
    // A node's near and far planes by the direction's signs, as indices of Float4.
    u32 near_x = inv.x < 0.0f ? 1u : 0u, near_y = inv.y < 0.0f ? 3u : 2u, near_z = inv.z < 0.0f ? 5u : 4u;
    Uint2 stack[STACK];
    u32 top = 0, ref = 0;
    float limit = hit->t;
    bool found = false;
    for (;;) {
        if (!(ref & LEAF)) {
            const Float4 *node = (const Float4 *)(nodes + ref);
            Float4 nx = node[near_x], fx = node[near_x ^ 1u], ny = node[near_y], fy = node[near_y ^ 1u];
            Float4 nz = node[near_z], fz = node[near_z ^ 1u];
            Uint4 child = ((const Uint4 *)node)[6];
            u32 best = NO_NODE;
            float best_t = 0.0f;
#define CHILD(f)                                                                                                       \
    {                                                                                                                  \
        float enter = t_max(t_max(t_fma(nx.f, inv.x, shift.x), t_fma(ny.f, inv.y, shift.y)),                           \
                            t_max(t_fma(nz.f, inv.z, shift.z), 0.0f));                                                 \
        float leave = t_min(t_min(t_fma(fx.f, inv.x, shift.x), t_fma(fy.f, inv.y, shift.y)),                           \
                            t_min(t_fma(fz.f, inv.z, shift.z), limit));                                                \
        if (enter <= leave) {                                                                                          \
            if (best == NO_NODE) {                                                                                     \
                best = child.f;                                                                                        \
                best_t = enter;                                                                                        \
            } else {                                                                                                   \
                bool closer = enter < best_t;                                                                          \
                Uint2 far = {closer ? best : child.f, t_bits(closer ? best_t : enter)};                                \
                stack[top++] = far;                                                                                    \
                best = closer ? child.f : best;                                                                        \
                best_t = closer ? enter : best_t;                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
            CHILD(x)
            CHILD(y)
            CHILD(z)
            CHILD(w)
#undef CHILD
            if (best != NO_NODE) {
                ref = best;
                continue;
            }
        } else {
            u32 index = LEAF_FIRST(ref), end = index + LEAF_COUNT(ref);
            do {
                const Triangle *tri = triangles + index;
                Float4 plane = tri->row[2];
                float height = t_fma(plane.x, o.x, t_fma(plane.y, o.y, t_fma(plane.z, o.z, plane.w)));
                float t = t_div(-height, dot(vec(plane), d));
                // Parallel rays give an infinity or NaN, which fails one of the comparisons.
                if (t > 0.0f && t < limit) {
                    Vec p = mad(d, t, o);
                    Float4 row = tri->row[0];
                    float u = t_fma(row.x, p.x, t_fma(row.y, p.y, t_fma(row.z, p.z, row.w)));
                    if (u >= -EDGE && u <= 1.0f + EDGE) {
                        row = tri->row[1];
                        float v = t_fma(row.x, p.x, t_fma(row.y, p.y, t_fma(row.z, p.z, row.w)));
                        if (v >= -EDGE && u + v <= 1.0f + EDGE) {
                            if (!(ref & MASKED) || !passes(scene, index, u, v, key)) {
                                if (ANY) return true;
                                found = true;
                                limit = t;
                                hit->t = t;
                                hit->u = u;
                                hit->v = v;
                                hit->triangle = index;
                            }
                        }
                    }
                }
            } while (++index < end);
        }
        do {
            if (top == 0) return found;
            Uint2 entry = stack[--top];
            ref = entry.x;
            if (t_from_bits(entry.y) < limit) break;
        } while (true);
    }
}
