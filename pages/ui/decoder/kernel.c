// A decoder's arithmetic for WebAssembly SIMD. Images lie channels last; decoder.js's worker lays
// out the weights and the list of steps, so that everything here is one loop: a few rows of input,
// contiguous in memory, times a block of weights.
#include <stdint.h>
#include <wasm_simd128.h>

#define INLINE static inline __attribute__((always_inline))
#define EXPORT(name) __attribute__((export_name(name)))

// out[y, x] = leaky(bias + Σ_row Σ_k in[y + row, x, k] · weight[row, k]). Linear layers have one
// row and one pixel; a 3×3 convolution has three rows, of 3·channels numbers each; a transposed
// convolution (4×4, stride 2) is four steps, one for each parity of the output, of 2×2 taps.
typedef struct {
  const float *in, *weight, *bias;
  float *out;
  int height, width;     // output pixels of this step
  int rows, depth;       // rows of input under one output pixel, and numbers used of each
  int in_row, in_step;   // floats from one row or pixel of the input to the next
  int out_row, out_step;
  int blocks, vectors;   // output channels are blocks × vectors × 4
  float slope;           // of the LeakyReLU that follows; 1 where none does
} Step;

INLINE void tile(const Step *s, int P, int Q, const float *in, const float *weight,
                 const float *bias, float *out) {
  v128_t sum[4][8];
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int q = 0; q < Q; q++) sum[p][q] = wasm_v128_load(bias + 4 * q);
  for (int row = 0; row < s->rows; row++, in += s->in_row)
    for (int k = 0; k < s->depth; k++, weight += 4 * Q) {
      v128_t w[8];
#pragma unroll
      for (int q = 0; q < Q; q++) w[q] = wasm_v128_load(weight + 4 * q);
#pragma unroll
      for (int p = 0; p < P; p++) {
        v128_t x = wasm_v128_load32_splat(in + p * s->in_step + k);
#pragma unroll
        for (int q = 0; q < Q; q++)
          sum[p][q] = wasm_f32x4_add(sum[p][q], wasm_f32x4_mul(x, w[q]));
      }
    }
  v128_t slope = wasm_f32x4_splat(s->slope);
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int q = 0; q < Q; q++)
      wasm_v128_store(out + p * s->out_step + 4 * q,
                      wasm_f32x4_pmax(sum[p][q], wasm_f32x4_mul(sum[p][q], slope)));
}

INLINE void layer(const Step *s, int P, int Q) {
  const float *weight = s->weight, *bias = s->bias;
  for (int block = 0; block < s->blocks; block++) {
    for (int y = 0; y < s->height; y++) {
      const float *in = s->in + y * s->in_row;
      float *out = s->out + y * s->out_row + block * 4 * Q;
      for (int x = 0; x < s->width; x += P) {
        if (x + P > s->width) x = s->width - P;  // the last tile overlaps the one before it
        tile(s, P, Q, in + x * s->in_step, weight, bias, out + x * s->out_step);
      }
    }
    weight += s->rows * s->depth * 4 * Q;
    bias += 4 * Q;
  }
}

EXPORT("run") void run(const Step *step, int count) {
  for (; count--; step++) {
    int wide = step->width >= 4;
    switch (step->vectors) {
      case 1: wide ? layer(step, 4, 1) : layer(step, 1, 1); break;
      case 2: wide ? layer(step, 4, 2) : layer(step, 1, 2); break;
      case 3: wide ? layer(step, 4, 3) : layer(step, 1, 3); break;
      case 8: layer(step, 1, 8); break;
    }
  }
}

