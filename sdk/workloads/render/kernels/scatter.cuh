// How surfaces scatter light: how much towards a direction, and directions drawn from their lobes.
#pragma once
#include "layers.cuh"

// A direction drawn from a surface.
struct Scatter {
    Vec direction;
    Vec weight;    // scattering times cosine over the density
    float density; // over solid angle
    bool through;  // whether it leaves on the other side
};

// Probability that a refracting facet that is met under a cosine reflects; its reflectance, and what it lets through.
T_FN float reflects(const Surface *s, float cosine, Vec *reflectance, float *passed) {
    float rise = (dielectric(cosine, s->more->eta) - s->more->normal) * s->more->inverse;
    *reflectance = mad(s->rise, rise, s->mirror);
    // Nothing passes where all is reflected.
    *passed = rise < 1.0f ? t_max(t_fma(-s->more->drop, rise, s->more->passed), 0.0f) : 0.0f;
    float reflected = largest(*reflectance), other = largest(s->more->through) * *passed;
    return t_div(reflected, t_max(reflected + other, 1e-12f));
}

// Scattering times cosine towards `light`, which is in the frame of the facets; `above` says whether it is on the side of
// the eye. Adds to the density.
T_FN Vec weigh(const Surface *s, Vec light, Vec world, bool above, float *density) {
    Vec sum = vec(0.0f, 0.0f, 0.0f);
    u32 layers = s->layers;
    if (above && light.z > 0.0f) {
        sum = s->diffuse * t_fma(-light.z * s->grazing, schlick(light.z), light.z);
        float rest = 1.0f - s->specular;
        if (layers) {
            if (layers & THIN) rest -= s->more->passing;
            if (layers & SHEEN) {
                rest -= s->more->sheen_chance;
                *density += s->more->sheen_chance * (0.5f * T_INV_PI);
                sum = mad(s->more->sheen, sheen(s->view, light, s->more->sheen_alpha, s->more->sheen_lambda), sum);
            }
            if (layers & COAT) rest -= s->more->coat_chance;
            rest = t_max(rest, 0.0f);
        }
        *density = t_fma(rest * T_INV_PI, light.z, *density);
        if (s->specular > 0.0f) {
            float cosine, chance, facets = reflect(&s->facets, s->view, light, &cosine, &chance);
            Vec reflectance;
            if (layers & REFRACTION) {
                float passed;
                chance *= reflects(s, cosine, &reflectance, &passed);
            } else {
                reflectance = mad(s->rise, schlick(cosine), s->mirror);
            }
            *density = t_fma(s->specular, chance, *density);
            sum = mad(reflectance, facets, sum);
        }
    }
    if (layers && !above && light.z < 0.0f) {
        float cosine, chance;
        if (layers & THIN) {
            // A thin sheet lets light through as it would reflect it.
            float facets = reflect(&s->facets, s->view, vec(light.x, light.y, -light.z), &cosine, &chance);
            *density = t_fma(s->more->passing, chance, *density);
            sum = s->more->through * facets;
        }
        if (layers & REFRACTION) {
            float facets = refract(&s->facets, s->view, light, s->more->eta, &cosine, &chance);
            Vec reflectance;
            float passed, keeps = 1.0f - reflects(s, cosine, &reflectance, &passed);
            *density = t_fma(s->specular * keeps, chance, *density);
            sum = s->more->through * (facets * passed);
        }
    }
    if (layers & COAT) {
        Vec local = into(&s->more->coat_axes, world);
        if (above && local.z > 0.0f) {
            float cosine, chance, facets = reflect(&s->more->coat, s->more->coat_view, local, &cosine, &chance);
            *density = t_fma(s->more->coat_chance, chance, *density);
            facets *= t_fma(s->more->coat_rise, schlick(cosine), s->more->coat_mirror);
            sum = sum + vec(facets, facets, facets);
        }
    }
    return sum;
}

