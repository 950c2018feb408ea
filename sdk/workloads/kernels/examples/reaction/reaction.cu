// The reaction of Gray and Scott: two substances that diffuse on a torus, one of which eats the other and makes more of
// itself. A unit is one pair of feed and kill rates; the input lists the pairs.
//
// A block takes a tile and a margin around it into shared memory and makes four steps there, each of which eats one cell
// of the margin, before it writes the tile back.
#include "tessera.cuh"

#define SIDE 128u
#define TILE 16u
#define STEPS 4u
#define WIDE (TILE + 2u * STEPS)

struct alignas(8) Cell { float u, v; };
struct Rates { float feed, kill; };

// All of u and none of v, but for squares at random places.
T_KERNEL seed(Cell *cells) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, x = i % SIDE, y = i / SIDE;
    Cell cell = {1.0f, 0.0f};
    for (u32 square = 0; square < 24u; square++) {
        Random4 r = t_philox(square, 0u, 0u, 0u, 7u, 0x67726179u);
        u32 dx = (x - r.x) % SIDE, dy = (y - r.y) % SIDE;
        if (dx < 6u && dy < 6u) {
            cell.u = 0.5f;
            cell.v = t_fma(t_unit(r.z), 0.1f, 0.25f);
        }
    }
    cells[i] = cell;
}

// The sum over the eight neighbours, weighted, less the cell itself.
T_FN float spread(const float *at) {
    float cross = (at[-1] + at[1]) + (at[-(i32)WIDE] + at[WIDE]);
    float corners = (at[-(i32)WIDE - 1] + at[-(i32)WIDE + 1]) + (at[WIDE - 1u] + at[WIDE + 1u]);
    return t_fma(cross, 0.2f, t_fma(corners, 0.05f, -at[0]));
}

T_KERNEL react(const Cell *from, Cell *to, const Rates *rates, u32 unit) {
    T_SHARED float u[2][WIDE * WIDE];
    T_SHARED float v[2][WIDE * WIDE];
    float feed = rates[unit].feed, kill = rates[unit].kill;
    u32 left = blockIdx.x * TILE - STEPS, top = blockIdx.y * TILE - STEPS;
    for (u32 i = threadIdx.x; i < WIDE * WIDE; i += blockDim.x) {
        Cell cell = from[((top + i / WIDE) % SIDE) * SIDE + (left + i % WIDE) % SIDE];
        u[0][i] = cell.u;
        v[0][i] = cell.v;
    }
    __syncthreads();
    for (u32 step = 1; step <= STEPS; step++) {
        const float *old_u = u[(step - 1u) & 1u], *old_v = v[(step - 1u) & 1u];
        float *new_u = u[step & 1u], *new_v = v[step & 1u];
        u32 side = WIDE - 2u * step;
        for (u32 i = threadIdx.x; i < side * side; i += blockDim.x) {
            u32 at = (step + i / side) * WIDE + step + i % side;
            float a = old_u[at], b = old_v[at], eaten = a * b * b;
            new_u[at] = a + (spread(old_u + at) - eaten + feed * (1.0f - a));
            new_v[at] = b + (t_fma(0.5f, spread(old_v + at), eaten) - (kill + feed) * b);
        }
        __syncthreads();
    }
    for (u32 i = threadIdx.x; i < TILE * TILE; i += blockDim.x) {
        u32 x = i % TILE, y = i / TILE, at = (y + STEPS) * WIDE + x + STEPS;
        Cell cell = {u[STEPS & 1u][at], v[STEPS & 1u][at]};
        to[(blockIdx.y * TILE + y) * SIDE + blockIdx.x * TILE + x] = cell;
    }
}
