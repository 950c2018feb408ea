// Rays against the tree of triangles.
//
// What a ray meets does not depend on the tree: boxes are wide enough for rounding, and of triangles at equal distances
// the first one by instance and by number in its mesh counts.
#pragma once
#include "attributes.cuh"
#include "layout.cuh"
#include "texture.cuh"

// Nodes that a thread looks at before the leaves of its warp have their turn.
#define NODES 4

// How far outside of a triangle, in barycentrics, a ray still hits: closes cracks between neighbours.
#define EDGE 2e-4f

T_FN float reciprocal(float d) { return t_rcp(t_abs(d) < 1e-18f ? (d < 0.0f ? -1e-18f : 1e-18f) : d); }

// Whether the alpha test lets a ray pass at this point of a triangle of an instance or of the world. `key` is the ray's.
T_FN bool passes(const Scene *scene, u32 index, u32 instance, float u, float v, u32 key) {
    const Attributes *at = section<Attributes>(scene, scene->attributes) + index;
    const Material *m = section<Material>(scene, scene->materials) + at->material;
    Weights w = {1.0f - u - v, u, v};
    float uv[4];
    coordinates(scene, at, w, uv);
    if (instance != NO_NODE) key ^= t_hash(section<Instance>(scene, scene->instances)[instance].order | 1u);
    float cutoff = m->cutoff > 1.0f ? t_unit(t_hash(key ^ (at->order * 0x9E3779B9u))) : m->cutoff;
    return opacity(scene, m, uv, vertex_opacity(scene, at, w)) < cutoff;
}

// A ray on its way through the tree.
struct Ray {
    Vec origin, direction;
    float limit;      // distance of the nearest hit so far
    float u, v;       // barycentrics of that hit
    u32 hit;          // its triangle, or NO_NODE
    u32 hit_instance; // and the instance that it belongs to, or NO_NODE
    u32 instance;     // the instance that the ray is in, or NO_NODE
    u32 ref;          // what to look at next; NO_NODE when done
    u32 top;          // entries on the stack
    u32 key;          // decides the alpha test of translucent surfaces
    bool any;         // whether any hit will do
};

T_FN void start(const Scene *scene, Ray *ray, Vec o, Vec d, float limit, bool any, u32 key, Uint2 *stack) {
    ray->origin = o;
    ray->direction = d;
    ray->limit = limit;
    ray->hit = NO_NODE;
    ray->hit_instance = NO_NODE;
    ray->instance = NO_NODE;
    ray->ref = scene->root;
    ray->key = key;
    ray->any = any;
    // Below the last entry lies one that every pop accepts.
    stack[0].x = NO_NODE;
    stack[0].y = 0;
    ray->top = 1;
}

// A ray in the space of a mesh or of the world, as nodes need it.
struct Line {
    Vec o, d, inverse, shift;
    // A node's near planes by the direction's signs, as indices of Float4.
    u32 near_x, near_y, near_z;
};

// The ray in the space that it is in. Distances along it are the same in all spaces.
T_FN void place(const Scene *scene, const Ray *ray, u32 instance, Line *line) {
    line->o = ray->origin;
    line->d = ray->direction;
    if (instance != NO_NODE) {
        const Float4 *rows = section<Instance>(scene, scene->instances)[instance].inverse;
        Float4 x = rows[0], y = rows[1], z = rows[2];
        line->o = vec(dot(vec(x), ray->origin) + x.w, dot(vec(y), ray->origin) + y.w, dot(vec(z), ray->origin) + z.w);
        line->d = vec(dot(vec(x), ray->direction), dot(vec(y), ray->direction), dot(vec(z), ray->direction));
    }
    Vec inv = vec(reciprocal(line->d.x), reciprocal(line->d.y), reciprocal(line->d.z));
    line->inverse = inv;
    line->shift = vec(-line->o.x * inv.x, -line->o.y * inv.y, -line->o.z * inv.z);
    line->near_x = inv.x < 0.0f ? 1u : 0u;
    line->near_y = inv.y < 0.0f ? 3u : 2u;
    line->near_z = inv.z < 0.0f ? 5u : 4u;
}

// Whether a triangle comes before the one that the ray has met at the same distance.
T_FN bool comes_first(const Scene *scene, const Ray *ray, u32 index, u32 instance) {
    // The world comes before all instances: NO_NODE + 1 is 0.
    if (instance != ray->hit_instance) return instance + 1u < ray->hit_instance + 1u;
    const Attributes *at = section<Attributes>(scene, scene->attributes);
    return ray->hit != NO_NODE && at[index].order < at[ray->hit].order;
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
    Line line;
    u32 top = ray->top, ref = ray->ref, instance = ray->instance;
    float limit = ray->limit;
    place(scene, ray, instance, &line);
    do {
        // A few nodes, so that most threads have a leaf when leaves are looked at.
        for (u32 n = 0; n < NODES && !(ref & LEAF); n++) {
            const Float4 *node = (const Float4 *)(nodes + ref);
            Float4 nx = node[line.near_x], fx = node[line.near_x ^ 1u];
            Float4 ny = node[line.near_y], fy = node[line.near_y ^ 1u];
            Float4 nz = node[line.near_z], fz = node[line.near_z ^ 1u];
            Vec inv = line.inverse, shift = line.shift;
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
        if (ref >= INSTANCE && (IS_INSTANCE(ref) || ref == RETURN)) {
            if (ref == RETURN) {
                instance = NO_NODE;
                ref = pop(stack, &top, limit);
            } else {
                // Every pop accepts the way back.
                stack[top].x = RETURN;
                stack[top++].y = 0;
                instance = LEAF_FIRST(ref);
                ref = section<Instance>(scene, scene->instances)[instance].root;
            }
            place(scene, ray, instance, &line);
        } else if (ref != NO_NODE && (ref & LEAF)) {
            u32 index = LEAF_FIRST(ref), end = index + LEAF_COUNT(ref);
            do {
                const Triangle *tri = triangles + index;
                Float4 plane = tri->row[2];
                float height = t_fma(plane.x, line.o.x, t_fma(plane.y, line.o.y, t_fma(plane.z, line.o.z, plane.w)));
                float t = t_div(-height, dot(vec(plane), line.d));
                // Parallel rays give an infinity or NaN, which fails one of the comparisons.
                if (t > 0.0f && t <= limit) {
                    Vec p = mad(line.d, t, line.o);
                    Float4 row = tri->row[0];
                    float u = t_fma(row.x, p.x, t_fma(row.y, p.y, t_fma(row.z, p.z, row.w)));
                    row = tri->row[1];
                    float v = t_fma(row.x, p.x, t_fma(row.y, p.y, t_fma(row.z, p.z, row.w)));
                    if (t_min(u, v) >= -EDGE && u + v <= 1.0f + EDGE &&
                        (t < limit || comes_first(scene, ray, index, instance)) &&
                        (!(ref & MASKED) || !passes(scene, index, instance, u, v, ray->key))) {
                        limit = t;
                        ray->u = u;
                        ray->v = v;
                        ray->hit = index;
                        ray->hit_instance = instance;
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
    ray->instance = instance;
}
