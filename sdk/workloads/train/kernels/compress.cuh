// Compressed vectors: blocks of values, each in a slot of fixed length: all of them in a few bits, or only the largest ones by magnitude.
//
// All values: the first word holds the step (the upper half of a float); the others hold values of `bits` bits, as many as are whole,
// the lowest of a word first: numbers of steps in two's complement, each of which means the middle of its step.
//
// The largest ones: the first word holds the step and the number of entries; bits follow,
// the lowest of a word first. An entry is the gap to the entry before it, in Rice's code (as many zeros as it has whole 2^rice, a one,
// then `rice` bits), one bit for the sign, and `bits` - 1 bits for the magnitude less 1, in steps. Whatever the bits of a slot are, they
// decode to finite values that are not above LARGEST steps' worth, and to no place outside the block.
#pragma once
#include "steps.cuh"

// Threads that look for the largest values of a block.
#define SELECT_THREADS 64u
// No value that is sent is larger.
#define LARGEST 65536.0f

// What select found in a block: entries are what lies above `threshold` by its bits, and the first `ties` values of exactly that.
struct alignas(16) Selected { u32 threshold, ties, step, count; };

T_FN u32 magnitude(float x) { return t_bits(x) & 0x7fffffffu; }

// A value that may be sent: 0 in place of NaN, and none too large.
T_FN float tame(float x) { return x == x ? t_clamp(x, -LARGEST, LARGEST) : 0.0f; }

T_FN u32 count_from(const float *x, u32 count, u32 least, u32 *scratch) {
    u32 sum = 0;
    for (u32 i = threadIdx.x; i < count; i += SELECT_THREADS) sum += magnitude(x[i]) >= least ? 1u : 0u;
    return t_block_sum(sum, scratch);
}

// The `most` largest magnitudes of a block that are not zero, the first ones of equal ones. Steps are such that the largest value is the
// most that the bits say; with one bit the mean is the step.
T_KERNEL select(const float *x, Selected *selected, u32 total, u32 len, u32 most, u32 bits) {
    T_SHARED u32 scratch[SELECT_THREADS];
    u32 first = blockIdx.x * len, count = first + len <= total ? len : total - first;
    x += first;
    // The highest threshold that enough values reach, and at least 1: zeros are no entries.
    u32 threshold = 0u;
    for (u32 bit = 0x40000000u; bit > 0u; bit >>= 1)
        if (count_from(x, count, threshold | bit, scratch) >= most) threshold |= bit;
    if (threshold == 0u) threshold = 1u;
    u32 above = count_from(x, count, threshold + 1u, scratch), reached = count_from(x, count, threshold, scratch);
    if (threadIdx.x != 0u) return;
    u32 entries = reached < most ? reached : most;
    Selected of = {threshold, entries - above, 0u, entries};
    float largest = 0.0f, sum = 0.0f;
    u32 ties = of.ties;
    for (u32 i = 0; i < count; i++) {
        u32 m = magnitude(x[i]);
        if (m < threshold || (m == threshold && ties == 0u)) continue;
        if (m == threshold) ties--;
        float a = t_abs(x[i]);
        largest = t_max(largest, a);
        sum = sum + a;
    }
    float step = bits == 1u ? (entries ? t_div(sum, (float)entries) : 0.0f) : t_div(largest, (float)(1u << (bits - 1u)));
    // To the next number that half a float holds, so that no value is beyond the last step.
    of.step = (t_bits(step) + 0xffffu) & 0xffff0000u;
    selected[blockIdx.x] = of;
}

// Bits that are written one behind the other into words that are zero.
struct Writer {
    u32 *words;
    u64 held;
    u32 count;
    T_FN void put(Writer &to, u32 value, u32 bits) {
        to.held |= (u64)value << to.count;
        to.count += bits;
        if (to.count >= 32u) {
            *to.words++ = (u32)to.held;
            to.held >>= 32;
            to.count -= 32u;
        }
    }
    T_FN void flush(Writer &to) {
        if (to.count) *to.words = (u32)to.held;
    }
};

