// The table of a proof of capability, see sdk/protocol/src/capability.rs: its generations, and the places under the target.
//
// A digest lies in memory as SHA-256 puts it out. Two generations lie in two buffers, which change their roles from launch to
// launch. There is a thread for every place and no check of bounds: the launch plan (proof.rs) cuts grids that fit.
typedef unsigned int u32;
typedef unsigned long long u64;

struct Seed {
    u32 words[8];
};

struct Hit {
    u64 end;    // the last eight bytes of the digest
    u64 place;
};

__device__ u32 rotated(u32 x, u32 by) { return __funnelshift_r(x, x, by); }
__device__ u32 swapped(u32 x) { return __byte_perm(x, 0, 0x0123); }

// Hashes a block into a state. All is unrolled: names of variables and of the ring change roles instead of moving, and what
// is constant of a block is folded with the constants of the rounds.
__device__ __forceinline__ void compress(u32 (&state)[8], u32 (&w)[16]) {
    constexpr u32 K[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    };
    u32 v[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] = state[i];
#pragma unroll
    for (int t = 0; t < 64; ++t) {
        u32 &word = w[t % 16];
        if (t >= 16) {
            const u32 x = w[(t + 1) % 16], y = w[(t + 14) % 16];
            word += w[(t + 9) % 16] + (rotated(x, 7) ^ rotated(x, 18) ^ (x >> 3)) + (rotated(y, 17) ^ rotated(y, 19) ^ (y >> 10));
        }
        const u32 a = v[(64 - t) % 8], b = v[(65 - t) % 8], c = v[(66 - t) % 8];
        const u32 e = v[(68 - t) % 8], f = v[(69 - t) % 8], g = v[(70 - t) % 8];
        u32 &d = v[(67 - t) % 8], &h = v[(71 - t) % 8];
        h += (word + K[t]) + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g));
        d += h;
        h += (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) state[i] += v[i];
}

__device__ __forceinline__ void begin(u32 (&state)[8]) {
    constexpr u32 START[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
#pragma unroll
    for (int i = 0; i < 8; ++i) state[i] = START[i];
}

// Digests are 32 bytes, two vectors; `words` are big-endian numbers as SHA-256 computes with.
__device__ __forceinline__ void load(const uint4 *table, u64 place, u32 *words) {
    const uint4 x = table[2 * place], y = table[2 * place + 1];
    words[0] = swapped(x.x), words[1] = swapped(x.y), words[2] = swapped(x.z), words[3] = swapped(x.w);
    words[4] = swapped(y.x), words[5] = swapped(y.y), words[6] = swapped(y.z), words[7] = swapped(y.w);
}

__device__ __forceinline__ void store(uint4 *table, u64 place, const u32 *s) {
    table[2 * place] = make_uint4(swapped(s[0]), swapped(s[1]), swapped(s[2]), swapped(s[3]));
    table[2 * place + 1] = make_uint4(swapped(s[4]), swapped(s[5]), swapped(s[6]), swapped(s[7]));
}

__device__ u64 own_place() { return (u64)blockIdx.x * blockDim.x + threadIdx.x; }

// The first generation: the hash of seed and place, 36 bytes.
extern "C" __global__ void fill(uint4 *to, Seed seed) {
    const u64 place = own_place();
    u32 state[8], w[16];
#pragma unroll
    for (int i = 0; i < 8; ++i) w[i] = swapped(seed.words[i]);
    w[8] = swapped((u32)place);
    w[9] = 0x80000000;
#pragma unroll
    for (int i = 10; i < 15; ++i) w[i] = 0;
    w[15] = 36 * 8;
    begin(state);
    compress(state, w);
    store(to, place, state);
}

// The next generation: the hash of the own digest and of the one that it names, 64 bytes.
extern "C" __global__ void step(const uint4 *__restrict__ from, uint4 *__restrict__ to, u64 places) {
    const u64 place = own_place();
    u32 state[8], w[16];
    load(from, place, w);
    load(from, ((u64)swapped(w[0]) * places) >> 32, w + 8);
    begin(state);
    compress(state, w);
    // The end of the message is the same for all.
    w[0] = 0x80000000;
#pragma unroll
    for (int i = 1; i < 15; ++i) w[i] = 0;
    w[15] = 64 * 8;
    compress(state, w);
    store(to, place, state);
}

// The smallest of the hits of every stripe, if there is one. Stripes lie in each other, one for each thread.
extern "C" __global__ void find(const u64 *__restrict__ table, u64 places, u64 target, Hit *hits) {
    const u64 stripe = own_place(), stripes = (u64)gridDim.x * blockDim.x;
    Hit best = {~0ull, ~0ull};
#pragma unroll 8
    for (u64 place = stripe; place < places; place += stripes) {
        const u64 end = table[4 * place + 3];
        if (end < target && end < best.end) best = {end, place};
    }
    hits[stripe] = best;
}
