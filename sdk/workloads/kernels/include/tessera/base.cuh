// Types, and single IEEE-754 and integer operations that are the same on a GPU and on a host.
#pragma once

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

#if defined(__CUDACC__)
#define T_FN static __device__ __forceinline__
#define T_KERNEL extern "C" __global__ void
// Shared memory of a block, inside a function; and that whose length the launch says.
#define T_SHARED __shared__
#define T_DYNAMIC_SHARED(type, name) extern __shared__ type name[]

T_FN float t_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
T_FN float t_sqrt(float a) { return __fsqrt_rn(a); }
T_FN float t_div(float a, float b) { return __fdiv_rn(a, b); }
T_FN float t_rcp(float a) { return __frcp_rn(a); }
// The smaller or larger operand; a NaN operand is dropped.
T_FN float t_min(float a, float b) { return fminf(a, b); }
T_FN float t_max(float a, float b) { return fmaxf(a, b); }
T_FN float t_abs(float a) { return fabsf(a); }
T_FN float t_floor(float a) { return floorf(a); }
T_FN i32 t_to_i32(float a) { return __float2int_rz(a); }
T_FN i32 t_round_i32(float a) { return __float2int_rn(a); }
// Of a NaN, conversions to 64 bits make 2^63, those to 32 bits 0.
T_FN i64 t_to_i64(float a) { return __float2ll_rz(a); }
T_FN u64 t_to_u64(float a) { return __float2ull_rz(a); }
T_FN u32 t_bits(float a) { return __float_as_uint(a); }
T_FN float t_from_bits(u32 a) { return __uint_as_float(a); }
T_FN u32 t_mul_hi(u32 a, u32 b) { return __umulhi(a, b); }
T_FN u64 t_mul_hi(u64 a, u64 b) { return __umul64hi(a, b); }
// Zero bits above the highest one: 32 or 64 where there is none.
T_FN u32 t_leading_zeros(u32 a) { return (u32)__clz((i32)a); }
T_FN u32 t_leading_zeros(u64 a) { return (u32)__clzll((i64)a); }
T_FN u32 t_reverse(u32 a) { return __brev(a); }
// All threads of the warp that have not left the kernel meet here. Changes no result.
T_FN void t_meet() { __syncwarp(); }
#else
#include "host.cuh"

#define T_FN static inline __attribute__((always_inline))
#define T_KERNEL static void
#define T_SHARED static thread_local
#define T_DYNAMIC_SHARED(type, name) type *name = (type *)tessera_host::dynamic_shared

T_FN void t_meet() {}
T_FN float t_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
T_FN float t_sqrt(float a) { return __builtin_sqrtf(a); }
T_FN float t_div(float a, float b) { return a / b; }
T_FN float t_rcp(float a) { return 1.0f / a; }
T_FN u32 t_bits(float a) { u32 u; __builtin_memcpy(&u, &a, 4); return u; }
T_FN float t_from_bits(u32 a) { float f; __builtin_memcpy(&f, &a, 4); return f; }
T_FN float t_min(float a, float b) {
    if (a != a) return b;
    return a < b || b != b || (a == b && (t_bits(a) >> 31)) ? a : b;
}
T_FN float t_max(float a, float b) {
    if (a != a) return b;
    return a > b || b != b || (a == b && !(t_bits(a) >> 31)) ? a : b;
}
T_FN float t_abs(float a) { return __builtin_fabsf(a); }
T_FN float t_floor(float a) { return __builtin_floorf(a); }
T_FN i32 t_to_i32(float a) {
    if (a != a) return 0;
    return a >= 2147483648.0f ? 0x7fffffff : a < -2147483648.0f ? -0x7fffffff - 1 : (i32)a;
}
T_FN i32 t_round_i32(float a) { return t_to_i32(__builtin_rintf(a)); }
T_FN u64 t_to_u64(float a) {
    if (a != a) return 1ull << 63;
    return a <= 0.0f ? 0ull : a >= 18446744073709551616.0f ? ~0ull : (u64)a;
}
T_FN i64 t_to_i64(float a) {
    if (a != a || a < -9223372036854775808.0f) return -0x7fffffffffffffffll - 1;
    return a >= 9223372036854775808.0f ? 0x7fffffffffffffffll : (i64)a;
}
T_FN u32 t_mul_hi(u32 a, u32 b) { return (u32)(((u64)a * b) >> 32); }
T_FN u64 t_mul_hi(u64 a, u64 b) { return (u64)(((unsigned __int128)a * b) >> 64); }
T_FN u32 t_leading_zeros(u32 a) { return a ? (u32)__builtin_clz(a) : 32u; }
T_FN u32 t_leading_zeros(u64 a) { return a ? (u32)__builtin_clzll(a) : 64u; }
T_FN u32 t_reverse(u32 a) {
    a = (a >> 16) | (a << 16);
    a = ((a & 0xff00ff00u) >> 8) | ((a & 0x00ff00ffu) << 8);
    a = ((a & 0xf0f0f0f0u) >> 4) | ((a & 0x0f0f0f0fu) << 4);
    a = ((a & 0xccccccccu) >> 2) | ((a & 0x33333333u) << 2);
    return ((a & 0xaaaaaaaau) >> 1) | ((a & 0x55555555u) << 1);
}
#endif

#define T_PI 3.14159265f
#define T_TWO_PI 6.28318531f
#define T_INV_PI 0.318309886f


T_FN float t_nan() { return t_from_bits(0x7fffffffu); }
T_FN float t_infinity() { return t_from_bits(0x7f800000u); }
T_FN float t_clamp(float x, float low, float high) { return t_min(t_max(x, low), high); }
// `a` with the sign of `sign`.
T_FN float t_with_sign(float a, float sign) { return t_from_bits((t_bits(a) & 0x7fffffffu) | (t_bits(sign) & 0x80000000u)); }
