// What a ray meets, and how it scatters light: the surface of glTF 2.0 with its extensions.
//
// From the top: a coat, sheen, then facets under which light is absorbed, scattered, or let through. Each layer leaves to
// those below what it does not reflect towards the eye, by tables of energies (energy.cuh): white surfaces keep all light.
// No lobe is a perfect mirror: roughness has a floor.
//
// No function here is called, all are inlined: what a path holds would have to be kept through every call, and on a CPU
// that makes simple surfaces, which call nothing, take twice as long.
#pragma once
#include "layers.cuh"

// The dielectric's reflectance under its specular colour and strength.
T_FN void dielectric_base(const Scene *scene, const Hit *hit, Draft *d) {
    const Material *m = hit->material;
    d->mirror = vec(m->mirror[0], m->mirror[1], m->mirror[2]);
    d->specular = m->specular;
    if (m->flags & SPECULAR_TEXTURES) {
        if (m->specular_color_texture) d->mirror = d->mirror * read_texture(scene, m->specular_color_texture, hit->uv);
        if (m->specular_texture) d->specular *= read_texture(scene, m->specular_texture, hit->uv).x;
    }
    d->mirror = vec(t_min(d->mirror.x, 1.0f), t_min(d->mirror.y, 1.0f), t_min(d->mirror.z, 1.0f)) * d->specular;
}

// Axes along and across a stretched highlight, its roughness, its energy.
T_FN void stretch(const Scene *scene, const Hit *hit, Surface *s, Draft *d) {
    const Material *m = hit->material;
    float strength = m->anisotropy, x = m->anisotropy_cosine, y = m->anisotropy_sine;
    if (m->anisotropy_texture) {
        Vec r = read_texture(scene, m->anisotropy_texture, hit->uv);
        float u = t_fma(2.0f, r.x, -1.0f), v = t_fma(2.0f, r.y, -1.0f), turned = t_fma(x, u, -(y * v));
        y = t_fma(y, u, x * v);
        x = turned;
        strength *= r.z;
    }
    Axes a;
    if (tangent_axes(hit, &a)) {
        Vec t = mad(a.x, x, a.y * y);
        t = mad(s->axes.z, -dot(s->axes.z, t), t);
        float square = dot(t, t);
        if (square > 1e-12f) {
            s->axes.x = t * t_rsqrt(square);
            s->axes.y = cross(s->axes.z, s->axes.x);
        }
    }
    s->view = into(&s->axes, hit->out);
    float across = d->roughness * d->roughness;
    s->facets = ggx(t_fma(1.0f - across, strength * strength, across), across, s->view);
    d->energy = stretched_energy(scene, m->stretched, s->view, d->roughness);
}

// How the point scatters; `blur` is the least roughness.
T_FN void surface(const Scene *scene, const Hit *hit, float blur, Layers *layers, Surface *s) {
    const Material *m = hit->material;
    u32 flags = m->flags;
    Draft d;
    d.base = base_color(scene, hit);
    d.base = vec(t_min(d.base.x, 1.0f), t_min(d.base.y, 1.0f), t_min(d.base.z, 1.0f));
    d.metallic = m->metallic;
    d.roughness = m->roughness;
    if (m->surface_texture) {
        Vec r = read_texture(scene, m->surface_texture, hit->uv);
        d.roughness *= r.y;
        d.metallic *= r.z;
    }
    d.roughness = t_max(t_max(d.roughness, blur), LEAST_ROUGHNESS);
    dielectric_base(scene, hit, &d);
    d.front = dot(hit->plane, hit->out) >= 0.0f;
    s->facing = d.front ? hit->plane : -hit->plane;
    Vec normal = flags & NORMAL_MAP ? bent(scene, hit, m->normal_texture, m->normal_scale) : hit->normal;
    s->axes = axes(seen(hit, normal, d.front));
    s->layers = 0u;
    s->more = layers;

    if (flags & ANISOTROPY) {
        stretch(scene, hit, s, &d);
    } else {
        s->view = into(&s->axes, hit->out);
        s->view.z = t_max(s->view.z, 1e-4f);
        float alpha = d.roughness * d.roughness;
        s->facets = ggx(alpha, alpha, s->view);
        d.energy = glossy_energy(scene, s->view.z, d.roughness);
    }
    d.metal = d.base;
    if (flags & FILM) add_film(scene, hit, s->view.z, &d);
    Vec one = vec(1.0f, 1.0f, 1.0f);
    d.rise = vec(d.specular, d.specular, d.specular) - d.mirror;
    // What facets pass on to each other (Turquin 2019), dielectric and metal on their own.
    float lost = t_rcp(d.energy.x) - 1.0f;
    Vec boost = mad(d.mirror, lost, one);
    s->mirror = d.mirror * boost;
    s->rise = d.rise * boost;
    float left = 1.0f - largest(mad(s->mirror, d.energy.x, s->rise * d.energy.y));
    if (d.metallic > 0.0f) {
        boost = mad(d.metal, lost, one);
        d.metal_rise = (one - d.metal) * boost;
        d.metal = d.metal * boost;
        s->mirror = mad(d.metal - s->mirror, d.metallic, s->mirror);
        s->rise = mad(d.metal_rise - s->rise, d.metallic, s->rise);
    } else {
        d.metal = d.metal_rise = vec(0.0f, 0.0f, 0.0f);
    }
    s->diffuse = d.base * (1.0f - d.metallic);
    if (flags & TRANSMISSION) transmit(scene, hit, &d, &left, s);
    s->diffuse = s->diffuse * left;
    float scattered = largest(s->diffuse);
    // Of grazing light less comes below the facets: Schlick's weight, scaled so that the sum over all directions is 1.
    s->grazing = d.specular;
    // 1 / (1 - x / 21) as a series.
    float missing = d.specular * (1.0f / 21.0f), series = t_fma(missing, t_fma(missing, missing + 1.0f, 1.0f), 1.0f);
    s->diffuse = s->diffuse * (T_INV_PI * series);
    float specular = largest(mad(s->mirror, d.energy.x, s->rise * d.energy.y));
    if (flags & (TRANSMISSION | SHEEN | COAT)) {
        // What passes a sheet has a chance of its own, what is refracted shares that of reflection.
        float passing = 0.0f, under = 1.0f, coated = 1.0f, sheen_chance = 0.0f, coat_chance = 0.0f;
        if (flags & TRANSMISSION) passing = largest(layers->through) * d.energy.x;
        if (!(s->layers & THIN)) {
            specular += passing;
            passing = 0.0f;
        }
        if (flags & SHEEN) {
            under = add_sheen(scene, hit, blur, s);
            sheen_chance = 1.0f - under;
        }
        if (flags & COAT) {
            coated = add_coat(scene, hit, d.front, blur, s);
            coat_chance = 1.0f - coated;
            under *= coated;
            sheen_chance *= coated;
        }
        s->diffuse = s->diffuse * under;
        s->mirror = s->mirror * under;
        s->rise = s->rise * under;
        specular *= under;
        scattered *= under;
        passing *= under;
        float all = t_rcp(t_max(specular + scattered + passing + sheen_chance + coat_chance, 1e-6f));
        s->specular = specular * all;
        if (flags & TRANSMISSION) {
            layers->through = layers->through * under;
            layers->passing = passing * all;
        }
        if (flags & SHEEN) {
            layers->sheen = layers->sheen * coated;
            layers->sheen_chance = sheen_chance * all;
        }
        if (flags & COAT) layers->coat_chance = coat_chance * all;
    } else {
        s->specular = specular > 0.0f ? t_div(specular, specular + scattered) : 0.0f;
    }
}
