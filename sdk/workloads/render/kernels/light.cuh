// Choosing a point on a light.
#pragma once
#include "attributes.cuh"
#include "hit.cuh"
#include "texture.cuh"

struct LightSample {
    Vec direction;
    float distance;
    Vec radiance;  // arriving along `direction` if nothing is in between, divided by the density
    float density; // over solid angle; 0 for a light that scattered rays cannot hit
};

// Density of choosing a direction towards the sky, over solid angle. (u, v) is its point on the unit square.
T_FN float sky_density(const Scene *scene, Vec d, float u, float v) {
    if (!scene->sky_cells) return 0.0f;
    u32 side = scene->cells_side;
    float n = (float)side;
    u32 x = (u32)t_to_i32(u * n), y = (u32)t_to_i32(v * n);
    x = x >= side ? side - 1u : x;
    y = y >= side ? side - 1u : y;
    float sum = t_abs(d.x) + t_abs(d.y) + t_abs(d.z);
    // The square has area 4 in coordinates of -1..1; the octahedron's face is seen from the centre under
    // du dv / |p|^3, and |p| = 1 / sum.
    float over_square = section<SkyCell>(scene, scene->sky_cells)[y * side + x].density;
    return t_div(over_square * 0.25f * scene->sky_select, sum * sum * sum);
}

T_FN bool sample_sky(const Scene *scene, float u, float v, LightSample *out) {
    u32 side = scene->cells_side;
    float n = (float)side, row = v * n;
    // The first coordinate picks the column, the second the row of the alias table; what is left of both places the
    // point inside the cell, after the first has decided between the cell and its alias.
    float column = u * n;
    u32 x = (u32)t_to_i32(column), y = (u32)t_to_i32(row);
    float fx = column - (float)x, fy = row - (float)y;
    u32 index = y * side + x;
    SkyCell cell = section<SkyCell>(scene, scene->sky_cells)[index];
    float density = cell.density;
    if (fx < cell.keep) {
        fx = t_div(fx, cell.keep);
    } else {
        fx = t_div(fx - cell.keep, 1.0f - cell.keep);
        index = cell.alias;
        density = cell.alias_density;
        y = index / side;
        x = index - y * side;
    }
    float inverse = t_rcp(n);
    float su = ((float)x + fx) * inverse, sv = ((float)y + fy) * inverse;
    Vec p = from_octahedral(su, sv);
    float square = dot(p, p), norm = t_sqrt(square);
    out->direction = p * t_rcp(norm);
    out->distance = 1e30f;
    // As in sky_density.
    out->density = density * 0.25f * scene->sky_select * (square * norm);
    if (!(out->density > 0.0f)) return false;
    out->radiance = sky_radiance(scene, su, sv) * t_rcp(out->density);
    return true;
}

// A sample of one light; false where none of it can reach `p`.
T_FN bool sample_light(const Scene *scene, Vec p, float choice, float u, float v, LightSample *out) {
    u32 index = 0;
    if (scene->light_count > 1) {
        float scaled = choice * (float)scene->light_count;
        index = (u32)t_to_i32(scaled);
        index = index >= scene->light_count ? scene->light_count - 1u : index;
        Uint2 entry = section<Uint2>(scene, scene->alias)[index];
        if (scaled - (float)index >= t_from_bits(entry.x)) index = entry.y;
    }
    const Light *light = section<Light>(scene, scene->lights) + index;
    u32 kind = light->kind;
    if (kind == LIGHT_SKY) return sample_sky(scene, u, v, out);
    Vec a = vec(light->a[0], light->a[1], light->a[2]);
    Vec b = vec(light->b[0], light->b[1], light->b[2]);
    Vec power = vec(light->power[0], light->power[1], light->power[2]);
    out->density = 0.0f;
    if (kind == LIGHT_SUN) {
        Vec x, y;
        frame(a, &x, &y);
        float z = t_fma(u, light->p - 1.0f, 1.0f), r = t_sqrt(t_max(t_fma(-z, z, 1.0f), 0.0f)), sine, cosine;
        t_sincos_near(T_TWO_PI * v, &sine, &cosine);
        out->direction = mad(x, r * cosine, mad(y, r * sine, a * z));
        out->distance = 1e30f;
        out->density = scene->sun_density;
        out->radiance = power * t_rcp(scene->sun_density);
        return true;
    }
    if (kind == LIGHT_DIRECTIONAL) {
        out->direction = a;
        out->distance = 1e30f;
        out->radiance = power * t_rcp(light->select);
        return true;
    }
    if (kind == LIGHT_TRIANGLE) {
        Vec c = vec(light->c[0], light->c[1], light->c[2]);
        float root = t_sqrt(u), b1 = root * (1.0f - v), b2 = root * v;
        Vec to = mad(b, b1, mad(c, b2, a)) - p;
        float d2 = dot(to, to), distance = t_sqrt(d2);
        out->direction = to * t_rcp(distance);
        out->distance = distance;
        Vec n = cross(b, c);
        float twice = t_sqrt(dot(n, n));
        // cosine * area of the triangle
        float seen = t_abs(dot(n, out->direction)) * 0.5f;
        if (!(seen > 0.0f && d2 > 0.0f && twice > 0.0f)) return false;
        out->density = t_div(light->select * d2, seen);
        if (light->triangle != NO_NODE) {
            const Attributes *at = section<Attributes>(scene, scene->attributes) + light->triangle;
            Weights w = {1.0f - b1 - b2, b1, b2};
            float uv[4];
            coordinates(scene, at, w, uv);
            power = emission(scene, section<Material>(scene, scene->materials) + at->material, uv);
        }
        out->radiance = power * t_rcp(out->density);
        return true;
    }
    Vec to = a - p;
    float d2 = t_max(dot(to, to), 1e-12f), distance = t_sqrt(d2);
    out->direction = to * t_rcp(distance);
    out->distance = distance;
    float fade = t_rcp(d2 * light->select);
    float ratio = distance * light->c[1], ratio2 = ratio * ratio;
    fade *= t_clamp(t_fma(-ratio2, ratio2, 1.0f), 0.0f, 1.0f);
    if (kind == LIGHT_SPOT) {
        float cone = t_clamp((-dot(b, out->direction) - light->p) * light->c[0], 0.0f, 1.0f);
        fade *= cone * cone;
    }
    out->radiance = power * fade;
    return fade > 0.0f;
}
