// Measures the errors of the elementary functions of include/tessera against double precision, over all floats.
//
//   accuracy [--every N] [--threads N] [FUNCTION...]
//
// Prints one line of a Markdown table for each function. An error of 1 ulp is the distance between the two floats around the
// exact value (between denormals, 2^-149). Functions of one argument are measured at every float, or at every Nth;
// those of two at 2^28 / N random pairs and at all pairs of a list of special values.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tessera.cuh"

namespace {

// Errors of normal and of denormal results, and whether zeros, infinities and NaN came out where they belong.
struct Errors {
    double normal = 0.5, denormal = 0.5;
    float at[2] = {0, 0}, denormal_at[2] = {0, 0};
    u64 wrong = 0;
    float wrong_at[2] = {0, 0};
    bool any_nan = false;

    void take(const Errors &other) {
        if (other.normal > normal) normal = other.normal, std::memcpy(at, other.at, sizeof at);
        if (other.denormal > denormal) denormal = other.denormal, std::memcpy(denormal_at, other.denormal_at, sizeof at);
        if (other.wrong > 0 && wrong == 0) std::memcpy(wrong_at, other.wrong_at, sizeof at);
        wrong += other.wrong;
    }

    void compare(float found, double exact, float x, float y) {
        // Most are the float nearest to the exact value, and so at most half an ulp away.
        if (t_bits(found) == t_bits((float)exact)) return;
        if (exact != exact) {
            // What a single operation of a host gives for NaN has other bits than on a GPU.
            bool right = any_nan ? found != found : t_bits(found) == 0x7fffffffu;
            return right ? void() : miss(x, y);
        }
        float nearest = (float)exact;
        if (std::isinf(nearest) || nearest == 0.0f || found != found || std::isinf(found)) {
            // Beside an infinity or zero, one step is an error like any other.
            if (t_bits(found) == t_bits(nearest)) return;
            if (found != found || std::isinf(exact) || std::signbit(found) != std::signbit(exact)) return miss(x, y);
            if (exact == 0.0) return miss(x, y);
        }
        int exponent = exact == 0.0 ? -126 : std::ilogb(exact);
        bool small = exponent < -126;
        double ulp = small ? 0x1p-149 : std::ldexp(1.0, (exponent > 127 ? 127 : exponent) - 23);
        double limit = std::isinf(found) ? std::copysign(0x1p128, found) : (double)found;
        double error = std::fabs(limit - exact) / ulp;
        double &worst = small ? denormal : normal;
        if (error > worst) {
            worst = error;
            float *place = small ? denormal_at : at;
            place[0] = x;
            place[1] = y;
        }
    }