// Writes the slots; one thread a block. Values go to a step above or below by chance, in proportion. What was sent is taken away from x.
T_KERNEL encode(float *x, const Selected *selected, u32 *slots, u32 total, u32 len, u32 slot, u32 rice, u32 bits, u32 unit, u32 round,
                u32 purpose, u32 seed_low, u32 seed_high) {
    u32 block = index(), first = block * len;
    if (first >= total) return;
    u32 count = first + len <= total ? len : total - first, levels = 1u << (bits - 1u);
    Selected of = selected[block];
    u32 *to = slots + (u64)block * slot, ties = of.ties, next = 0u;
    to[0] = of.step | of.count;
    Writer writer = {to + 1, 0ull, 0u};
    float step = t_from_bits(of.step);
    for (u32 i = 0; i < count; i++) {
        float value = x[first + i];
        u32 m = magnitude(value);
        if (m < of.threshold || (m == of.threshold && ties == 0u)) continue;
        if (m == of.threshold) ties--;
        u32 gap = i - next, negative = t_bits(value) >> 31, level = 1u;
        next = i + 1u;
        for (u32 zeros = gap >> rice; zeros > 0u; zeros--) Writer::put(writer, 0u, 1u);
        Writer::put(writer, 1u | (gap & ((1u << rice) - 1u)) << 1, rice + 1u);
        if (bits > 1u) {
            Random4 r = t_philox(first + i, unit, round, purpose, seed_low, seed_high);
            i32 near = t_to_i32(t_div(t_abs(value), step) + t_unit(r.x));
            level = near < 1 ? 1u : (u32)near > levels ? levels : (u32)near;
        }
        Writer::put(writer, negative | (level - 1u) << 1, bits);
        float sent = (float)level * step;
        x[first + i] = value - (negative ? -sent : sent);
    }
    Writer::flush(writer);
}

// Bits that are read one behind the other; beyond the last word there are zeros.
struct Reader {
    const u32 *words, *end;
    u64 held;
    u32 count;
    T_FN u32 take(Reader &from, u32 bits) {
        if (from.count < bits) {
            from.held |= (u64)(from.words < from.end ? *from.words : 0u) << from.count;
            if (from.words < from.end) from.words++;
            from.count += 32u;
        }
        u32 value = (u32)(from.held & ((1ull << bits) - 1ull));
        from.held >>= bits;
        from.count -= bits;
        return value;
    }
};

T_FN u32 blocks_of(u32 total, u32 len) { return (total + len - 1u) / len; }

// Adds to a parameter that has its turn; `all` is how many there are.
T_FN void add_chosen(float *y, Subset of, u32 all, u32 j, float value) {
    u32 i = chosen(of, j);
    if (i < all) y[i] = y[i] + value;
}

// Of vectors that lie one behind the other, each of a round of its own from `round` on, the three below add number `nth`.

// Adds what the slots say to the parameters that have their turn; one thread a block.
T_KERNEL decode(const u32 *slots, float *y, u32 total, u32 all, u32 part, u32 round, u32 key, u32 nth, u32 len, u32 slot, u32 most,
                u32 rice, u32 bits) {
    u32 block = index(), first = block * len;
    if (first >= total) return;
    u32 count = first + len <= total ? len : total - first;
    const u32 *from = slots + ((u64)nth * blocks_of(total, len) + block) * slot;
    float step = tame(t_from_bits(from[0] & 0xffff0000u));
    u32 entries = from[0] & 0xffffu, at = 0u;
    Reader reader = {from + 1, from + slot, 0ull, 0u};
    for (u32 entry = 0; entry < entries && entry < most; entry++) {
        u32 zeros = 0u;
        while (zeros <= len >> rice && Reader::take(reader, 1u) == 0u) zeros++;
        at += (zeros << rice) + Reader::take(reader, rice);
        if (at >= count) return;
        u32 code = Reader::take(reader, bits);
        float value = tame((float)((code >> 1) + 1u) * step);
        add_chosen(y, {part, round + nth, key}, all, first + at, code & 1u ? -value : value);
        at++;
    }
}

