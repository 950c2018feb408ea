// The bytes of the two input buffers. Materials: material.cuh. Mirrored by src/layout.rs; change both together.
#pragma once
#include "material.cuh"
#include "tessera.cuh"

// Start of the frame buffer. Sections are given in units of 16 bytes from its start.
struct alignas(16) Frame {
    u32 version;       // LAYOUT_VERSION, checked by the client alone
    u32 width, height; // pixels of a frame
    u32 tile;          // side of a tile in pixels
    u32 tiles_x;       // tiles across
    u32 samples_per_unit;
    u32 slices;        // moments of a frame at which the scene is posed
    u32 outputs;       // MOMENT, SURFACE
    u32 seed_low, seed_high;
    u32 max_bounces;   // surface scatterings of a path
    float blur;        // least roughness of surfaces after the first
    u32 part_count;
    u32 parts;         // Part
    u32 cameras;       // Camera: of each frame, one for each slice
    u32 lists;         // u32: numbers of tiles
};
// What a unit gives besides the picture: the sum of squares, and what is known of the surface that is seen.
#define MOMENT 1u
#define SURFACE 2u

// Units of a range of samples of some tiles of a frame: first all tiles with the first samples_per_unit, and so on.
struct alignas(16) Part {
    u32 first_unit;
    u32 number;        // of the frame; a key of its random numbers
    u32 camera;        // its first camera
    u32 tiles;         // how many
    u32 list;          // place of their numbers in the lists, or NO_NODE: all tiles of the frame
    u32 first_sample, end_sample;
    float clamp;       // largest indirect contribution of a sample, per channel
    float scale;       // of luminance before it is squared
    u32 pad[3];
};

// Ray through (x, y) in -1..1: from `origin` along `forward + x right + y up`, or, where it is parallel, from
// `origin + x right + y up` along `forward`.
struct alignas(16) Camera {
    float origin[3];
    u32 pose;      // twice the number of the scene's pose, plus 1 for parallel rays
    float right[3];
    float lens_x;  // radius of the lens over the length of `right`
    float up[3];
    float lens_y;  // and over that of `up`; 0: no lens
    float forward[3];
    float focus;   // distance along `forward` at which things are sharp
};

// A pose of the scene. The scene buffer starts with one for each; sections are given in units of 16 bytes from the pose's
// own start, and poses share what is equal.
struct alignas(16) Scene {
    u32 nodes, triangles, attributes, extras;
    u32 instances, materials, textures, texels;
    u32 lights, alias, light_count;
    u32 root;            // where rays start: a child, as in Node
    u32 sky;             // (sky_size + 2)^2 texels, RGB9E5, octahedral, with a border of one texel
    u32 sky_size;        // 0: black
    u32 sky_cells;       // alias table over cells_side^2 cells, or 0 where the sky is not sampled as a light
    u32 cells_side;
    float sky_select;    // probability that a light sample goes to the sky
    float epsilon;       // distance by which rays leave a surface
    float sun_density;   // density of light samples inside the sun's disc; 0: no sun
    float light_scale;   // light_density of materials, times this, is the density of light samples over area
    float sun_axis[3];
    float sun_cosine;    // of the disc's angular radius
    float sun_radiance[3];
    u32 energy;          // tables of energies, see energy.cuh
    u32 pad[4];
};

// Four children: their boxes by axis, then their references.
struct alignas(16) Node {
    float bounds[6][4]; // min x, max x, min y, max y, min z, max z
    u32 child[4];
};
// A child is the index of a node; or a leaf, LEAF | MASKED? | (count - 1) << 27 | first triangle; or INSTANCE | its index.
#define LEAF 0x80000000u
#define MASKED 0x40000000u
#define LEAF_COUNT(ref) ((((ref) >> 27) & 7u) + 1u)
#define LEAF_FIRST(ref) ((ref) & 0x07ffffffu)
// Leaves have at most seven triangles, so that these are none.
#define INSTANCE 0xb8000000u
#define IS_INSTANCE(ref) (((ref) & 0xf8000000u) == INSTANCE)
// Back from an instance to the world.
#define RETURN 0xf8000000u
#define NO_NODE 0xffffffffu
// Entries of the traversal stack; the client checks that no tree needs more.
#define STACK 96

// Rows of the map from the space of the mesh to (barycentric 1, barycentric 2, height over the plane).
struct alignas(16) Triangle { Float4 row[3]; };

// A mesh in its place.
struct alignas(16) Instance {
    Float4 inverse[3];   // rows of the map from the world to the mesh
    float forward[3][3]; // rows of the linear map back
    u32 root;            // node of the mesh
    u32 object;
    u32 order;           // twice its number in the pose, plus 1 where the map turns a right hand into a left hand
};

// What shading needs of a triangle.
struct alignas(16) Attributes {
    u32 normals[5]; // nine signed numbers of 16 bits by corner, lower half first; then SMOOTH_CORNERS
    u32 material;
    u32 object;
    u32 order;      // number in its mesh, whatever tree it stands in
    float uv[6];    // first set of coordinates by corner
    u32 extras;     // index + 1 of its Extras, or 0
    u32 pad;
};
// In the upper half of normals[4]: corner normals differ from the plane's.
#define SMOOTH_CORNERS 0x10000u

// What shading needs of some triangles.
struct alignas(16) Extras {
    float uv[6];      // second set of coordinates by corner
    u32 tangents[3];  // three signed numbers of 10 bits by corner, and in the upper two bits 0: none, 1: w = 1, 2: w = -1
    u32 colors[6];    // four numbers of 16 bits by corner, 65535 for 1
    u32 pad;
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

// A section of a buffer, from the record that names it.
template <class T, class From> T_FN const T *section(const From *from, u32 offset) {
    return (const T *)((const u8 *)from + (u64)offset * 16u);
}