    void miss(float x, float y) {
        if (wrong++ == 0) wrong_at[0] = x, wrong_at[1] = y;
    }
};

enum Kind {
    PLAIN,
    ODD,     // f(-x) = -f(x), which is checked to the bit; the error is measured for x >= 0
    EVEN,    // f(-x) = f(x), likewise
    SINGLE,  // made of single operations alone
    PAIR     // of two arguments
};

template <class Found, class Exact> struct Function {
    const char *name;
    Kind kind;
    Found found;
    Exact exact;
};
template <class Found, class Exact> Function(const char *, Kind, Found, Exact) -> Function<Found, Exact>;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
// The square root of a tiny float is exact enough in double precision, and so is the quotient.
double rsqrt(double x) { return x < 0 ? std::numeric_limits<double>::quiet_NaN() : 1.0 / std::sqrt(x); }

template <class Use> void each_function(Use use) {
#define ONE(name, kind, reference) \
    use(Function{#name, kind, [](float x, float) { return name(x); }, [](double x, double) -> double { return reference; }});
#define TWO(name, reference) \
    use(Function{#name, PAIR, [](float x, float y) { return name(x, y); }, [](double x, double y) -> double { return reference; }});
    ONE(t_exp, PLAIN, std::exp(x))
    ONE(t_exp2, PLAIN, std::exp2(x))
    ONE(t_log, PLAIN, std::log(x))
    ONE(t_log2, PLAIN, std::log2(x))
    TWO(t_pow, std::pow(x, y))
    ONE(t_sqrt, SINGLE, std::sqrt(x))
    ONE(t_rsqrt, SINGLE, rsqrt(x))
    ONE(t_cbrt, ODD, std::cbrt(x))
    ONE(t_sin, ODD, std::sin(x))
    ONE(t_cos, EVEN, std::cos(x))
    ONE(t_tan, ODD, std::tan(x))
    ONE(t_atan, ODD, std::atan(x))
    TWO(t_atan2, std::atan2(x, y))
    ONE(t_tanh, ODD, std::tanh(x))
    ONE(t_erf, ODD, std::erf(x))
    ONE(t_sigmoid, PLAIN, sigmoid(x))
}

const float SPECIAL[] = {0.0f, 1.0f, 2.0f, 3.0f, 0.5f, 0.25f, 1.5f, 16777215.0f, 16777216.0f, 16777217.0f, 2147483648.0f, 1e-45f,
                         1e-40f, 1.17549435e-38f, 1e-30f, 1e30f, 3.40282347e38f, 0.99999994f, 1.00000012f, 88.7f, 127.5f,
                         std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 3.14159274f};

// Pairs of which many have a result in range: magnitudes for all exponents, or around 1.
void pair(bool power, u64 i, float *x, float *y) {
    Random4 r = t_philox((u32)i, (u32)(i >> 32), 0u, 0u, 1u, 2u);
    *x = t_from_bits(r.x);
    *y = t_from_bits(r.y);
    if (i & 1) {
        // Exponents that lie close together; for pow, a power that takes the result anywhere in the range.
        *y = t_from_bits((r.y & 0x807fffffu) | ((((r.x >> 23) & 0xffu) + (r.z & 31u)) % 255u << 23));
        if (power) {
            *x = t_abs(*x);
            float range = t_unit(r.z) * 300.0f - 150.0f;
            *y = (float)(range / std::log2((double)*x));
        }
    }
}

// Prints the line of a function; returns how many special cases are wrong.
template <class F> u64 measure(F f, u64 every, unsigned threads) {
    bool two = f.kind == PAIR, power = std::strcmp(f.name, "t_pow") == 0;
    auto before = std::chrono::steady_clock::now();
    Errors all;
    std::mutex lock;
    std::atomic<u64> next{0};
    bool half = f.kind == ODD || f.kind == EVEN;
    u64 count = (two ? 1ull << 28 : half ? 1ull << 31 : 1ull << 32) / every, chunk = 1ull << 18;
    auto work = [&] {
        Errors own;
        own.any_nan = f.kind == SINGLE;
        for (u64 first; (first = next.fetch_add(chunk)) < count;)
            for (u64 i = first; i < first + chunk && i < count; i++) {
                float x = t_from_bits((u32)(i * every)), y = 0.0f;
                if (two) pair(power, i, &x, &y);
                float found = f.found(x, y);
                own.compare(found, f.exact(x, y), x, y);
                if (half && found == found && t_bits(f.found(-x, y)) != (t_bits(found) ^ (f.kind == ODD ? 0x80000000u : 0u))) own.miss(-x, y);
            }
        std::lock_guard<std::mutex> guard(lock);
        all.take(own);
    };
    std::vector<std::thread> pool;
    for (unsigned i = 0; i < threads; i++) pool.emplace_back(work);
    for (std::thread &thread : pool) thread.join();
    if (two)
        for (float a : SPECIAL)
            for (float b : SPECIAL)
                for (int signs = 0; signs < 4; signs++) {
                    float x = signs & 1 ? -a : a, y = signs & 2 ? -b : b;
                    all.compare(f.found(x, y), f.exact(x, y), x, y);
                }
    std::string inputs = two ? "2^28 pairs" : "all floats";
    if (every > 1) {
        inputs = two ? "2^28 / " + std::to_string(every) + " pairs" : "one float in " + std::to_string(every);
    }
    auto place = [&](const float *at) {
        char text[64];
        std::snprintf(text, sizeof text, two ? "%.9g, %.9g" : "%.9g", at[0], at[1]);
        return std::string(text);
    };
    std::string worst = all.normal == 0.5 ? "" : place(all.at);
    std::string denormal = all.denormal == 0.5 ? "at most 0.5" : "";
    char number[32];
    std::snprintf(number, sizeof number, "%.3f", all.denormal);
    if (denormal.empty()) denormal = number;
    std::printf("| `%s` | %.3f | %s | %s | %llu | %s |\n", f.name, all.normal, worst.c_str(), denormal.c_str(), all.wrong, inputs.c_str());
    if (all.wrong) std::printf("wrong first at %s\n", place(all.wrong_at).c_str());
    std::fflush(stdout);
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    std::fprintf(stderr, "%s: %.0f s\n", f.name, seconds);
    return all.wrong;
}

} // namespace

int main(int count, char **arguments) {
    u64 every = 1;
    unsigned threads = std::thread::hardware_concurrency();
    std::vector<std::string> names;
    for (int i = 1; i < count; i++) {
        std::string argument = arguments[i];
        if (argument == "--every" && i + 1 < count) {
            every = std::strtoull(arguments[++i], nullptr, 10);
        } else if (argument == "--threads" && i + 1 < count) {
            threads = (unsigned)std::strtoul(arguments[++i], nullptr, 10);
        } else {
            names.push_back(argument);
        }
    }
    if (every == 0 || threads == 0) {
        std::fprintf(stderr, "usage: accuracy [--every N] [--threads N] [FUNCTION...], N from 1 up\n");
        return 2;
    }
    std::printf("| function | error in ulp | where | of denormal results | wrong special cases | measured at |\n| --- | --- | --- | --- | --- | --- |\n");
    u64 wrong = 0;
    each_function([&](auto f) {
        bool wanted = names.empty();
        for (const std::string &name : names) wanted |= name == f.name;
        if (wanted) wrong += measure(f, every, threads);
    });
    return wrong ? 1 : 0;
}
