// The best few colours for a picture, by k-means. A unit is one number of colours: 2, 4, 8, 16, 32.
//
// The sums of a cluster are whole numbers, so its centre does not depend on the order in which pixels are added.
#include "tessera.cuh"

#define MOST 32u

struct Picture {
    u32 width, height, pad[2];
    u8 pixels[1][4]; // red, green, blue, 255
};

struct Sums { u32 red, green, blue, count; };

struct Result {
    u32 colours, pad;
    u64 error;         // sum of squares of differences between pixels and their colours
    u8 palette[MOST][4];
    u8 labels[1];      // one a pixel
};

T_FN Vec colour(const u8 *pixel) { return vec((float)pixel[0], (float)pixel[1], (float)pixel[2]); }

// Takes colour i from a random pixel of the i-th stretch of the picture.
T_KERNEL choose(const Picture *picture, Float4 *centres, u32 unit) {
    u32 i = threadIdx.x, k = 2u << unit, pixels = picture->width * picture->height;
    if (i >= k) return;
    u32 stretch = pixels / k;
    Vec c = colour(picture->pixels[i * stretch + t_below(t_philox(i, 0u, 0u, 0u, unit, 0x6b6d6e73u).x, stretch)]);
    Float4 centre = {c.x, c.y, c.z, 0.0f};
    centres[i] = centre;
}

// Labels each pixel with the nearest centre, the first of several, and adds it to that cluster.
T_KERNEL assign(const Picture *picture, const Float4 *centres, Sums *sums, Result *result, u32 unit) {
    T_SHARED u32 part[MOST * 4u];
    u32 k = 2u << unit, pixels = picture->width * picture->height;
    for (u32 i = threadIdx.x; i < k * 4u; i += blockDim.x) part[i] = 0u;
    __syncthreads();
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < pixels) {
        const u8 *pixel = picture->pixels[i];
        Vec c = colour(pixel);
        float best = t_infinity();
        u32 label = 0u;
        for (u32 j = 0; j < k; j++) {
            Vec off = vec(centres[j]) - c;
            float distance = dot(off, off);
            if (distance < best) {
                best = distance;
                label = j;
            }
        }
        result->labels[i] = (u8)label;
        for (u32 channel = 0; channel < 3u; channel++) atomicAdd(&part[label * 4u + channel], (u32)pixel[channel]);
        atomicAdd(&part[label * 4u + 3u], 1u);
    }
    __syncthreads();
    for (u32 j = threadIdx.x; j < k * 4u; j += blockDim.x)
        if (part[j]) atomicAdd((u32 *)sums + j, part[j]);
}

// Moves each centre to the mean of its pixels and starts the next sums. A centre without pixels stays.
T_KERNEL move(Float4 *centres, Sums *sums, u32 unit) {
    u32 i = threadIdx.x;
    if (i >= 2u << unit) return;
    Sums s = sums[i];
    if (s.count > 0u) {
        float n = (float)s.count;
        Float4 centre = {t_div((float)s.red, n), t_div((float)s.green, n), t_div((float)s.blue, n), n};
        centres[i] = centre;
    }
    Sums none = {0u, 0u, 0u, 0u};
    sums[i] = none;
}

// Writes the palette, rounded to bytes, and adds up the squares of what it gets wrong.
T_KERNEL report(const Picture *picture, const Float4 *centres, Result *result, u32 unit) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, k = 2u << unit;
    if (i == 0u) result->colours = k;
    if (i < k) {
        const float *centre = (const float *)(centres + i);
        for (u32 channel = 0; channel < 3u; channel++) result->palette[i][channel] = (u8)t_round_i32(centre[channel]);
        result->palette[i][3] = 255u;
    }
    if (i >= picture->width * picture->height) return;
    const float *centre = (const float *)(centres + result->labels[i]);
    u32 error = 0u;
    for (u32 channel = 0; channel < 3u; channel++) {
        i32 off = t_round_i32(centre[channel]) - (i32)picture->pixels[i][channel];
        error += (u32)(off * off);
    }
    atomicAdd(&result->error, (u64)error);
}
