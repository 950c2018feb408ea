// Two loads for the interpreter: one where all lanes go together, one where they part.
typedef unsigned int u32;

// All pairs of bodies: the same path in every lane.
extern "C" __global__ void bodies(const float4 *at, float4 *force, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 p = at[i];
    float x = 0.0f, y = 0.0f, z = 0.0f;
    for (int j = 0; j < n; ++j) {
        float4 q = at[j];
        float dx = q.x - p.x, dy = q.y - p.y, dz = q.z - p.z;
        float r2 = __fmaf_rn(dx, dx, __fmaf_rn(dy, dy, __fmaf_rn(dz, dz, 1e-4f)));
        float inv = __fdiv_rn(1.0f, __fsqrt_rn(r2));
        float s = q.w * inv * inv * inv;
        x = __fmaf_rn(dx, s, x);
        y = __fmaf_rn(dy, s, y);
        z = __fmaf_rn(dz, s, z);
    }
    force[i] = make_float4(x, y, z, p.w);
}

__device__ u32 next(u32 &state) {
    state = state * 747796405u + 2891336453u;
    u32 w = ((state >> ((state >> 28) + 4)) ^ state) * 277803737u;
    return (w >> 22) ^ w;
}

__device__ float unit(u32 &state) { return (float)(next(state) >> 8) * 5.9604644775390625e-8f; }

// Paths among spheres: rays hit different things, bounce differently often and end by roulette.
extern "C" __global__ void paths(const float4 *spheres, int count, float *light, u32 samples) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    u32 state = i * 9781u + 1u;
    float sum = 0.0f;
    for (u32 s = 0; s < samples; ++s) {
        float ox = 0.0f, oy = 0.0f, oz = -4.0f;
        float dx = unit(state) - 0.5f, dy = unit(state) - 0.5f, dz = 1.0f;
        float weight = 1.0f;
        for (int bounce = 0; bounce < 12; ++bounce) {
            float inv = __fdiv_rn(1.0f, __fsqrt_rn(__fmaf_rn(dx, dx, __fmaf_rn(dy, dy, dz * dz))));
            dx *= inv; dy *= inv; dz *= inv;
            float best = 1e30f;
            int hit = -1;
            for (int k = 0; k < count; ++k) {
                float4 c = spheres[k];
                float cx = c.x - ox, cy = c.y - oy, cz = c.z - oz;
                float b = __fmaf_rn(cx, dx, __fmaf_rn(cy, dy, cz * dz));
                float d = __fmaf_rn(b, b, c.w * c.w) - __fmaf_rn(cx, cx, __fmaf_rn(cy, cy, cz * cz));
                if (d > 0.0f) {
                    float q = __fsqrt_rn(d), t = b - q;
                    if (t < 1e-3f) t = b + q;
                    if (t > 1e-3f && t < best) { best = t; hit = k; }
                }
            }
            if (hit < 0) { sum = __fmaf_rn(weight, 0.5f * dy + 0.5f, sum); break; }
            float4 c = spheres[hit];
            ox = __fmaf_rn(dx, best, ox); oy = __fmaf_rn(dy, best, oy); oz = __fmaf_rn(dz, best, oz);
            float r = __fdiv_rn(1.0f, c.w);
            dx = __fmaf_rn(ox - c.x, r, unit(state) - 0.5f);
            dy = __fmaf_rn(oy - c.y, r, unit(state) - 0.5f);
            dz = __fmaf_rn(oz - c.z, r, unit(state) - 0.5f);
            weight *= 0.8f;
            if (unit(state) > weight) break;
        }
    }
    light[i] = sum;
}