// A vector that is not compressed: all of it is sent, nothing is left.
T_KERNEL take(float *x, float *y, u32 count) {
    u32 i = index();
    if (i >= count) return;
    y[i] = x[i];
    x[i] = 0.0f;
}

// Adds such a vector.
T_KERNEL add_dense(const float *x, float *y, u32 total, u32 all, u32 part, u32 round, u32 key, u32 nth) {
    u32 j = index();
    if (j < total) add_chosen(y, {part, round + nth, key}, all, j, tame(x[(u64)nth * total + j]));
}

// Steps for values that are normally distributed, as parts of their deviation: those whose middles lie nearest to the values (Max,
// Quantizing for Minimum Distortion, 1960).
T_FN float best_step(u32 bits) {
    if (bits == 1u) return 1.596f;
    if (bits == 2u) return 0.9957f;
    if (bits == 3u) return 0.586f;
    if (bits == 4u) return 0.3352f;
    if (bits == 5u) return 0.1881f;
    if (bits == 6u) return 0.1041f;
    return bits == 7u ? 0.0569f : 0.0308f;
}

// The step of each block whose values are all sent. One thread a block.
T_KERNEL measure(const float *x, u32 *slots, u32 total, u32 len, u32 slot, u32 bits) {
    u32 block = index(), first = block * len;
    if (first >= total) return;
    u32 count = first + len <= total ? len : total - first;
    float sum = 0.0f;
    for (u32 i = first; i < first + count; i++) sum = t_fma(x[i], x[i], sum);
    float step = t_sqrt(t_div(sum, (float)count)) * best_step(bits);
    slots[(u64)block * slot] = (t_bits(step) + 0xffffu) & 0xffff0000u;
}

// Writes the values of a word; a thread for each word behind the first of its slot. A value that is 0 goes to either side by chance.
// What was sent is taken away from x.
T_KERNEL encode_all(float *x, u32 *slots, u32 total, u32 len, u32 slot, u32 bits, u32 unit, u32 round, u32 purpose, u32 seed_low,
                    u32 seed_high) {
    u32 word = index() % (slot - 1u), block = index() / (slot - 1u), each = 32u / bits, code = 0u;
    u32 first = block * len + word * each, end = block * len + len < total ? block * len + len : total;
    if (block * len >= total) return;
    float step = t_from_bits(slots[(u64)block * slot]), half = (float)(1u << (bits - 1u));
    for (u32 k = 0; k < each && first + k < end; k++) {
        float value = x[first + k], steps = 0.0f;
        if (value == 0.0f) steps = t_philox(first + k, unit, round, purpose, seed_low, seed_high).x >> 31 ? -1.0f : 0.0f;
        else if (step > 0.0f) steps = t_clamp(t_floor(t_div(value, step)), -half, half - 1.0f);
        code |= ((u32)t_to_i32(steps) & ((1u << bits) - 1u)) << (k * bits);
        x[first + k] = value - (steps + 0.5f) * step;
    }
    slots[(u64)block * slot + 1u + word] = code;
}

// Adds what such slots say; a thread for each value.
T_KERNEL decode_all(const u32 *slots, float *y, u32 total, u32 all, u32 part, u32 round, u32 key, u32 nth, u32 len, u32 slot,
                    u32 bits) {
    u32 j = index(), each = 32u / bits;
    if (j >= total) return;
    const u32 *from = slots + ((u64)nth * blocks_of(total, len) + j / len) * slot;
    float step = tame(t_from_bits(from[0] & 0xffff0000u));
    u32 place = j % len, code = from[1u + place / each] >> (place % each * bits) & ((1u << bits) - 1u);
    // The sign is the highest bit.
    i32 steps = (i32)(code << (32u - bits)) >> (32u - bits);
    add_chosen(y, {part, round + nth, key}, all, j, tame(((float)steps + 0.5f) * step));
}

// How far the parameters that have their turn have come.
T_KERNEL difference(const float *weights, const float *start, float *y, u32 count, u32 total, u32 part, u32 round, u32 key) {
    u32 j = index(), i = chosen({part, round, key}, j);
    if (j < count) y[j] = i < total ? tame(weights[i] - start[i]) : 0.0f;
}
