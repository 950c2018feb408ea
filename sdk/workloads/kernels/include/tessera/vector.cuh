// Vectors of three floats, and the records of two and four words that a GPU loads at once.
#pragma once
#include "math.cuh"

struct alignas(16) Float4 { float x, y, z, w; };
struct alignas(16) Uint4 { u32 x, y, z, w; };
struct alignas(8) Uint2 { u32 x, y; };

struct Vec { float x, y, z; };

T_FN Vec vec(float x, float y, float z) { Vec r = {x, y, z}; return r; }
T_FN Vec vec(Float4 a) { return vec(a.x, a.y, a.z); }
T_FN Vec operator+(Vec a, Vec b) { return vec(a.x + b.x, a.y + b.y, a.z + b.z); }
T_FN Vec operator-(Vec a, Vec b) { return vec(a.x - b.x, a.y - b.y, a.z - b.z); }
T_FN Vec operator-(Vec a) { return vec(-a.x, -a.y, -a.z); }
T_FN Vec operator*(Vec a, Vec b) { return vec(a.x * b.x, a.y * b.y, a.z * b.z); }
T_FN Vec operator*(Vec a, float s) { return vec(a.x * s, a.y * s, a.z * s); }
T_FN Vec mad(Vec a, float s, Vec b) { return vec(t_fma(a.x, s, b.x), t_fma(a.y, s, b.y), t_fma(a.z, s, b.z)); }
T_FN Vec mad(Vec a, Vec s, Vec b) { return vec(t_fma(a.x, s.x, b.x), t_fma(a.y, s.y, b.y), t_fma(a.z, s.z, b.z)); }
T_FN float dot(Vec a, Vec b) { return t_fma(a.x, b.x, t_fma(a.y, b.y, a.z * b.z)); }
T_FN Vec normalize(Vec a) { return a * t_rsqrt(dot(a, a)); }
T_FN float largest(Vec a) { return t_max(a.x, t_max(a.y, a.z)); }
