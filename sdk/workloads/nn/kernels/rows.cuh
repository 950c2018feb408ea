// Rows: what a launch works on. A row is one token of one text; texts are packed one behind the other, without padding, so that
// what becomes of a row depends on its own text alone.
#pragma once
#include "tessera.cuh"

// Four floats that are loaded together.
struct alignas(16) Four { float x, y, z, w; };

T_FN Four load4(const float *from) { return *(const Four *)from; }

// One token. `source` is the row of the residual stream that belongs to it.
struct alignas(16) Row { u32 token, position, sequence, source; };

// One text of a unit: its first row, and its number of tokens; 0 where the last unit has no text.
struct alignas(8) Sequence { u32 first, length; };

// The rows at work: four words, and a Row for each.
#define ROW_COUNT 0u
#define UNIT 1u

T_FN Row row_at(const u32 *rows, u32 i) { return ((const Row *)rows)[1u + i]; }
T_FN void set_row(u32 *rows, u32 i, Row row) { ((Row *)rows)[1u + i] = row; }

// Words before the units of the input that holds the texts: the number of tokens that end an answer, and these.
#define HEAD_WORDS 16u

// Threads that share a row.
#define ROW_THREADS 64u

// The sum over the threads that share a row: one chain, from thread 0 up. `scratch` is shared memory of ROW_THREADS floats. All
// threads of the block must come here, and may use `scratch` again at once.
T_FN float row_sum(float value, float *scratch) {
    scratch[threadIdx.x] = value;
    __syncthreads();
    float sum = scratch[0];
    for (u32 i = 1; i < ROW_THREADS; i++) sum = sum + scratch[i];
    __syncthreads();
    return sum;
}
