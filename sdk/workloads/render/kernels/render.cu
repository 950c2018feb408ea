// Path tracing of one unit: a range of samples of the pixels of one tile of one frame.
#include "layout.cuh"
#include "light.cuh"
#include "surface.cuh"
#include "texture.cuh"
#include "traverse.cuh"

// Leaves that a thread looks at before it looks at whether its ray is done.
#define STEPS 6

// Random numbers of one sample: dimension pairs of scrambled Sobol points, keyed by pixel and frame.
struct Sampler {
    u32 index, key;
};

T_FN void next2(Sampler *s, float *x, float *y) {
    s->key += 0x9E3779B9u;
    t_sobol2(s->index, t_hash(s->key), x, y);
}

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

// Handles the end of a path's segment: adds light that was met, samples a light, picks the next direction. False where
// the path ends; the sampled light is still to be tested.
T_FN bool shade(const Scene *scene, const Frame *f, const Ray *hit, Path *path, Shadow *shadow) {
    Vec d = path->direction;
    shadow->distance = 0.0f;
    if (hit->hit == NO_NODE) {
        Vec light = path->through * background(scene, d, path->density);
        path->sum = path->sum + bounded(light, path->bounce, f->clamp);
        return false;
    }
    const Float4 *at = (const Float4 *)(section<Attributes>(scene, scene->attributes) + hit->hit);
    Float4 plane = section<Triangle>(scene, scene->triangles)[hit->hit].row[2];
    Float4 at2 = at[2], at3 = at[3];
    const Material *m = section<Material>(scene, scene->materials) + t_bits(at3.w);
    float wu = t_clamp(hit->u, 0.0f, 1.0f), wv = t_clamp(hit->v, 0.0f, 1.0f), ww = 1.0f - wu - wv;
    Hit point;
    point.material = m;
    point.at = mad(d, hit->limit, path->origin);
    point.out = -d;
    point.plane = vec(plane);
    point.normal = point.plane;
    if (m->flags & SMOOTH) {
        Float4 at0 = at[0], at1 = at[1];
        Vec n = mad(vec(at0), ww, mad(vec(at0.w, at1.x, at1.y), wu, vec(at1.z, at1.w, at2.x) * wv));
        n = normalize(n);
        point.normal = dot(n, point.plane) < 0.0f ? -n : n;
    }
    point.tangent = {0.0f, 0.0f, 0.0f, 0.0f};
    point.uv[0] = t_fma(at2.y, ww, t_fma(at2.w, wu, at3.y * wv));
    point.uv[1] = t_fma(at2.z, ww, t_fma(at3.x, wu, at3.z * wv));
    point.uv[2] = point.uv[3] = 0.0f;
    point.color = {1.0f, 1.0f, 1.0f, 1.0f};

    Vec light = emitted(scene, &point);
    if (largest(light) > 0.0f) {
        float w = 1.0f;
        if (path->density > 0.0f && m->light_density > 0.0f) {
            float facing = t_max(t_abs(dot(point.plane, d)), 1e-6f);
            w = mis(path->density, t_div(m->light_density * hit->limit * hit->limit, facing));
        }
        path->sum = path->sum + bounded(path->through * light * w, path->bounce, f->clamp);
    }
    if (path->bounce == f->max_bounces || (m->flags & UNLIT)) return false;

    Surface surf;
    // Rough enough, after the first surface, that no path meets a small bright spot by chance.
    surface(scene, &point, path->bounce > 0 ? f->blur : 0.0f, &surf);
    // Where rays start again: off the surface, on the side of the eye or on the other one.
    Vec near = mad(surf.facing, scene->epsilon, point.at), far = mad(surf.facing, -scene->epsilon, point.at);

    float choice, lobe, u, v;
    next2(&path->random, &choice, &lobe);
    if (scene->light_count) {
        LightSample light;
        next2(&path->random, &u, &v);
        if (sample_light(scene, near, choice, u, v, &light)) {
            float other;
            Vec gain = path->through * evaluate(&surf, light.direction, &other) * light.radiance;
            if (light.density > 0.0f) gain = gain * mis(light.density, other);
            if (largest(gain) > 0.0f) {
                shadow->gain = bounded(gain, path->bounce, f->clamp);
                shadow->origin = dot(light.direction, surf.facing) > 0.0f ? near : far;
                shadow->direction = light.direction;
                shadow->distance = t_fma(light.distance, -1e-4f, light.distance);
            }
        }
    }

    next2(&path->random, &u, &v);
    Scatter next;
    if (!scatter(&surf, lobe, u, v, &next)) return false;
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

// One thread a pixel. `sums` takes tile * tile pixels of three u64 each; pixels outside of the frame stay zero.
T_KERNEL render(const Frame *f, const Scene *scene, u64 *sums, u32 unit) {
    u32 tile = f->tile, tiles = f->tiles_x * f->tiles_y;
    u32 per_frame = tiles * f->ranges;
    u32 number = unit / per_frame, rest = unit - number * per_frame;
    u32 range = rest / tiles, place = rest - range * tiles;
    u32 tile_y = place / f->tiles_x, tile_x = place - tile_y * f->tiles_x;
    // A block covers a square of 8 x 8 pixels.
    u32 squares = tile >> 3, square_y = blockIdx.x / squares, square_x = blockIdx.x - square_y * squares;
    u32 in_x = square_x * 8u + (threadIdx.x & 7u), in_y = square_y * 8u + (threadIdx.x >> 3);
    u32 x = tile_x * tile + in_x, y = tile_y * tile + in_y;
    if (x >= f->width || y >= f->height) return;

    const Camera *camera = (const Camera *)(f + 1) + number;
    Vec origin = vec(camera->origin[0], camera->origin[1], camera->origin[2]);
    Vec right = vec(camera->right[0], camera->right[1], camera->right[2]);
    Vec up = vec(camera->up[0], camera->up[1], camera->up[2]);
    Vec forward = vec(camera->forward[0], camera->forward[1], camera->forward[2]);
    float step_x = t_div(2.0f, (float)f->width), step_y = t_div(-2.0f, (float)f->height);
    Random4 key = t_philox(x, y, number, 0u, f->seed_low, f->seed_high);
    u32 first = range * f->samples_per_unit, end = first + f->samples_per_unit;
    end = end > f->samples ? f->samples : end;
    u64 red = 0, green = 0, blue = 0;
    // One loop for everything: rays to lights and rays of paths go through the same traversal, a few steps at a time, and a
    // thread whose path has ended starts its next sample at once. So the threads of a warp seldom wait for each other.
    Uint2 stack[STACK];
    Path path;
    Ray ray;
    Shadow shadow;
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
                float jitter_x, jitter_y;
                next2(&path.random, &jitter_x, &jitter_y);
                float sx = t_fma((float)x + jitter_x, step_x, -1.0f), sy = t_fma((float)y + jitter_y, step_y, 1.0f);
                Vec aside = mad(right, sx, up * sy);
                path.origin = camera->parallel ? origin + aside : origin;
                path.direction = normalize(camera->parallel ? forward : forward + aside);
                path.sum = vec(0.0f, 0.0f, 0.0f);
                path.through = vec(1.0f, 1.0f, 1.0f);
                path.density = -1.0f;
                path.bounce = 0;
                alive = true;
            }
            bool any = shadow.distance > 0.0f;
            start(&ray, any ? shadow.origin : path.origin, any ? shadow.direction : path.direction,
                  any ? shadow.distance : 1e30f, any, path.random.key ^ path.random.index, stack);
        }
        traverse(scene, &ray, STEPS, stack);
        if (ray.ref != NO_NODE) continue;
        if (ray.any) {
            if (ray.hit == NO_NODE) path.sum = path.sum + shadow.gain;
            shadow.distance = 0.0f;
        } else {
            alive = shade(scene, f, &ray, &path, &shadow);
        }
        if (!alive && shadow.distance == 0.0f) {
            red += t_fixed(path.sum.x);
            green += t_fixed(path.sum.y);
            blue += t_fixed(path.sum.z);
        }
    }
    u64 *out = sums + ((u64)in_y * tile + in_x) * 3u;
    out[0] = red;
    out[1] = green;
    out[2] = blue;
}
