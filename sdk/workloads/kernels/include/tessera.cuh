// Building blocks for kernels whose results have the same bits on every machine.
//
// The reproducible profile allows single IEEE-754 operations rounded to nearest even and integer arithmetic. Everything
// else that a kernel needs (exp, sin, random numbers, sums) is built here from those. Rules for a kernel that uses this:
//   * compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true; write t_fma where a fused operation is meant;
//   * never call a function of the CUDA math library;
//   * sum in fixed point (fixed.cuh) or in a fixed order (reduce.cuh): else the result depends on which thread is first.
// A NaN has the bits 0x7fffffff. Conversion of a float to an integer saturates and maps NaN to 0, or to 2^63 where the
// integer has 64 bits.
//
// The same text compiles as host C++ (g++ -std=c++17 -ffp-contract=off), whole kernels with barriers and shared memory
// included: see host.cuh. docs/kernel-library.md lists the functions and their measured errors.
#pragma once

#include "tessera/base.cuh"
#include "tessera/fixed.cuh"
#include "tessera/gemm.cuh"
#include "tessera/math.cuh"
#include "tessera/random.cuh"
#include "tessera/reduce.cuh"
#include "tessera/trig.cuh"
#include "tessera/vector.cuh"
