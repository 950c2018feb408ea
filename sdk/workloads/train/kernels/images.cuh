// Layers of images. An image is rows of pixels, each with its channels side by side: [image][y][x][channel].
#pragma once
#include "layers.cuh"

// Sizes of an image.
struct Image { u32 height, width, channels; };

// The value of a pixel's channel, 0 beyond the border. `image` is the first pixel's place.
T_FN float pixel(const float *x, u32 image, Image of, i32 row, i32 column, u32 channel) {
    if (row < 0 || column < 0 || row >= (i32)of.height || column >= (i32)of.width) return 0.0f;
    return x[((u64)image + (u32)row * of.width + (u32)column) * of.channels + channel];
}

// The pixels around each, 3 x 3, as a row of `channels` times 9 values: the weights of a convolution lie in this order too.
T_KERNEL patches(const float *x, float *y, u32 pixels, u32 height, u32 width, u32 channels) {
    u32 i = index(), inner = channels * 9u;
    if (i >= pixels * inner) return;
    u32 at = i / inner, part = i % inner, in_image = at % (height * width);
    Image of = {height, width, channels};
    i32 row = (i32)(in_image / width + part % 9u / 3u) - 1, column = (i32)(in_image % width + part % 3u) - 1;
    y[i] = pixel(x, at - in_image, of, row, column, part / 9u);
}

// Its gradient: a pixel is in nine patches, added from the first to the last.
T_KERNEL patches_back(const float *dy, float *dx, u32 pixels, u32 height, u32 width, u32 channels, u32 add) {
    u32 i = index();
    if (i >= pixels * channels) return;
    u32 at = i / channels, channel = i % channels, in_image = at % (height * width);
    i32 row = (i32)(in_image / width), column = (i32)(in_image % width);
    Image of = {height, width, channels * 9u};
    float sum = 0.0f;
    for (u32 part = 0; part < 9u; part++)
        sum = sum + pixel(dy, at - in_image, of, row + 1 - (i32)(part / 3u), column + 1 - (i32)(part % 3u), channel * 9u + part);
    put(dx + i, sum, add);
}

// Which of the four values under a pooled one is the largest, the first of equal ones. Offsets are in floats.
T_FN u32 largest_of(const float *x, u32 right, u32 down) {
    u32 best = 0u;
    float most = x[0];
    for (u32 k = 1; k < 4u; k++) {
        float value = x[(k & 1u) * right + (k >> 1) * down];
        if (value > most) {
            most = value;
            best = k;
        }
    }
    return best;
}

// The first of the four values under pooled value i.
T_FN u64 under(u32 i, Image of) {
    u32 channel = i % of.channels, column = i / of.channels % (of.width / 2u);
    u32 row = i / of.channels / (of.width / 2u); // counted through all images, whose heights are even
    return ((u64)(row * 2u) * of.width + column * 2u) * of.channels + channel;
}

// 2 x 2 pixels become one: their mean, or the largest. `count` values come out; height and width are even.
T_KERNEL pool(const float *x, float *y, u32 count, u32 width, u32 channels, u32 largest) {
    u32 i = index();
    if (i >= count) return;
    Image of = {0u, width, channels};
    const float *from = x + under(i, of);
    u32 right = channels, down = width * channels;
    if (largest) {
        u32 k = largest_of(from, right, down);
        y[i] = from[(k & 1u) * right + (k >> 1) * down];
    } else {
        y[i] = (from[0] + from[right] + from[down] + from[down + right]) * 0.25f;
    }
}

T_KERNEL pool_back(const float *x, const float *dy, float *dx, u32 count, u32 width, u32 channels, u32 largest, u32 add) {
    u32 i = index();
    if (i >= count) return;
    Image of = {0u, width, channels};
    u64 at = under(i, of);
    u32 right = channels, down = width * channels, best = largest ? largest_of(x + at, right, down) : 0u;
    for (u32 k = 0; k < 4u; k++) {
        float share = largest ? (k == best ? dy[i] : 0.0f) : dy[i] * 0.25f;
        put(dx + at + (k & 1u) * right + (k >> 1) * down, share, add);
    }
}

// Images as rows of values with a channel's pixels side by side, which is the order of published weights; `back` undoes it.
T_KERNEL channels_first(const float *x, float *y, u32 count, u32 pixels, u32 channels, u32 back, u32 add) {
    u32 i = index();
    if (i >= count) return;
    u32 image = i / (pixels * channels), part = i % (pixels * channels);
    u32 at = image * pixels * channels + part % channels * pixels + part / channels;
    if (back) put(y + i, x[at], add);
    else y[at] = x[i];
}
