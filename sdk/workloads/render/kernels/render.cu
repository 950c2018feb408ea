// Path tracing of one unit: a range of samples of the pixels of one tile of one frame.
#include "camera.cuh"
#include "layout.cuh"
#include "light.cuh"
#include "outputs.cuh"
#include "scatter.cuh"
#include "surface.cuh"
#include "traverse.cuh"

// Leaves that a thread looks at before it looks at whether its ray is done.
#define STEPS 6

// Weight of a sample drawn with density `a` that could have been drawn with density `b` (power heuristic).
T_FN float mis(float a, float b) { return t_div(a * a, t_fma(a, a, b * b)); }

// Light that a ray into the void receives. `density` is that of the ray's direction, negative for a camera ray.
T_FN Vec background(const Scene *scene, Vec d, float density) {
    float u, v;
    octahedral(d, &u, &v);
    Vec light = sky_radiance(scene, u, v);
    if (density > 0.0f) light = light * mis(density, sky_density(scene, d, u, v));
    Vec axis = vec(scene->sun_axis[0], scene->sun_axis[1], scene->sun_axis[2]);
    if (scene->sun_density > 0.0f && dot(axis, d) > scene->sun_cosine) {
        float w = density > 0.0f ? mis(density, scene->sun_density) : 1.0f;
        light = mad(vec(scene->sun_radiance[0], scene->sun_radiance[1], scene->sun_radiance[2]), w, light);
    }
    return light;
}

T_FN Vec bounded(Vec light, u32 bounce, float clamp) {
    if (bounce == 0) return light;
    return vec(t_min(light.x, clamp), t_min(light.y, clamp), t_min(light.z, clamp));
}

// A path on its way.
struct Path {
    Vec origin, direction;
    Vec sum;       // radiance found so far
    Vec through;   // share of light from further on that arrives
    Vec absorption; // per length, of the body that the path is in
    float density; // with which the direction was chosen; negative for a camera ray
    u32 bounce;
    Sampler random;
};

// A sample of a light that counts if nothing is in between.
struct Shadow {
    Vec gain;
    Vec origin;
    Vec direction;
    float distance; // 0: there is none
};

// What a thread keeps in memory. One structure: an array that is indexed keeps all of it there.
struct Kept {
    Uint2 stack[STACK];
    Layers layers;
};

// Share of light that is left after a way through a body.
T_FN Vec left_after(Vec absorption, float distance) {
    return vec(t_exp(-absorption.x * distance), t_exp(-absorption.y * distance), t_exp(-absorption.z * distance));
}

// Handles the end of a path's segment: adds light that was met, samples a light, picks the next direction. False where
// the path ends; the sampled light is still to be tested.
T_FN bool shade(const Scene *scene, const Frame *f, const Part *part, const Camera *camera, const Ray *hit, Path *path,
                Shadow *shadow, Layers *layers, const Outputs *out) {
    Vec d = path->direction;
    shadow->distance = 0.0f;
    if (hit->hit == NO_NODE) {
        Vec light = path->through * background(scene, d, path->density);
        path->sum = path->sum + bounded(light, path->bounce, part->clamp);
        return false;
    }
    if (largest(path->absorption) > 0.0f) path->through = path->through * left_after(path->absorption, hit->limit);
    Hit point;
    point.at = mad(d, hit->limit, path->origin);
    point.out = -d;
    interpolate(scene, hit->hit, hit->hit_instance, hit->u, hit->v, &point);
    const Material *m = point.material;

    Vec light = emitted(scene, &point);
    if (largest(light) > 0.0f) {
        float w = 1.0f;
        if (path->density > 0.0f && m->light_density > 0.0f) {
            float facing = t_max(t_abs(dot(point.plane, d)), 1e-6f), chosen = m->light_density * scene->light_scale;
            w = mis(path->density, t_div(chosen * hit->limit * hit->limit, facing));
        }
        path->sum = path->sum + bounded(path->through * light * w, path->bounce, part->clamp);
    }
    bool seen = path->bounce == 0u && (out->wanted & SURFACE);
    bool ends = path->bounce == f->max_bounces || (m->flags & UNLIT);
    if (ends && !seen) return false;

    Surface surf;
    // Rough enough, after the first surface, that no path meets a small bright spot by chance.
    surface(scene, &point, path->bounce > 0 ? f->blur : 0.0f, layers, &surf);
    if (seen) add_surface(scene, out, camera, hit, path->random.index, &point, m->flags & UNLIT ? light : albedo(&surf));
    if (ends) return false;
    // Where rays start again: off the surface, on the side of the eye or on the other one.
    Vec near = mad(surf.facing, scene->epsilon, point.at), far = mad(surf.facing, -scene->epsilon, point.at);

    float choice, lobe, u, v;
    next2(&path->random, &choice, &lobe);
    if (scene->light_count) {
        LightSample sample;
        next2(&path->random, &u, &v);
        if (sample_light(scene, near, choice, u, v, &sample)) {
            float other;
            Vec gain = path->through * evaluate(&surf, sample.direction, &other) * sample.radiance;
            if (sample.density > 0.0f) gain = gain * mis(sample.density, other);
            if (largest(gain) > 0.0f) {
                shadow->gain = bounded(gain, path->bounce, part->clamp);
                shadow->origin = dot(sample.direction, surf.facing) > 0.0f ? near : far;
                shadow->direction = sample.direction;
                shadow->distance = t_fma(sample.distance, -1e-4f, sample.distance);
            }
        }
    }

    next2(&path->random, &u, &v);
    Scatter next;
    if (!scatter(&surf, lobe, u, v, &next)) return false;
    if (next.through) path->absorption = layers->absorption;
    path->origin = next.through ? far : near;
    path->direction = next.direction;
    path->density = next.density;
    path->through = path->through * next.weight;
    if (path->bounce > 0) {
        float keep = t_min(largest(path->through), 0.95f);
        if (t_unit(t_hash(path->random.key ^ (path->random.index * 0x85ebca6bu))) >= keep) return false;
        path->through = path->through * t_rcp(keep);
    }
    path->bounce++;
    return true;
}