// e^x within 2e-7 of its value, for |x| ≤ 87: 2^n · e^f with |f| ≤ ln 2 / 2, and a Taylor series.
INLINE v128_t exponential(v128_t x) {
  x = wasm_f32x4_min(wasm_f32x4_max(x, wasm_f32x4_splat(-87)), wasm_f32x4_splat(87));
  v128_t n = wasm_f32x4_nearest(wasm_f32x4_mul(x, wasm_f32x4_splat(1.44269504f)));
  x = wasm_f32x4_sub(x, wasm_f32x4_mul(n, wasm_f32x4_splat(0.693359375f)));
  x = wasm_f32x4_add(x, wasm_f32x4_mul(n, wasm_f32x4_splat(2.12194440e-4f)));
  static const float series[] = {1 / 720.f, 1 / 120.f, 1 / 24.f, 1 / 6.f, 0.5f, 1, 1};
  v128_t e = wasm_f32x4_splat(1 / 5040.f);
#pragma unroll
  for (int i = 0; i < 7; i++)
    e = wasm_f32x4_add(wasm_f32x4_mul(e, x), wasm_f32x4_splat(series[i]));
  v128_t exponent = wasm_i32x4_shl(wasm_i32x4_trunc_sat_f32x4(n), 23);
  return wasm_i32x4_add(e, exponent);
}

INLINE v128_t sigmoid(v128_t r) {
  v128_t one = wasm_f32x4_splat(1);
  return wasm_f32x4_div(one, wasm_f32x4_add(one, exponential(wasm_f32x4_neg(r))));
}

// x · sigmoid(x), in place or not, of a multiple of four numbers.
EXPORT("silu") void silu(const float *in, float *out, int count) {
  for (int i = 0; i < count; i += 4) {
    v128_t x = wasm_v128_load(in + i);
    wasm_v128_store(out + i, wasm_f32x4_mul(x, sigmoid(x)));
  }
}

// The mean of a continuous Bernoulli, 1/(1 − e^−r) − 1/r; near 0 the difference loses its digits
// and the Taylor series has all of them. Logits beyond ±255 count as 255, as in the library.
INLINE v128_t continuous(v128_t r) {
  r = wasm_f32x4_min(wasm_f32x4_max(r, wasm_f32x4_splat(-255)), wasm_f32x4_splat(255));
  v128_t one = wasm_f32x4_splat(1), square = wasm_f32x4_mul(r, r);
  v128_t near = wasm_f32x4_lt(square, wasm_f32x4_splat(0.25f));
  v128_t far = wasm_f32x4_sub(
      wasm_f32x4_div(one, wasm_f32x4_sub(one, exponential(wasm_f32x4_neg(r)))),
      wasm_f32x4_div(one, r));
  v128_t t = wasm_f32x4_mul(square, wasm_f32x4_splat(1 / 30240.f));
  t = wasm_f32x4_mul(square, wasm_f32x4_add(t, wasm_f32x4_splat(-1 / 720.f)));
  t = wasm_f32x4_mul(r, wasm_f32x4_add(t, wasm_f32x4_splat(1 / 12.f)));
  return wasm_v128_bitselect(wasm_f32x4_add(t, wasm_f32x4_splat(0.5f)), far, near);
}

INLINE uint8_t byte(float v) {
  v = v * 255 + 0.5f;
  return v < 0 ? 0 : v > 255 ? 255 : v;
}

// What is drawn of the last layer's numbers: `pixels` × `step` floats, means first.
EXPORT("paint") void paint(float *last, int pixels, int step, int channels, int deviations,
                           int is_continuous, float floor, float white, uint8_t *mean,
                           uint8_t *deviation, float *raw) {
  for (int i = 0; i < pixels * step; i += 4) {
    v128_t r = wasm_v128_load(last + i);
    wasm_v128_store(last + i, is_continuous ? continuous(r) : sigmoid(r));
  }
  for (int i = 0; i < pixels; i++, last += step) {
    for (int c = 0; c < 4; c++)
      mean[4 * i + c] = c == 3 ? 255 : byte(last[channels == 3 ? c : 0]);
    if (deviations)
      for (int c = 0; c < 4; c++)
        deviation[4 * i + c] =
            c == 3 ? 255 : byte((last[channels + (channels == 3 ? c : 0)] + floor) / white);
    if (raw)
      for (int c = 0; c < channels * (1 + deviations); c++)
        raw[c * pixels + i] = last[c] + (c < channels ? 0 : floor);
  }
}
