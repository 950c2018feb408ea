// What a unit gives: one plane of numbers after the other, each for all pixels of the tile. src/merge/sums.rs reads them.
#pragma once
#include "attributes.cuh"
#include "traverse.cuh"

// What is known of the surface that a pixel shows. Parts of one are 1/4096.
struct alignas(8) SeenSurface {
    u32 albedo[3];
    i32 normal[3];
    u32 object; // of the first sample, plus 1
    u32 hits;
    u64 depth;
};
#define GUIDE_ONE 4096.0f

// The places of a pixel's numbers. Those that were not asked for have none.
struct Outputs {
    u32 wanted;
    u64 *beauty;
    u64 *moment;
    SeenSurface *surface;
};

T_FN Outputs outputs(u8 *output, u32 wanted, u32 tile, u32 pixel) {
    u32 pixels = tile * tile;
    Outputs out;
    out.wanted = wanted;
    out.beauty = (u64 *)output + pixel * 3u;
    out.moment = (u64 *)(output + pixels * 24u) + pixel;
    out.surface = (SeenSurface *)(output + pixels * (wanted & MOMENT ? 32u : 24u)) + pixel;
    return out;
}

// The square of a sample's luminance in units of typical light, as far as it is below 256 times that.
T_FN void add_moment(const Outputs *out, Vec light, float scale) {
    Vec cut = vec(t_clamp(light.x, 0.0f, T_FIXED_MAX), t_clamp(light.y, 0.0f, T_FIXED_MAX), t_clamp(light.z, 0.0f, T_FIXED_MAX));
    float luminance = t_fma(cut.x, 0.2126f, t_fma(cut.y, 0.7152f, cut.z * 0.0722f));
    luminance = t_min(luminance * scale, 255.0f);
    *out->moment += t_fixed(luminance * luminance);
}

T_FN u32 guide(float x) { return (u32)t_round_i32(t_clamp(x, -1.0f, 4.0f) * GUIDE_ONE); }

// Adds what a sample sees first.
T_FN void add_surface(const Scene *scene, const Outputs *out, const Camera *camera, const Ray *hit, u32 sample,
                      const Hit *point, Vec albedo) {
    SeenSurface *to = out->surface;
    to->albedo[0] += guide(t_clamp(albedo.x, 0.0f, 1.0f));
    to->albedo[1] += guide(t_clamp(albedo.y, 0.0f, 1.0f));
    to->albedo[2] += guide(t_clamp(albedo.z, 0.0f, 1.0f));
    Vec normal = dot(point->normal, point->out) < 0.0f ? -point->normal : point->normal;
    to->normal[0] += (i32)guide(normal.x);
    to->normal[1] += (i32)guide(normal.y);
    to->normal[2] += (i32)guide(normal.z);
    to->hits++;
    Vec forward = vec(camera->forward[0], camera->forward[1], camera->forward[2]);
    Vec eye = vec(camera->origin[0], camera->origin[1], camera->origin[2]);
    to->depth += t_fixed(dot(point->at - eye, forward));
    if (sample == 0u) {
        u32 object = section<Attributes>(scene, scene->attributes)[hit->hit].object;
        if (hit->hit_instance != NO_NODE) object = section<Instance>(scene, scene->instances)[hit->hit_instance].object;
        to->object = object + 1u;
    }
}
