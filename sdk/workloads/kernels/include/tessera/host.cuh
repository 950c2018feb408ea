// What a kernel needs of CUDA when it is compiled as ordinary host C++: threadIdx, barriers, shuffles, shared memory, atomics.
//
// A block runs on one thread of the host. The threads of a kernel that has no barrier and no shuffle are a plain loop. Those of
// other kernels are fibers: each runs until it must wait for others, then the next one has its turn. Blocks run at the same
// time on several threads of the host, so shared memory is `static thread_local` (T_SHARED). Which kernels need fibers,
// scripts/build-host-kernels sees in their PTX. host_run.hpp runs launches.
#pragma once
#if defined(_FORTIFY_SOURCE) && _FORTIFY_SOURCE > 0
#error "compile with -U_FORTIFY_SOURCE: fibers jump between stacks"
#endif

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __shared__ static thread_local

namespace tessera_host {

struct Place {
    unsigned x = 1, y = 1, z = 1;
};

// Of the block and thread that this thread of the host is at.
static thread_local Place thread, block, threads, blocks;
alignas(16) static thread_local unsigned char dynamic_shared[48 << 10];

[[noreturn]] static inline void fail(const char *what) {
    std::fprintf(stderr, "host kernel: %s\n", what);
    std::exit(3);
}

// The threads of one block, as fibers of one thread of the host.
struct Fibers {
    static constexpr unsigned MOST = 1024, STACK = 128 << 10;
    enum Wait { READY, BLOCK, WARP, DONE };
    struct Fiber {
        jmp_buf at;
        ucontext_t start;
        std::unique_ptr<char[]> stack;
        Wait wait = DONE;
        Place place;
        unsigned mask = 0;
        // Collective operations of the warp that this lane has come to.
        unsigned arrivals = 0;
        // What it brings along, by the parity of `arrivals`: nobody can be two operations ahead.
        unsigned words[2][6];
    };
    std::vector<Fiber> fibers;
    jmp_buf scheduler;
    unsigned current = 0;
    void (*body)(void *) = nullptr;
    void *argument = nullptr;

    static Fibers *&running() {
        static thread_local Fibers *fibers = nullptr;
        return fibers;
    }

    static void loop() {
        for (;;) {
            Fibers *self = running();
            self->body(self->argument);
            self->rest(DONE);
        }
    }

    // Leaves the fiber until the scheduler comes back to it.
    void rest(Wait wait) {
        Fiber &own = fibers[current];
        own.wait = wait;
        if (!_setjmp(own.at)) _longjmp(scheduler, 1);
        thread = own.place;
    }

    bool may_go_on(unsigned index) {
        Fiber &own = fibers[index];
        if (own.wait != WARP) return own.wait == READY;
        unsigned first = index & ~31u;
        for (unsigned lane = 0; lane < 32; lane++)
            if (own.mask >> lane & 1u && (first + lane >= count || fibers[first + lane].arrivals < own.arrivals)) return false;
        return true;
    }

    void enter(unsigned index) {
        Fiber &own = fibers[index];
        current = index;
        thread = own.place;
        own.wait = READY;
        if (_setjmp(scheduler)) return;
        if (own.stack) _longjmp(own.at, 1);
        own.stack.reset(new char[STACK]);
        getcontext(&own.start);
        own.start.uc_stack.ss_sp = own.stack.get();
        own.start.uc_stack.ss_size = STACK;
        own.start.uc_link = nullptr;
        makecontext(&own.start, loop, 0);
        setcontext(&own.start);
    }

    unsigned count = 0;

