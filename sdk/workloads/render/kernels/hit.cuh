// The point that a ray has met, its colour and light, and frames around it.
#pragma once
#include "layout.cuh"
#include "texture.cuh"

// A point that a ray has met.
struct Hit {
    Vec at;
    Vec out;        // unit, to where the ray came from
    Vec plane;      // unit normal of the triangle's front
    Vec normal;     // interpolated, unit, on the same side as `plane`
    Float4 tangent; // interpolated, w: sign of the bitangent; zero if there is none
    float uv[4];    // two sets
    Float4 color;   // of the vertices
    const Material *material;
};

// A right-handed frame.
struct Axes { Vec x, y, z; };

// An orthonormal frame around `n` (Duff et al., Building an Orthonormal Basis, Revisited).
T_FN void frame(Vec n, Vec *t, Vec *b) {
    float sign = n.z < 0.0f ? -1.0f : 1.0f;
    float a = t_div(-1.0f, sign + n.z), c = n.x * n.y * a;
    *t = vec(t_fma(sign * n.x, n.x * a, 1.0f), sign * c, -sign * n.x);
    *b = vec(c, t_fma(n.y, n.y * a, sign), -n.y);
}

T_FN Axes axes(Vec normal) {
    Axes a;
    a.z = normal;
    frame(normal, &a.x, &a.y);
    return a;
}

T_FN Vec into(const Axes *a, Vec d) { return vec(dot(a->x, d), dot(a->y, d), dot(a->z, d)); }
T_FN Vec from(const Axes *a, Vec d) { return mad(a->x, d.x, mad(a->y, d.y, a->z * d.z)); }

T_FN Vec cross(Vec a, Vec b) {
    return vec(t_fma(a.y, b.z, -(a.z * b.y)), t_fma(a.z, b.x, -(a.x * b.z)), t_fma(a.x, b.y, -(a.y * b.x)));
}

T_FN Vec base_color(const Scene *scene, const Hit *hit) {
    const Material *m = hit->material;
    Vec base = vec(m->base[0], m->base[1], m->base[2]) * vec(hit->color);
    return m->base_texture ? base * read_texture(scene, m->base_texture, hit->uv) : base;
}

// Radiance that the point gives by itself.
T_FN Vec emitted(const Scene *scene, const Hit *hit) {
    if (hit->material->flags & UNLIT) return base_color(scene, hit);
    return emission(scene, hit->material, hit->uv);
}

// The axes of the interpolated normal and the tangent; false where there is no tangent.
T_FN bool tangent_axes(const Hit *hit, Axes *a) {
    Vec t = vec(hit->tangent);
    t = mad(hit->normal, -dot(hit->normal, t), t);
    float square = dot(t, t);
    if (!(square > 1e-12f)) return false;
    a->z = hit->normal;
    a->x = t * t_rsqrt(square);
    a->y = cross(a->z, a->x) * hit->tangent.w;
    return true;
}

// The normal that a texture of normals gives.
T_FN Vec bent(const Scene *scene, const Hit *hit, u32 texture, float scale) {
    Axes a;
    if (!tangent_axes(hit, &a)) return hit->normal;
    Vec n = mad(read_texture(scene, texture, hit->uv), 2.0f, vec(-1.0f, -1.0f, -1.0f));
    n = from(&a, vec(n.x * scale, n.y * scale, n.z));
    float square = dot(n, n);
    return square > 1e-12f ? n * t_rsqrt(square) : hit->normal;
}

// A shading normal on the side of the eye, bent towards it where it looks away: it would make the surface black.
T_FN Vec seen(const Hit *hit, Vec normal, bool front) {
    if (!front) normal = -normal;
    float cosine = dot(normal, hit->out);
    return cosine < 0.01f ? normalize(mad(hit->out, 0.01f - cosine, normal)) : normal;
}