// The part of the job that a unit belongs to.
T_FN const Part *part_of(const Frame *f, u32 unit) {
    const Part *parts = section<Part>(f, f->parts);
    u32 low = 0, high = f->part_count;
    while (high - low > 1u) {
        u32 middle = (low + high) >> 1;
        bool below = parts[middle].first_unit <= unit;
        low = below ? middle : low;
        high = below ? high : middle;
    }
    return parts + low;
}

// One thread a pixel. Pixels outside of the frame stay zero.
T_KERNEL render(const Frame *f, const Scene *poses, u8 *output, u32 unit) {
    const Part *part = part_of(f, unit);
    u32 rest = unit - part->first_unit, range = rest / part->tiles, number = rest - range * part->tiles;
    if (part->list != NO_NODE) number = section<u32>(f, f->lists)[part->list + number];
    u32 tile = f->tile, tile_y = number / f->tiles_x, tile_x = number - tile_y * f->tiles_x;
    // A block covers a square of 8 x 8 pixels.
    u32 squares = tile >> 3, square_y = blockIdx.x / squares, square_x = blockIdx.x - square_y * squares;
    u32 in_x = square_x * 8u + (threadIdx.x & 7u), in_y = square_y * 8u + (threadIdx.x >> 3);
    u32 x = tile_x * tile + in_x, y = tile_y * tile + in_y;
    if (x >= f->width || y >= f->height) return;

    Random4 key = t_philox(x, y, part->number, 0u, f->seed_low, f->seed_high);
    u32 first = part->first_sample + range * f->samples_per_unit, end = first + f->samples_per_unit;
    end = end > part->end_sample ? part->end_sample : end;
    Outputs out = outputs(output, f->outputs, tile, in_y * tile + in_x);
    u64 red = 0, green = 0, blue = 0;
    // One loop for everything: rays to lights and rays of paths go through the same traversal, a few steps at a time, and a
    // thread whose path has ended starts its next sample at once. So the threads of a warp seldom wait for each other.
    Kept kept;
    Uint2 *stack = kept.stack;
    Path path;
    Ray ray;
    Shadow shadow;
    const Camera *cameras = section<Camera>(f, f->cameras) + part->camera, *camera = cameras;
    const Scene *scene = poses;
    bool alive = false;
    shadow.distance = 0.0f;
    ray.ref = NO_NODE;
    for (u32 sample = first;;) {
        t_meet();
        if (ray.ref == NO_NODE) {
            if (!alive && shadow.distance == 0.0f) {
                if (sample == end) break;
                path.random.index = sample++;
                path.random.key = key.x;
                // Samples take the moments of the frame in turn.
                u32 slice = f->slices > 1u ? path.random.index % f->slices : 0u;
                camera = cameras + slice;
                scene = poses + (camera->pose >> 1);
                aim(f, cameras, slice, x, y, &path.random, &path.origin, &path.direction);
                path.sum = vec(0.0f, 0.0f, 0.0f);
                path.through = vec(1.0f, 1.0f, 1.0f);
                path.absorption = vec(0.0f, 0.0f, 0.0f);
                path.density = -1.0f;
                path.bounce = 0;
                alive = true;
            }
            bool any = shadow.distance > 0.0f;
            start(scene, &ray, any ? shadow.origin : path.origin, any ? shadow.direction : path.direction,
                  any ? shadow.distance : 1e30f, any, path.random.key ^ path.random.index, stack);
        }
        traverse(scene, &ray, STEPS, stack);
        if (ray.ref != NO_NODE) continue;
        if (ray.any) {
            if (ray.hit == NO_NODE) path.sum = path.sum + shadow.gain;
            shadow.distance = 0.0f;
        } else {
            alive = shade(scene, f, part, camera, &ray, &path, &shadow, &kept.layers, &out);
        }
        if (!alive && shadow.distance == 0.0f) {
            red += t_fixed(path.sum.x);
            green += t_fixed(path.sum.y);
            blue += t_fixed(path.sum.z);
            if (out.wanted & MOMENT) add_moment(&out, path.sum, part->scale);
        }
    }
    out.beauty[0] = red;
    out.beauty[1] = green;
    out.beauty[2] = blue;
}
