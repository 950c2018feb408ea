// Prices of options by Monte Carlo: European calls and puts, and Asian options on the mean of a basket. A unit is one option.
//
// Every path has a twin with all its normal deviates negated. Payoffs are added in fixed point and their squares without
// rounding, so the price has the same bits whichever thread comes first.
#include "tessera.cuh"

#define ASSETS 3u

struct Option {
    u32 kind;           // 0 call, 1 put
    u32 assets;         // 1 to 3; the payoff depends on their mean
    u32 steps;          // dates over which the price is averaged; 1: the price at the end alone
    float strike, rate, years;
    float correlation;  // of any two assets
    u32 pad;
    float spot[ASSETS], volatility[ASSETS];
    u32 pad2[2];
};

struct Price {
    float price, error; // discounted mean and its standard error
    u64 pairs;
    u64 sum;            // of the payoffs, in units of 2^-24
    u64 pad;
};

T_FN float payoff(const Option *o, float mean) {
    return t_max(o->kind == 0u ? mean - o->strike : o->strike - mean, 0.0f);
}

// Each thread follows `pairs` paths and their twins. Adds to sums[0] the payoffs, to sums[1..5] the digits of their squares in
// units of 2^-40.
T_KERNEL follow(const Option *market, u64 *sums, u32 unit, u32 pairs) {
    const Option *o = market + unit;
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x;
    float dt = t_div(o->years, (float)o->steps), root = t_sqrt(dt);
    float shared = t_sqrt(o->correlation), own = t_sqrt(1.0f - o->correlation);
    float drift[ASSETS], spread[ASSETS];
    for (u32 a = 0; a < ASSETS; a++) {
        float v = o->volatility[a];
        drift[a] = t_fma(-0.5f * v, v, o->rate) * dt;
        spread[a] = v * root;
    }
    float weight = t_rcp((float)(o->assets * o->steps)), discount = t_exp(-o->rate * o->years);
    u64 sum = 0u;
    Wide squares = {0u, 0u};
    for (u32 i = 0; i < pairs; i++) {
        float up[ASSETS] = {}, down[ASSETS] = {}, mean_up = 0.0f, mean_down = 0.0f;
        for (u32 step = 0; step < o->steps; step++) {
            Random4 r = t_philox(thread * pairs + i, step, 0u, 0u, unit, 0x6f707473u);
            float z[4];
            t_normal2(r.x, r.y, &z[0], &z[1]);
            t_normal2(r.z, r.w, &z[2], &z[3]);
            for (u32 a = 0; a < ASSETS; a++) {
                if (a >= o->assets) break;
                float by = spread[a] * t_fma(shared, z[3], own * z[a]);
                up[a] += drift[a] + by;
                down[a] += drift[a] - by;
                mean_up = t_fma(o->spot[a], t_exp(up[a]), mean_up);
                mean_down = t_fma(o->spot[a], t_exp(down[a]), mean_down);
            }
        }
        float both = payoff(o, mean_up * weight) + payoff(o, mean_down * weight);
        float pay = 0.5f * discount * both;
        sum += t_fixed(pay);
        squares = t_wide_add(squares, t_wide_product(pay, pay, 40));
    }
    // One atomic a warp. Digits of 32 bits leave room for the 32 lanes.
    u64 digits[4] = {squares.low & 0xffffffffu, squares.low >> 32, squares.high & 0xffffffffu, squares.high >> 32};
    sum = t_warp_sum(sum);
    for (u32 i = 0; i < 4; i++) digits[i] = t_warp_sum(digits[i]);
    if ((threadIdx.x & 31u) == 0u) {
        atomicAdd(sums, sum);
        for (u32 i = 0; i < 4; i++) atomicAdd(sums + 1 + i, digits[i]);
    }
}

// One thread: price and error out of the sums.
T_KERNEL price(const u64 *sums, Price *out, u64 count) {
    Wide squares = t_wide_of(sums + 1);
    double n = (double)count, mean = (double)sums[0] / n * 5.9604644775390625e-8;
    double square = ((double)squares.high * 18446744073709551616.0 + (double)squares.low) / n * 9.094947017729282e-13;
    float variance = (float)((square - mean * mean) / (n - 1.0));
    out->price = (float)mean;
    out->error = t_sqrt(t_max(variance, 0.0f));
    out->pairs = count;
    out->sum = sums[0];
}
