// Each unit mixes the words of a key with its own number, and adds them up in a fixed order: enough to tell whether
// inputs, copies, unit numbers, constants and repeated launches reach a kernel as the plan says.

extern "C" __global__ void stir(unsigned* state, unsigned count, unsigned unit) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        // More rounds in some units than in others, so that they differ in gas.
        for (unsigned round = 0; round <= unit % 3u; ++round) {
            state[i] = (state[i] ^ (unit + 1u)) * 1664525u + 1013904223u;
        }
    }
}

extern "C" __global__ void weigh(const unsigned* key, const unsigned* state, float* out, float scale, unsigned count) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        float sum = 0.0f;
        for (unsigned k = 0; k <= i % 16u; ++k) {
            sum += (float)(state[(i + k) % count] >> 8) * scale;
        }
        out[i] = sum + (float)(key[i] & 255u);
    }
}