// Scattering times cosine towards `light` on either side, and the density with which scatter() picks that direction.
T_FN Vec evaluate(const Surface *s, Vec light, float *density) {
    *density = 0.0f;
    return weigh(s, into(&s->axes, light), light, dot(s->facing, light) > 0.0f, density);
}

// Where the mirror image of the view on a visible facet lies.
T_FN Vec mirrored(const Ggx *facets, Vec view, float sine, float cosine, float v) {
    Vec h = visible_normal(facets, view, sine, cosine, v);
    return mad(h, 2.0f * dot(view, h), -view);
}

// A direction from the facets, in their frame.
T_FN Vec scatter_facets(const Surface *s, float lobe, float sine, float cosine, float v, bool *through) {
    Vec h = visible_normal(&s->facets, s->view, sine, cosine, v);
    float vh = dot(s->view, h);
    if (s->layers & REFRACTION) {
        Vec reflectance;
        float passed, inverse = t_rcp(s->more->eta), square = t_fma(t_fma(vh, vh, -1.0f), inverse * inverse, 1.0f);
        if (lobe >= s->specular * reflects(s, vh, &reflectance, &passed) && square > 0.0f) {
            *through = true;
            return mad(h, t_fma(vh, inverse, -t_sqrt(square)), s->view * -inverse);
        }
    }
    return mad(h, 2.0f * vh, -s->view);
}

// A direction from one of the lobes that layers add, in the frame of the facets. `lobe` lies beyond those of other
// surfaces, or below zero: then the direction stays as it is.
T_FN Vec scatter_layer(const Surface *s, float lobe, float sine, float cosine, float v, Vec local, bool *through) {
    if (lobe < 0.0f) return local;
    if (s->layers & THIN) {
        if (lobe < s->more->passing) {
            local = mirrored(&s->facets, s->view, sine, cosine, v);
            *through = true;
            return vec(local.x, local.y, -local.z);
        }
        lobe -= s->more->passing;
    }
    if (s->layers & SHEEN) {
        if (lobe < s->more->sheen_chance) {
            float r = t_sqrt(v * (2.0f - v));
            return vec(r * cosine, r * sine, 1.0f - v);
        }
        lobe -= s->more->sheen_chance;
    }
    if ((s->layers & COAT) && lobe < s->more->coat_chance) {
        local = mirrored(&s->more->coat, s->more->coat_view, sine, cosine, v);
        return into(&s->axes, from(&s->more->coat_axes, local));
    }
    return local;
}

// A direction from one of the lobes; false where it carries no light.
T_FN bool scatter(const Surface *s, float lobe, float u, float v, Scatter *out) {
    float sine, cosine;
    t_sincos_near(T_TWO_PI * u, &sine, &cosine);
    Vec local;
    out->through = false;
    if (lobe < s->specular) {
        local = scatter_facets(s, lobe, sine, cosine, v, &out->through);
    } else {
        float r = t_sqrt(v);
        local = vec(r * cosine, r * sine, t_sqrt(t_max(1.0f - v, 0.0f)));
        if (s->layers & (THIN | SHEEN | COAT))
            local = scatter_layer(s, lobe - s->specular, sine, cosine, v, local, &out->through);
    }
    out->direction = from(&s->axes, local);
    // Facets that turn light to the wrong side lose it; the tables know.
    bool above = dot(s->facing, out->direction) > 0.0f;
    if (above == out->through || (out->through && local.z >= 0.0f)) return false;
    out->density = 0.0f;
    Vec gain = weigh(s, local, out->direction, above, &out->density);
    if (!(out->density > 0.0f)) return false;
    out->weight = gain * t_rcp(out->density);
    return largest(out->weight) > 0.0f;
}

// Share of light that the point scatters, roughly.
T_FN Vec albedo(const Surface *s) {
    Vec sum = mad(s->diffuse, T_PI, s->mirror);
    if (s->layers & (THIN | REFRACTION)) sum = sum + s->more->through;
    return vec(t_min(sum.x, 1.0f), t_min(sum.y, 1.0f), t_min(sum.z, 1.0f));
}
