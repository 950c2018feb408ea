// Removing noise from a picture: wavelets that do not cross edges (Dammertz et al., Edge-Avoiding À-Trous Wavelet Transform,
// 2010), guided by albedo, normal and depth, and by how noisy each pixel is known to be (Schied et al., Spatiotemporal
// Variance-Guided Filtering, 2017; the part of it that looks at one picture). One unit a picture: split(), smooth() with
// steps of 1, 2, 4 and so on, join(). src/denoise.rs makes the input.
#include "tessera.cuh"

struct alignas(16) Pixel {
    float light[3];
    float variance;  // of the luminance of `light`
    float albedo[3]; // 0 where nothing but the background is seen
    float depth;
    float normal[3]; // unit, or 0
    float slope;     // change of depth from a pixel to the next
};

struct alignas(16) Picture {
    u32 width, height;
    float spread; // difference of luminance, in standard errors, over which the weight of a neighbour falls by e
    u32 pad;
};

// Albedo that light is divided by before it is smoothed, so that textures stay sharp; at least this.
#define LEAST_ALBEDO 0.03f

T_FN float luminance(Vec c) { return t_fma(c.x, 0.2126f, t_fma(c.y, 0.7152f, c.z * 0.0722f)); }

T_FN const Pixel *pixels(const Picture *picture, u32 unit) {
    return (const Pixel *)(picture + 1) + (u64)unit * picture->width * picture->height;
}

T_FN Vec divisor(const Pixel *p) {
    Vec a = vec(p->albedo[0], p->albedo[1], p->albedo[2]);
    if (!(largest(a) > 0.0f)) return vec(1.0f, 1.0f, 1.0f);
    return vec(t_max(a.x, LEAST_ALBEDO), t_max(a.y, LEAST_ALBEDO), t_max(a.z, LEAST_ALBEDO));
}

// Light over albedo, and the variance of its luminance.
T_KERNEL split(const Picture *picture, Float4 *to, u32 unit) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= picture->width * picture->height) return;
    const Pixel *p = pixels(picture, unit) + i;
    Vec by = divisor(p);
    float level = luminance(by);
    Float4 r = {t_div(p->light[0], by.x), t_div(p->light[1], by.y), t_div(p->light[2], by.z),
                t_div(p->variance, level * level)};
    to[i] = r;
}

// The variance around a pixel, blurred: that of a single pixel is itself noisy.
T_FN float blurred_variance(const Picture *picture, const Float4 *from, i32 x, i32 y) {
    float sum = 0.0f, weights = 0.0f;
    for (i32 dy = -1; dy <= 1; dy++) {
        for (i32 dx = -1; dx <= 1; dx++) {
            i32 u = x + dx, v = y + dy;
            if (u < 0 || v < 0 || u >= (i32)picture->width || v >= (i32)picture->height) continue;
            float w = (dx == 0 ? 2.0f : 1.0f) * (dy == 0 ? 2.0f : 1.0f);
            sum = t_fma(from[(u32)v * picture->width + (u32)u].w, w, sum);
            weights += w;
        }
    }
    return t_div(sum, weights);
}

// One wavelet: five by five pixels, `step` apart.
T_KERNEL smooth(const Picture *picture, const Float4 *from, Float4 *to, u32 unit, u32 step) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= picture->width * picture->height) return;
    const Pixel *guides = pixels(picture, unit), *own = guides + i;
    i32 x = (i32)(i % picture->width), y = (i32)(i / picture->width);
    Float4 centre = from[i];
    Vec normal = vec(own->normal[0], own->normal[1], own->normal[2]);
    float level = luminance(vec(centre));
    float tolerance = t_rcp(t_fma(picture->spread, t_sqrt(blurred_variance(picture, from, x, y)), 1e-6f));
    Vec sum = vec(centre) * (0.375f * 0.375f);
    float weights = 0.375f * 0.375f, variance = centre.w * (weights * weights);
    for (i32 dy = -2; dy <= 2; dy++) {
        for (i32 dx = -2; dx <= 2; dx++) {
            i32 u = x + dx * (i32)step, v = y + dy * (i32)step;
            bool inside = u >= 0 && v >= 0 && u < (i32)picture->width && v < (i32)picture->height;
            if ((dx == 0 && dy == 0) || !inside) continue;
            u32 j = (u32)v * picture->width + (u32)u;
            const Pixel *other = guides + j;
            float along = dot(normal, vec(other->normal[0], other->normal[1], other->normal[2]));
            // The background is smoothed with nothing.
            if (!(along > 0.0f)) continue;
            for (int k = 0; k < 7; k++) along *= along;
            float way = (float)((dx < 0 ? -dx : dx) + (dy < 0 ? -dy : dy)) * (float)step;
            float behind = t_div(t_abs(own->depth - other->depth), t_fma(own->slope, way, own->depth * 1e-3f + 1e-12f));
            Float4 light = from[j];
            float apart = t_abs(level - luminance(vec(light))) * tolerance;
            float wx = dx == 0 ? 0.375f : dx == 1 || dx == -1 ? 0.25f : 0.0625f;
            float wy = dy == 0 ? 0.375f : dy == 1 || dy == -1 ? 0.25f : 0.0625f;
            float w = wx * wy * along * t_exp(-behind - apart);
            sum = mad(vec(light), w, sum);
            weights += w;
            variance = t_fma(light.w, w * w, variance);
        }
    }
    float scale = t_rcp(weights);
    Float4 r = {sum.x * scale, sum.y * scale, sum.z * scale, variance * scale * scale};
    to[i] = r;
}

// Light times albedo again.
T_KERNEL join(const Picture *picture, const Float4 *from, float *output, u32 unit) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= picture->width * picture->height) return;
    Vec light = vec(from[i]) * divisor(pixels(picture, unit) + i);
    output[i * 3u] = light.x;
    output[i * 3u + 1u] = light.y;
    output[i * 3u + 2u] = light.z;
}
