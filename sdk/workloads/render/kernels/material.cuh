// Records of materials and textures in the scene buffer. Mirrored by src/layout/material.rs; change both together.
#pragma once
#include "tessera.cuh"

// A texture as a material reads it. Materials name these records by index + 1; 0: none.
struct alignas(16) Texture {
    u32 first;          // texel
    u32 width, height;
    u32 flags;          // bits 0-1: wrapping along u, 2-3: along v, then the TEXTURE_ bits
    float map[2][3];    // from (u, v, 1) of the set to the texture; only read where TEXTURE_MAPPED is set
    u32 pad[2];
};
#define WRAP_REPEAT 0u
#define WRAP_CLAMP 1u
#define WRAP_MIRROR 2u
#define TEXTURE_NEAREST 16u
// Texels hold values themselves, not their square roots.
#define TEXTURE_LINEAR 32u
#define TEXTURE_SECOND_SET 64u
#define TEXTURE_MAPPED 128u

// A surface of glTF 2.0. Names ending in `_texture` are index + 1 of a Texture record whose value is multiplied to the
// number of that name. What the flags do not announce is not read.
struct alignas(16) Material {
    float base[3];
    float opacity;
    float emissive[3];
    float cutoff;         // alpha test; above 1: opacity is compared with a random number
    float metallic, roughness;
    float light_density;  // times light_scale of the scene: density over area of light samples; 0: never
    u32 flags;
    u32 base_texture, opacity_texture, surface_texture, emissive_texture;

    float mirror[3];      // reflectance of the dielectric at normal incidence, not yet cut at 1, colour but not strength
    float specular;       // its strength: reflectance at grazing angles
    u32 specular_texture, specular_color_texture, transmission_texture, normal_texture;
    float normal_scale;
    float ior, transmission;
    u32 refraction;       // place of the table for this ior, from the energies on in units of 16 bytes; 0: thin, does not refract
    float absorption[3];  // per world unit, behind the front
    float coat;
    float coat_roughness, coat_normal_scale;
    u32 coat_texture, coat_roughness_texture;
    float sheen[3];
    float sheen_roughness;
    u32 sheen_texture, sheen_roughness_texture, coat_normal_texture;
    float anisotropy;     // strength
    float anisotropy_cosine, anisotropy_sine; // of the rotation from the tangent
    u32 anisotropy_texture;
    float film;           // share of the surface that has a thin film
    float film_ior;
    float film_thin, film_thick; // nanometres where the texture is 0 and 1
    u32 film_texture;
    u32 film_thickness_texture;
    u32 stretched;        // place of the table of energies for this anisotropy
    u32 pad[2];
};
// The surface gives its base colour as light and scatters none.
#define UNLIT 2u
#define NORMAL_MAP 4u
#define SPECULAR_TEXTURES 8u
#define TRANSMISSION 16u
#define COAT 32u
#define SHEEN 64u
#define ANISOTROPY 128u
#define FILM 256u
