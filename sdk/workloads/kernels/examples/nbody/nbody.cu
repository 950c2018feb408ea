// Two star clusters that meet. A unit is one encounter: units differ in how far the clusters would miss each other.
//
// Leapfrog steps; each body adds up the pull of all others in the order of their numbers, so no result depends on timing.
#include "tessera.cuh"

// Position and mass, then velocity.
struct Body { Float4 at, velocity; };

// Sums in units of 2^-32, at the start and at the end.
struct Energy { i64 kinetic[2], potential[2]; };

#define ENERGY_ONE 4294967296.0f
// Square of the distance below which the pull no longer grows.
#define SOFT 0.0025f

// The bodies of the input, those of the second half in a cluster that flies past the first at distance 0.5 `unit`.
T_KERNEL place(const Body *cluster, Body *bodies, u32 count, u32 unit) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    float side = i < count / 2u ? -1.0f : 1.0f;
    Body b = cluster[i];
    b.at.x = t_fma(side, 1.5f, b.at.x);
    b.at.y = t_fma(side * 0.25f, (float)unit, b.at.y);
    b.velocity.x = t_fma(side, -0.45f, b.velocity.x);
    bodies[i] = b;
}

// Changes velocities by what the pull of all bodies does in `dt`.
T_KERNEL accelerate(Body *bodies, u32 count, float dt) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Vec at = vec(bodies[i].at), pull = vec(0.0f, 0.0f, 0.0f);
    for (u32 j = 0; j < count; j++) {
        Float4 other = bodies[j].at;
        Vec to = vec(other) - at;
        float inverse = t_rsqrt(dot(to, to) + SOFT);
        pull = mad(to, other.w * inverse * inverse * inverse, pull);
    }
    Vec v = mad(pull, dt, vec(bodies[i].velocity));
    Float4 velocity = {v.x, v.y, v.z, 0.0f};
    bodies[i].velocity = velocity;
}

// Moves bodies for `dt`.
T_KERNEL drift(Body *bodies, u32 count, float dt) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Vec p = mad(vec(bodies[i].velocity), dt, vec(bodies[i].at));
    Float4 at = {p.x, p.y, p.z, bodies[i].at.w};
    bodies[i].at = at;
}

// Adds up energies, in fixed point.
T_KERNEL weigh(const Body *bodies, Energy *energy, u32 count, u32 when) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Vec at = vec(bodies[i].at), v = vec(bodies[i].velocity);
    float potential = 0.0f;
    for (u32 j = 0; j < count; j++) {
        Float4 other = bodies[j].at;
        Vec to = vec(other) - at;
        if (j != i) potential = t_fma(other.w, -t_rsqrt(dot(to, to) + SOFT), potential);
    }
    float half_mass = 0.5f * bodies[i].at.w;
    t_add_signed(&energy->kinetic[when], t_fixed_signed(half_mass * dot(v, v), ENERGY_ONE));
    t_add_signed(&energy->potential[when], t_fixed_signed(half_mass * potential, ENERGY_ONE));
}
