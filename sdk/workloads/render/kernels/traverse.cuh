// Rays against the tree of triangles.
#pragma once
#include "layout.cuh"
#include "texture.cuh"

// Nodes that a thread looks at before the leaves of its warp have their turn.
#define NODES 4

// How far outside of a triangle, in barycentrics, a ray still hits: closes cracks between neighbours.
#define EDGE 2e-4f

T_FN float reciprocal(float d) { return t_rcp(t_abs(d) < 1e-18f ? (d < 0.0f ? -1e-18f : 1e-18f) : d); }

// Whether the alpha test lets a ray pass at this point of a triangle.
T_FN bool passes(const Scene *scene, u32 index, float u, float v, u32 key) {
    const Attributes *at = section<Attributes>(scene, scene->attributes) + index;
    const Material *m = section<Material>(scene, scene->materials) + at->material;
    float w = 1.0f - u - v;
    float uv[4] = {t_fma(at->uv[0], w, t_fma(at->uv[2], u, at->uv[4] * v)),
                   t_fma(at->uv[1], w, t_fma(at->uv[3], u, at->uv[5] * v)), 0.0f, 0.0f};
    float cutoff = m->cutoff > 1.0f ? t_unit(t_hash(key ^ (index * 0x9E3779B9u))) : m->cutoff;
    return opacity(scene, m, uv, 1.0f) < cutoff;
}

// A ray on its way through the tree.
struct Ray {
    Vec origin, direction, inverse, shift;
    float limit;      // distance of the nearest hit so far
    float u, v;       // barycentrics of that hit
    u32 hit;          // its triangle, or NO_NODE
    u32 ref;          // what to look at next; NO_NODE when done
    u32 top;          // entries on the stack
    u32 key;          // decides the alpha test of translucent surfaces
    bool any;         // whether any hit will do
};

T_FN void start(Ray *ray, Vec o, Vec d, float limit, bool any, u32 key, Uint2 *stack) {
    ray->origin = o;
    ray->direction = d;
    ray->inverse = vec(reciprocal(d.x), reciprocal(d.y), reciprocal(d.z));
    ray->shift = vec(-o.x * ray->inverse.x, -o.y * ray->inverse.y, -o.z * ray->inverse.z);
    ray->limit = limit;
    ray->hit = NO_NODE;
    ray->ref = 0;
    ray->key = key;
    ray->any = any;
    // Below the last entry lies one that every pop accepts.
    stack[0].x = NO_NODE;
    stack[0].y = 0;
    ray->top = 1;
}

// The next entry of the stack that is nearer than `limit`.
T_FN u32 pop(const Uint2 *stack, u32 *top, float limit) {
    u32 at = *top;
    do {
        --at;
    } while (!(t_from_bits(stack[at].y) < limit));
    *top = at;
    return stack[at].x;
}

// Looks at up to `steps` leaves, and NODES nodes before each. The rays of a warp need very different numbers of steps: with a bound, those
// that are done can go on to something useful while the others come back for more.
T_FN void traverse(const Scene *scene, Ray *ray, u32 steps, Uint2 *stack) {
    const Node *nodes = section<Node>(scene, scene->nodes);
    const Triangle *triangles = section<Triangle>(scene, scene->triangles);
    Vec o = ray->origin, d = ray->direction, inv = ray->inverse, shift = ray->shift;
    // A node's near and far planes by the direction's signs, as indices of Float4.
    u32 near_x = inv.x < 0.0f ? 1u : 0u, near_y = inv.y < 0.0f ? 3u : 2u, near_z = inv.z < 0.0f ? 5u : 4u;
    u32 top = ray->top, ref = ray->ref;
    float limit = ray->limit;
    do {
        // A few nodes, so that most threads have a leaf when leaves are looked at.
        for (u32 n = 0; n < NODES && !(ref & LEAF); n++) {
            const Float4 *node = (const Float4 *)(nodes + ref);
            Float4 nx = node[near_x], fx = node[near_x ^ 1u], ny = node[near_y], fy = node[near_y ^ 1u];
            Float4 nz = node[near_z], fz = node[near_z ^ 1u];
            Uint4 child = ((const Uint4 *)node)[6];
            u32 next = NO_NODE;
            float best = 0.0f;
#define CHILD(f)                                                                                                       \
    {                                                                                                                  \
        float enter = t_max(t_max(t_fma(nx.f, inv.x, shift.x), t_fma(ny.f, inv.y, shift.y)),                           \
                            t_max(t_fma(nz.f, inv.z, shift.z), 0.0f));                                                 \
        float leave = t_min(t_min(t_fma(fx.f, inv.x, shift.x), t_fma(fy.f, inv.y, shift.y)),                           \
                            t_min(t_fma(fz.f, inv.z, shift.z), limit));                                                \
        if (enter <= leave) {                                                                                          \
            bool closer = next == NO_NODE || enter < best;                                                             \
            if (next != NO_NODE) {                                                                                     \
                stack[top].x = closer ? next : child.f;                                                                \
                stack[top++].y = t_bits(closer ? best : enter);                                                        \
            }                                                                                                          \
            next = closer ? child.f : next;                                                                            \
            best = closer ? enter : best;                                                                              \
        }                                                                                                              \
    }
            CHILD(x)
            CHILD(y)
            CHILD(z)
            CHILD(w)
#undef CHILD
            if (next == NO_NODE) next = pop(stack, &top, limit);
            ref = next;
        }
        if (ref != NO_NODE && (ref & LEAF)) {
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
                    row = tri->row[1];
                    float v = t_fma(row.x, p.x, t_fma(row.y, p.y, t_fma(row.z, p.z, row.w)));
                    if (t_min(u, v) >= -EDGE && u + v <= 1.0f + EDGE &&
                        (!(ref & MASKED) || !passes(scene, index, u, v, ray->key))) {
                        limit = t;
                        ray->u = u;
                        ray->v = v;
                        ray->hit = index;
                    }
                }
            } while (++index < end);
            // Only the entry at the bottom is accepted with a limit below every distance.
            if (ray->any && ray->hit != NO_NODE) top = 1;
            ref = pop(stack, &top, limit);
        }
    } while (ref != NO_NODE && --steps);
    ray->ref = ref;
    ray->top = top;
    ray->limit = limit;
}
