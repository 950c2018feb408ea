// Every function of the kernel library, so that a test can compare what a host and a CPU machine make of it. Inputs come out of
// Philox, and out of a list of values at which functions have edges.
#include "tessera.cuh"

T_FN float edge(u32 i) {
    const u32 bits[] = {0x00000000u, 0x80000000u, 0x3f800000u, 0xbf800000u, 0x7f800000u, 0xff800000u, 0x7fffffffu, 0x00000001u,
                        0x80000001u, 0x007fffffu, 0x00800000u, 0x7f7fffffu, 0xff7fffffu, 0x40000000u, 0xc0400000u, 0x3f000000u,
                        0x4b800000u, 0xcb800001u, 0x42b17218u, 0xc2cff1b5u, 0x43160000u, 0xc3160000u, 0x3f317218u, 0x40490fdbu};
    return t_from_bits(bits[i % 24u]);
}

// Numbers of all magnitudes for even i, of ordinary ones for odd i; edges first.
T_FN float number(u32 i, u32 stream) {
    if (i < 576u) return edge(stream ? i / 24u : i);
    Random4 r = t_philox(i, stream, 0u, 0u, 3u, 4u);
    return i & 1u ? (t_unit(r.x) - 0.5f) * (stream ? 200.0f : 20.0f) : t_from_bits(r.x);
}

// 32 words for each thread. Signalling NaN come in as data; none may go out.
T_KERNEL functions(u32 *out) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    float x = number(i, 0u), y = number(i, 1u), sine, cosine, near_sine, near_cosine, turned, turned_too, normal, normal_too;
    t_sincos(x, &sine, &cosine);
    t_sincos_near(t_abs(x) <= 8192.0f ? x : 0.0f, &near_sine, &near_cosine);
    t_sincos_turn(t_bits(x), &turned, &turned_too);
    t_normal2(t_bits(x), t_bits(y), &normal, &normal_too);
    Random4 r = t_philox(i, 1u, 2u, 3u, 4u, 5u);
    float sobol_x, sobol_y;
    t_sobol2(i, r.x, &sobol_x, &sobol_y);
    float root = x >= 0.0f ? x : 1.0f;
    const float values[] = {t_exp(x),       t_exp2(x),   t_log(x),           t_log2(x),  t_pow(x, y), t_sqrt(root),
                            t_rsqrt(root),  t_cbrt(x),   sine,               cosine,     t_tan(x),    t_atan(x),
                            t_atan2(x, y),  t_tanh(x),   t_erf(x),           t_sigmoid(x), near_sine, near_cosine,
                            turned,         turned_too,  normal,             normal_too, sobol_x,     sobol_y,
                            t_unit(r.y),    t_clamp(x, -1.0f, 2.0f), t_with_sign(y == y ? y : 0.0f, x)};
    for (u32 j = 0; j < 27u; j++) out[i * 32u + j] = t_bits(values[j]);
    out[i * 32u + 27u] = (u32)t_fixed(x) ^ (u32)(t_fixed(x) >> 32);
    out[i * 32u + 28u] = (u32)t_fixed_signed(x, 65536.0f);
    out[i * 32u + 29u] = (u32)(t_fixed_signed(x, 65536.0f) >> 32);
    out[i * 32u + 30u] = t_hash(r.z) ^ t_below(r.w, 1000u);
    Wide w = t_wide_product(t_clamp(x, -1e6f, 1e6f), t_clamp(y, -1e6f, 1e6f), 40);
    out[i * 32u + 31u] = t_bits(t_wide_to_float(w, 40));
}

// An exact sum of many floats by many threads: its digits and its rounded value. out[0..8] are the digits.
T_KERNEL add_up(u64 *digits) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    t_wide_add_to(digits, t_wide((t_unit(t_philox(i, 9u, 0u, 0u, 3u, 4u).x) - 0.5f) * 1e6f, 40));
}

T_KERNEL round_up(const u64 *digits, u32 *out) { out[0] = t_bits(t_wide_to_float(t_wide_of(digits), 40)); }

// Sums, minima and maxima of a warp and of a block, of floats and of integers.
T_KERNEL reductions(u64 *out) {
    T_SHARED float floats[96];
    T_SHARED u64 words[96];
    T_DYNAMIC_SHARED(i32, whole);
    u32 thread = t_thread(), i = blockIdx.x * t_threads() + thread;
    Random4 r = t_philox(i, 7u, 0u, 0u, 3u, 4u);
    float x = (t_unit(r.x) - 0.5f) * t_exp2(t_unit(r.y) * 20.0f);
    u64 word = ((u64)r.z << 20) ^ r.w;
    u64 *own = out + i * 8u;
    own[0] = t_bits(t_warp_sum(x)) | ((u64)t_bits(t_warp_max(x)) << 32);
    own[1] = t_warp_sum(word);
    own[2] = (u64)t_warp_min((i32)r.w);
    own[3] = t_bits(t_block_sum(x, floats));
    own[4] = t_bits(t_block_min(x, floats));
    own[5] = t_block_sum(word, words);
    own[6] = t_block_max(word, words);
    own[7] = (u64)t_block_min((i32)r.w, whole);
}

// Factors of 70 x 45 and 45 x 67 floats.
T_KERNEL factors(float *a, float *b, i8 *bytes_a, i8 *bytes_b) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    Random4 r = t_philox(i, 8u, 0u, 0u, 3u, 4u);
    if (i < 70u * 45u) a[i] = t_unit(r.x) - 0.5f;
    if (i < 45u * 67u) b[i] = t_unit(r.y) - 0.5f;
    if (i < 70u * 100u) bytes_a[i] = (i8)r.z;
    if (i < 67u * 100u) bytes_b[i] = (i8)(r.z >> 8);
}

T_KERNEL product(const float *a, const float *b, float *c) { t_gemm_f32(a, b, c, 70u, 67u, 45u); }

T_KERNEL product_s8(const i8 *a, const i8 *b, i32 *c) { t_gemm_s8(a, b, c, 70u, 67u, 100u); }

// Counts where the two products differ from sums in the plain order.
T_KERNEL compare(const float *a, const float *b, const float *c, const i8 *bytes_a, const i8 *bytes_b, const i32 *bytes_c, u32 *wrong) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, row = i / 67u, column = i % 67u;
    if (i >= 70u * 67u) return;
    float sum = 0.0f;
    for (u32 k = 0; k < 45u; k++) sum = t_fma(a[row * 45u + k], b[k * 67u + column], sum);
    i32 whole = 0, by_words = 0;
    for (u32 k = 0; k < 100u; k++) whole += (i32)bytes_a[row * 100u + k] * (i32)bytes_b[column * 100u + k];
    const u32 *words_a = (const u32 *)(bytes_a + row * 100u), *words_b = (const u32 *)(bytes_b + column * 100u);
    for (u32 k = 0; k < 25u; k++) by_words = t_dot4(words_a[k], words_b[k], by_words);
    atomicAdd(wrong, (t_bits(sum) != t_bits(c[i]) ? 1u : 0u) + (whole != bytes_c[i] || by_words != whole ? 65536u : 0u));
}