    // Runs `body(argument)` once for each thread of the block.
    void run(void (*new_body)(void *), void *new_argument) {
        body = new_body;
        argument = new_argument;
        count = threads.x * threads.y * threads.z;
        if (count > MOST) fail("a block has at most 1024 threads");
        if (fibers.empty()) fibers.resize(MOST);
        for (unsigned i = 0; i < count; i++) {
            fibers[i].wait = READY;
            fibers[i].arrivals = 0;
            fibers[i].place = {i % threads.x, i / threads.x % threads.y, i / threads.x / threads.y};
        }
        running() = this;
        for (unsigned done = 0; done < count;) {
            bool moved = false;
            unsigned at_barrier = 0;
            done = 0;
            for (unsigned i = 0; i < count; i++) {
                if (may_go_on(i)) {
                    enter(i);
                    moved = true;
                }
                at_barrier += fibers[i].wait == BLOCK;
                done += fibers[i].wait == DONE;
            }
            if (at_barrier > 0 && at_barrier + done == count) {
                for (unsigned i = 0; i < count; i++)
                    if (fibers[i].wait == BLOCK) fibers[i].wait = READY;
            } else if (!moved && done < count) {
                fail("some threads wait at a barrier or a shuffle that the others never reach");
            }
        }
        running() = nullptr;
    }
};

static inline Fibers &fibers() {
    Fibers *running = Fibers::running();
    if (!running) fail("a barrier or a shuffle in a kernel that runs as a plain loop: its PTX was not up to date");
    return *running;
}

// What the lanes of the warp brought along, by lane, once all in `mask` have come here.
static inline const unsigned (*exchange(const unsigned (&mine)[6], unsigned mask = 0xffffffffu))[6] {
    Fibers &f = fibers();
    unsigned index = f.current;
    unsigned parity = ++f.fibers[index].arrivals & 1u;
    for (int i = 0; i < 6; i++) f.fibers[index].words[parity][i] = mine[i];
    f.fibers[index].mask = mask;
    if (!(mask >> (index & 31u) & 1u)) fail("a lane takes part in an operation whose mask leaves it out");
    f.fibers[index].wait = Fibers::WARP;
    if (!f.may_go_on(index)) f.rest(Fibers::WARP);
    f.fibers[index].wait = Fibers::READY;
    static thread_local unsigned all[32][6];
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1u)
            for (int i = 0; i < 6; i++) all[lane][i] = f.fibers[(index & ~31u) + lane].words[parity][i];
    return all;
}

static inline unsigned lane() { return fibers().current & 31u; }

} // namespace tessera_host

#define threadIdx (tessera_host::thread)
#define blockIdx (tessera_host::block)
#define blockDim (tessera_host::threads)
#define gridDim (tessera_host::blocks)

static inline void __syncthreads() { tessera_host::fibers().rest(tessera_host::Fibers::BLOCK); }
static inline void __syncwarp(unsigned = 0xffffffffu) {}

static inline unsigned t_host_shuffle(unsigned mask, unsigned value, unsigned source) {
    unsigned mine[6] = {value};
    const unsigned(*all)[6] = tessera_host::exchange(mine, mask);
    return source < 32u ? all[source][0] : value;
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T value, int distance) {
    static_assert(sizeof(T) == 4, "shuffles of 32 bits");
    unsigned word;
    __builtin_memcpy(&word, &value, 4);
    word = t_host_shuffle(mask, word, tessera_host::lane() ^ (unsigned)distance);
    __builtin_memcpy(&value, &word, 4);
    return value;
}
template <class T> static inline T __shfl_sync(unsigned mask, T value, int source) {
    return __shfl_xor_sync(mask, value, (int)(tessera_host::lane() ^ ((unsigned)source & 31u)));
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T value, unsigned distance) {
    unsigned lane = tessera_host::lane(), source = lane + distance;
    return __shfl_xor_sync(mask, value, source < 32u ? (int)(lane ^ source) : 0);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
    unsigned lane = tessera_host::lane();
    return __shfl_xor_sync(mask, value, lane >= distance ? (int)(lane ^ (lane - distance)) : 0);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate) {
    unsigned mine[6] = {predicate ? 1u : 0u}, votes = 0;
    const unsigned(*all)[6] = tessera_host::exchange(mine, mask);
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1u) votes |= all[lane][0] << lane;
    return votes;
}
static inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
static inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

// Integer atomics. They return nothing: the profile refuses kernels that use what an atomic returns.
template <class T> static inline void atomicAdd(T *at, T value) { __atomic_fetch_add(at, value, __ATOMIC_RELAXED); }
template <class T> static inline void atomicOr(T *at, T value) { __atomic_fetch_or(at, value, __ATOMIC_RELAXED); }
template <class T> static inline void atomicAnd(T *at, T value) { __atomic_fetch_and(at, value, __ATOMIC_RELAXED); }
template <class T> static inline void atomicXor(T *at, T value) { __atomic_fetch_xor(at, value, __ATOMIC_RELAXED); }
template <class T> static inline void atomicMin(T *at, T value) {
    T found = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (value < found && !__atomic_compare_exchange_n(at, &found, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}
template <class T> static inline void atomicMax(T *at, T value) {
    T found = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (found < value && !__atomic_compare_exchange_n(at, &found, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}
