// The bytes of the two input buffers. Mirrored by src/layout.rs; change both together.
#pragma once
#include "material.cuh"
#include "tessera.cuh"

// Start of the frame buffer; one Camera per frame follows.
struct alignas(16) Frame {
    u32 version;          // LAYOUT_VERSION, checked by the client alone
    u32 width, height;    // pixels of a frame
    u32 tile;             // side of a tile in pixels
    u32 tiles_x, tiles_y; // tiles of a frame
    u32 samples;          // samples of a pixel
    u32 samples_per_unit; // samples of a pixel in one unit
    u32 ranges;           // sample ranges of a tile: ceil(samples / samples_per_unit)
    u32 seed_low, seed_high;
    u32 max_bounces; // surface scatterings of a path
    float clamp;     // largest indirect contribution of a sample, per channel
    float blur;      // least roughness of surfaces after the first
    u32 pad[2];
};

// Ray through (x, y) in -1..1: from `origin` along `forward + x right + y up`, or, where `parallel` is 1, from
// `origin + x right + y up` along `forward`.
struct alignas(16) Camera {
    float origin[3];
    u32 parallel;
    float right[3];
    u32 pad0;
    float up[3];
    u32 pad1;
    float forward[3];
    u32 pad2;
};

// Start of the scene buffer. Sections are given in units of 16 bytes from its start.
struct alignas(16) Scene {
    u32 nodes, triangles, attributes, materials;
    u32 textures, texels, lights, alias;
    u32 light_count;
    u32 sky;             // (sky_size + 2)^2 texels, RGB9E5, octahedral, with a border of one texel
    u32 sky_size;        // 0: black
    u32 sky_cells;       // alias table over cells_side^2 cells, or 0 where the sky is not sampled as a light
    u32 cells_side;
    float sky_select;    // probability that a light sample goes to the sky
    float epsilon;       // distance by which rays leave a surface
    float sun_density;   // density of light samples inside the sun's disc; 0: no sun
    float sun_axis[3];
    float sun_cosine;    // of the disc's angular radius
    float sun_radiance[3];
    u32 energy;          // tables of energies that every scene has, see energy.cuh
};

// Four children: their boxes by axis, then their references.
struct alignas(16) Node {
    float bounds[6][4]; // min x, max x, min y, max y, min z, max z
    u32 child[4];
};
// A child is the index of a node, or a leaf: LEAF | MASKED? | (count - 1) << 27 | first triangle.
#define LEAF 0x80000000u
#define MASKED 0x40000000u
#define LEAF_COUNT(ref) ((((ref) >> 27) & 7u) + 1u)
#define LEAF_FIRST(ref) ((ref) & 0x07ffffffu)
#define NO_NODE 0xffffffffu
// Entries of the traversal stack; the client checks that no tree needs more.
#define STACK 64

// Rows of the map from world space to (barycentric 1, barycentric 2, height over the plane).
struct alignas(16) Triangle { Float4 row[3]; };

// What shading needs of a triangle: three corner normals, three uvs, a material.
struct alignas(16) Attributes {
    float normal[9];
    float uv[6];
    u32 material;
};

struct alignas(16) Light {
    float a[3]; // triangle: corner; point, spot: position; directional, sun: direction towards the light
    u32 kind;
    float b[3]; // triangle: first edge; spot: axis
    float p;    // spot, sun: cosine of the outer angle
    float c[3]; // triangle: second edge; spot: c[0] = 1 / (cos inner - cos outer); point, spot: c[1] = 1 / range or 0
    u32 triangle; // its index, for a textured emitter, or NO_NODE
    float power[3]; // radiance, intensity or irradiance
    float select;   // probability that a light sample goes to this light
};
#define LIGHT_TRIANGLE 0u
#define LIGHT_POINT 1u
#define LIGHT_SPOT 2u
#define LIGHT_DIRECTIONAL 3u
#define LIGHT_SUN 4u
#define LIGHT_SKY 5u

struct alignas(16) SkyCell {
    float keep;    // probability to keep this cell of the alias table
    u32 alias;
    float density; // over the unit square of the octahedral map
    float alias_density;
};

template <class T> T_FN const T *section(const Scene *scene, u32 offset) {
    return (const T *)((const u8 *)scene + (u64)offset * 16u);
}
