// Matrix products. Each element of a float product is one chain of fused multiply-adds over k, from 0 up, whatever the
// tiling; products of bytes are exact.
#pragma once
#include "base.cuh"

// c + the sum of the four products of the signed bytes of a and b, modulo 2^32.
T_FN i32 t_dot4(u32 a, u32 b, i32 c) {
#if defined(__CUDACC__)
    return __dp4a((i32)a, (i32)b, c);
#else
    u32 sum = (u32)c;
    for (int i = 0; i < 32; i += 8) sum += (u32)((i32)(i8)(a >> i) * (i32)(i8)(b >> i));
    return (i32)sum;
#endif
}

// One tensor-core step of a warp: c += a b for 16 x 32 bytes of a and 32 x 8 of b, held by the lanes as the PTX instruction
// mma.sync.m16n8k32 says. All 32 lanes must come here together.
T_FN void t_mma_s8(i32 *c, const u32 *a, const u32 *b) {
#if defined(__CUDACC__)
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    u32 mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    const u32(*all)[6] = tessera_host::exchange(mine);
    u32 group = (threadIdx.x & 31u) >> 2, in_group = threadIdx.x & 3u;
    for (u32 i = 0; i < 4; i++) {
        u32 row = group, column = in_group * 2u + (i & 1u), upper = i >> 1;
        for (u32 word = 0; word < 4; word++) {
            const u32 *of_a = all[row * 4u + word], *of_b = all[column * 4u + word];
            c[i] = t_dot4(of_a[upper], of_b[4], c[i]);
            c[i] = t_dot4(of_a[upper + 2u], of_b[5], c[i]);
        }
    }
#endif
}

// Rows and columns of a product that a block computes, and how far it goes along k between two barriers.
#define T_GEMM_TILE 64u
#define T_GEMM_STEP 16u
// Threads of a block of t_gemm_f32.
#define T_GEMM_THREADS 256u

// c = a b for row-major floats: a is m x k, b is k x n. Blocks of 256 threads in x, a grid of ceil(n / 64) x ceil(m / 64); all
// threads must come here. Each thread computes 4 x 4 elements from registers.
T_FN void t_gemm_f32(const float *a, const float *b, float *c, u32 m, u32 n, u32 k) {
    T_SHARED float tile_a[T_GEMM_STEP][T_GEMM_TILE + 4u];
    T_SHARED float tile_b[T_GEMM_STEP][T_GEMM_TILE];
    u32 row0 = blockIdx.y * T_GEMM_TILE, column0 = blockIdx.x * T_GEMM_TILE;
    u32 thread = threadIdx.x, y = (thread >> 4) * 4u, x = (thread & 15u) * 4u;
    float sum[4][4] = {};
    for (u32 k0 = 0; k0 < k; k0 += T_GEMM_STEP) {
        for (u32 i = thread; i < T_GEMM_TILE * T_GEMM_STEP; i += T_GEMM_THREADS) {
            u32 row = row0 + i / T_GEMM_STEP, of_k = k0 + i % T_GEMM_STEP;
            tile_a[i % T_GEMM_STEP][i / T_GEMM_STEP] = row < m && of_k < k ? a[(u64)row * k + of_k] : 0.0f;
            u32 column = column0 + i % T_GEMM_TILE;
            of_k = k0 + i / T_GEMM_TILE;
            tile_b[i / T_GEMM_TILE][i % T_GEMM_TILE] = column < n && of_k < k ? b[(u64)of_k * n + column] : 0.0f;
        }
        __syncthreads();
        // Not beyond k: adding 0 * 0 would turn a sum of -0 into 0.
        u32 steps = k - k0 < T_GEMM_STEP ? k - k0 : T_GEMM_STEP;
        for (u32 s = 0; s < steps; s++) {
            float of_a[4], of_b[4];
            for (u32 i = 0; i < 4; i++) {
                of_a[i] = tile_a[s][y + i];
                of_b[i] = tile_b[s][x + i];
            }
            for (u32 i = 0; i < 4; i++)
                for (u32 j = 0; j < 4; j++) sum[i][j] = t_fma(of_a[i], of_b[j], sum[i][j]);
        }
        __syncthreads();
    }
    for (u32 i = 0; i < 4; i++)
        for (u32 j = 0; j < 4; j++)
            if (row0 + y + i < m && column0 + x + j < n) c[(u64)(row0 + y + i) * n + column0 + x + j] = sum[i][j];
}

// Threads of a block of t_gemm_s8.
#define T_GEMM_S8_THREADS 128u

// c = a b^T for signed bytes, exact modulo 2^32 (always below k = 131,072): a is m x k, b is n x k, both by rows, k a multiple of
// 4 and rows aligned to 4 bytes; c is m x n. Blocks of 128 threads in x, a grid of ceil(n / 64) x ceil(m / 64); all threads
// must come here. Each warp computes 16 x 64 elements on tensor cores.
T_FN void t_gemm_s8(const i8 *a, const i8 *b, i32 *c, u32 m, u32 n, u32 k) {
    // Rows of 8 words and one of padding, against bank conflicts.
    T_SHARED u32 tile_a[T_GEMM_TILE][9];
    T_SHARED u32 tile_b[T_GEMM_TILE][9];
    u32 row0 = blockIdx.y * T_GEMM_TILE, column0 = blockIdx.x * T_GEMM_TILE;
    u32 thread = threadIdx.x, warp = thread >> 5, group = (thread & 31u) >> 2, in_group = thread & 3u;
    u32 words = k >> 2;
    const u32 *words_a = (const u32 *)a, *words_b = (const u32 *)b;
    i32 sum[8][4] = {};
    for (u32 w0 = 0; w0 < words; w0 += 8u) {
        for (u32 i = thread; i < T_GEMM_TILE * 8u; i += T_GEMM_S8_THREADS) {
            u32 line = i >> 3, word = w0 + (i & 7u), row = row0 + line, column = column0 + line;
            tile_a[line][i & 7u] = row < m && word < words ? words_a[(u64)row * words + word] : 0u;
            tile_b[line][i & 7u] = column < n && word < words ? words_b[(u64)column * words + word] : 0u;
        }
        __syncthreads();
        u32 y = warp * 16u + group;
        u32 of_a[4] = {tile_a[y][in_group], tile_a[y + 8u][in_group], tile_a[y][in_group + 4u], tile_a[y + 8u][in_group + 4u]};
        for (u32 part = 0; part < 8u; part++) {
            u32 x = part * 8u + group;
            u32 of_b[2] = {tile_b[x][in_group], tile_b[x][in_group + 4u]};
            t_mma_s8(sum[part], of_a, of_b);
        }
        __syncthreads();
    }
    for (u32 part = 0; part < 8u; part++)
        for (u32 i = 0; i < 4u; i++) {
            u32 row = row0 + warp * 16u + group + (i >> 1) * 8u, column = column0 + part * 8u + in_group * 2u + (i & 1u);
            if (row < m && column < n) c[(u64)row * n + column] = sum[part][i];
        }
}
