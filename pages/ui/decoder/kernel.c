// A decoder's arithmetic for WebAssembly SIMD. vae/decoder_graph/program.py lays memory out and
// writes the list of steps; images lie channels last there, in steps of a multiple of four floats.
#include <stdint.h>
#include <wasm_simd128.h>

#define INLINE static inline __attribute__((always_inline))
#define EXPORT(name) __attribute__((export_name(name)))

// One step. Addresses and distances count floats; what the fields mean differs by kind.
typedef struct {
  int kind;        // below
  int activation;  // of what is written, with the parameters a and b
  float a, b;
  int in, other, bias, out;
  int sizes[6], in_steps[6], other_steps[6], out_steps[6];
} Step;

enum { MATRIX, GROUP_NORM, LAYER_NORM, SOFTMAX, REDUCE, RESIZE,
       COPY, ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, MINIMUM, PRELU, SCALE_SHIFT };
// As in vae/decoder_graph/operations.py; LEAKY with a slope of 1 does nothing.
enum { LEAKY, CLIP, ELU, GELU, GELU_TANH, SILU, SIGMOID, TANH, SOFTPLUS, EXP, SQRT, ERF, ABS,
       RECIPROCAL, AFFINE, HARD_SIGMOID, SQUARE };

INLINE v128_t splat(float x) { return wasm_f32x4_splat(x); }

// One instruction where the browser has relaxed SIMD, for which a module of its own is compiled.
INLINE v128_t multiply_add(v128_t x, v128_t y, v128_t sum) {
#ifdef __wasm_relaxed_simd__
  return wasm_f32x4_relaxed_madd(x, y, sum);
#else
  return wasm_f32x4_add(sum, wasm_f32x4_mul(x, y));
#endif
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

// log(1 + x) for 0 ≤ x ≤ 1, by the series of 2·artanh(x / (2 + x)).
INLINE v128_t log_of_one_and(v128_t x) {
  v128_t s = wasm_f32x4_div(x, wasm_f32x4_add(x, splat(2)));
  v128_t square = wasm_f32x4_mul(s, s), sum = splat(1 / 15.f);
#pragma unroll
  for (int n = 13; n > 0; n -= 2)
    sum = wasm_f32x4_add(wasm_f32x4_mul(sum, square), splat(1.f / n));
  return wasm_f32x4_mul(wasm_f32x4_mul(s, sum), splat(2));
}

// Within 2e-7 of its value: formula 7.1.26 of Abramowitz and Stegun.
INLINE v128_t erf4(v128_t x) {
  v128_t size = wasm_f32x4_abs(x);
  v128_t t = wasm_f32x4_div(
      splat(1), wasm_f32x4_add(splat(1), wasm_f32x4_mul(splat(0.3275911f), size)));
  static const float series[] = {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f};
  v128_t sum = splat(1.061405429f);
#pragma unroll
  for (int i = 0; i < 4; i++) sum = wasm_f32x4_add(wasm_f32x4_mul(sum, t), splat(series[i]));
  v128_t tail = exponential(wasm_f32x4_neg(wasm_f32x4_mul(size, size)));
  v128_t value = wasm_f32x4_sub(splat(1), wasm_f32x4_mul(wasm_f32x4_mul(sum, t), tail));
  return wasm_v128_or(value, wasm_v128_and(x, splat(-0.f)));
}

INLINE v128_t tanh4(v128_t x) {
  v128_t twice = sigmoid(wasm_f32x4_add(x, x));
  return wasm_f32x4_sub(wasm_f32x4_add(twice, twice), splat(1));
}

static __attribute__((noinline)) v128_t activate(v128_t x, int kind, float a, float b) {
  v128_t zero = splat(0), one = splat(1);
  v128_t positive = wasm_f32x4_gt(x, zero);
  switch (kind) {
    case LEAKY: return wasm_v128_bitselect(x, wasm_f32x4_mul(x, splat(a)), positive);
    case CLIP: return wasm_f32x4_min(wasm_f32x4_max(x, splat(a)), splat(b));
    case ELU:
      return wasm_v128_bitselect(
          x, wasm_f32x4_mul(splat(a), wasm_f32x4_sub(exponential(x), one)), positive);
    case GELU: {
      v128_t share = wasm_f32x4_add(one, erf4(wasm_f32x4_mul(x, splat(0.70710678f))));
      return wasm_f32x4_mul(wasm_f32x4_mul(x, splat(0.5f)), share);
    }
    case GELU_TANH: {
      v128_t cubic = wasm_f32x4_mul(wasm_f32x4_mul(x, x), splat(0.044715f));
      v128_t inner = wasm_f32x4_mul(x, wasm_f32x4_add(one, cubic));
      return wasm_f32x4_mul(x, sigmoid(wasm_f32x4_mul(inner, splat(1.5957691f))));
    }
    case SILU: return wasm_f32x4_mul(x, sigmoid(x));
    case SIGMOID: return sigmoid(x);
    case TANH: return tanh4(x);
    case SOFTPLUS:
      return wasm_f32x4_add(
          wasm_f32x4_max(x, zero),
          log_of_one_and(exponential(wasm_f32x4_neg(wasm_f32x4_abs(x)))));
    case EXP: return exponential(x);
    case SQRT: return wasm_f32x4_sqrt(x);
    case ERF: return erf4(x);
    case ABS: return wasm_f32x4_abs(x);
    case RECIPROCAL: return wasm_f32x4_div(one, x);
    case AFFINE: return wasm_f32x4_add(wasm_f32x4_mul(x, splat(a)), splat(b));
    case HARD_SIGMOID:
      x = wasm_f32x4_add(wasm_f32x4_mul(x, splat(a)), splat(b));
      return wasm_f32x4_min(wasm_f32x4_max(x, zero), one);
    case SQUARE: return wasm_f32x4_mul(x, x);
  }
  return x;
}

// MATRIX: out[y, x] = bias + Σ_i Σ_j Σ_k in[y, x, i, j, k] · other[i, j, k] for `blocks` blocks of
// 4·Q outputs. A linear layer has i = j = 1; a convolution has its rows in i and its columns in
// k where these lie side by side, in j otherwise; a transposed one is a step for each parity.
// sizes: height, width, i, j, k, blocks; in_steps: y, x, i, j, -, Q.
INLINE void tile(const Step *s, int P, int Q, const float *in, const float *weight,
                 const float *bias, float *out) {
  const int rows = s->sizes[2], columns = s->sizes[3], depth = s->sizes[4];
  const int in_x = s->in_steps[1], in_j = s->in_steps[3], in_i = s->in_steps[2] - columns * in_j;
  v128_t sum[4][8];
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int q = 0; q < Q; q++) sum[p][q] = wasm_v128_load(bias + 4 * q);
  for (int i = rows; i--; in += in_i)
    for (int j = columns; j--; in += in_j)
      for (int k = 0; k < depth; k++, weight += 4 * Q) {
        v128_t w[8];
#pragma unroll
        for (int q = 0; q < Q; q++) w[q] = wasm_v128_load(weight + 4 * q);
#pragma unroll
        for (int p = 0; p < P; p++) {
          v128_t x = wasm_v128_load32_splat(in + p * in_x + k);
#pragma unroll
          for (int q = 0; q < Q; q++)
            sum[p][q] = multiply_add(x, w[q], sum[p][q]);
        }
      }
  v128_t slope = splat(s->activation == LEAKY ? s->a : 1);
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int q = 0; q < Q; q++)
      wasm_v128_store(out + p * s->out_steps[1] + 4 * q,
                      wasm_f32x4_pmax(sum[p][q], wasm_f32x4_mul(sum[p][q], slope)));
}

// What is not a LeakyReLU is applied to a line of a block, which is still in the cache.
static __attribute__((noinline)) void finish(float *out, const Step *s, int Q) {
  for (int x = 0; x < s->sizes[1]; x++, out += s->out_steps[1])
    for (int q = 0; q < Q; q++)
      wasm_v128_store(out + 4 * q,
                      activate(wasm_v128_load(out + 4 * q), s->activation, s->a, s->b));
}

INLINE void matrix(float *base, const Step *s, int P, int Q) {
  const int height = s->sizes[0], width = s->sizes[1];
  const float *weight = base + s->other, *bias = base + s->bias;
  for (int block = 0; block < s->sizes[5]; block++) {
    for (int y = 0; y < height; y++) {
      const float *in = base + s->in + y * s->in_steps[0];
      float *out = base + s->out + y * s->out_steps[0] + block * 4 * Q;
      for (int x = 0; x < width; x += P) {
        if (x + P > width) x = width - P;  // the last tile overlaps the one before it
        tile(s, P, Q, in + x * s->in_steps[1], weight, bias, out + x * s->out_steps[1]);
      }
      if (s->activation != LEAKY) finish(out, s, Q);
    }
    weight += s->sizes[2] * s->sizes[3] * s->sizes[4] * 4 * Q;
    bias += 4 * Q;
  }
}

// Up to four numbers at a distance from each other; what is missing is `fill`.
INLINE v128_t some(const float *from, int step, int count, float fill) {
  if (step == 1 && count >= 4) return wasm_v128_load(from);
  if (step == 0) return wasm_v128_load32_splat(from);
  v128_t v = wasm_f32x4_replace_lane(splat(fill), 0, from[0]);
  if (count > 1) v = wasm_f32x4_replace_lane(v, 1, from[step]);
  if (count > 2) v = wasm_f32x4_replace_lane(v, 2, from[2 * step]);
  if (count > 3) v = wasm_f32x4_replace_lane(v, 3, from[3 * step]);
  return v;
}

INLINE void put(float *to, int step, int count, v128_t v) {
  if (step == 1 && count >= 4) {
    wasm_v128_store(to, v);
    return;
  }
  to[0] = wasm_f32x4_extract_lane(v, 0);
  if (count > 1) to[step] = wasm_f32x4_extract_lane(v, 1);
  if (count > 2) to[2 * step] = wasm_f32x4_extract_lane(v, 2);
  if (count > 3) to[3 * step] = wasm_f32x4_extract_lane(v, 3);
}

INLINE v128_t combine(int kind, v128_t x, v128_t y, v128_t z) {
  v128_t zero = splat(0);
  switch (kind) {
    case ADD: return wasm_f32x4_add(x, y);
    case SUBTRACT: return wasm_f32x4_sub(x, y);
    case MULTIPLY: return wasm_f32x4_mul(x, y);
    case DIVIDE: return wasm_f32x4_div(x, y);
    case MAXIMUM: return wasm_f32x4_max(x, y);
    case MINIMUM: return wasm_f32x4_min(x, y);
    case PRELU:
      return wasm_f32x4_add(wasm_f32x4_max(x, zero), wasm_f32x4_mul(y, wasm_f32x4_min(x, zero)));
    case SCALE_SHIFT: return wasm_f32x4_add(wasm_f32x4_mul(x, y), z);
  }
  return x;
}

INLINE void row(const Step *s, int kind, const float *in, const float *other, const float *bias,
                float *out) {
  const int one = s->in_steps[5], two = kind == COPY ? 1 : s->other_steps[5];
  const int to = s->out_steps[5], count = s->sizes[5];
  const int active = s->activation != LEAKY || s->a != 1;
  int i = 0;
  if (one == 1 && to == 1 && two == 1 && !active)
    for (; i + 4 <= count; i += 4)
      wasm_v128_store(out + i, combine(kind, wasm_v128_load(in + i), wasm_v128_load(other + i),
                                       kind == SCALE_SHIFT ? wasm_v128_load(bias + i) : splat(0)));
  for (; i < count; i += 4) {
    v128_t x = some(in + i * one, one, count - i, 0);
    v128_t y = kind == COPY ? x : some(other + i * two, two, count - i, 1);
    v128_t z = kind == SCALE_SHIFT ? some(bias + i * two, two, count - i, 0) : x;
    x = combine(kind, x, y, z);
    put(out + i * to, to, count - i, active ? activate(x, s->activation, s->a, s->b) : x);
  }
}

// COPY and what combines numbers one by one, along six axes; a step of 0 repeats.
INLINE void map(float *base, const Step *s, int kind) {
  const int *n = s->sizes, *i = s->in_steps, *j = s->other_steps, *o = s->out_steps;
  for (int a = 0; a < n[0]; a++)
    for (int b = 0; b < n[1]; b++)
      for (int c = 0; c < n[2]; c++)
        for (int d = 0; d < n[3]; d++)
          for (int e = 0; e < n[4]; e++) {
            int other = a * j[0] + b * j[1] + c * j[2] + d * j[3] + e * j[4];
            row(s, kind, base + s->in + a * i[0] + b * i[1] + c * i[2] + d * i[3] + e * i[4],
                base + s->other + other, base + s->bias + other,
                base + s->out + a * o[0] + b * o[1] + c * o[2] + d * o[3] + e * o[4]);
          }
}

INLINE float total(v128_t v) {
  return wasm_f32x4_extract_lane(v, 0) + wasm_f32x4_extract_lane(v, 1) +
         wasm_f32x4_extract_lane(v, 2) + wasm_f32x4_extract_lane(v, 3);
}

#define CHANNELS 8192
static float scratch[CHANNELS + 4];

// Σ (in − middle)^power of each channel, four at a time, into scratch.
INLINE void sums(float *base, const Step *s, const float *middle, int square) {
  for (int c = 0; c < s->sizes[2]; c += 4) {
    v128_t sum = splat(0), shift = middle ? wasm_v128_load(middle + c) : splat(0);
    for (int y = 0; y < s->sizes[0]; y++) {
      const float *in = base + s->in + y * s->in_steps[0] + c;
      v128_t line = splat(0);
      for (int x = 0; x < s->sizes[1]; x++, in += s->in_steps[1]) {
        v128_t v = wasm_f32x4_sub(wasm_v128_load(in), shift);
        line = wasm_f32x4_add(line, square ? wasm_f32x4_mul(v, v) : v);
      }
      sum = wasm_f32x4_add(sum, line);
    }
    wasm_v128_store(scratch + c, sum);
  }
}

INLINE void share(const Step *s, float *to, int root) {
  const int size = s->sizes[2] / s->sizes[3];
  for (int g = 0; g < s->sizes[2]; g += size) {
    double sum = 0;
    for (int c = g; c < g + size; c++) sum += scratch[c];
    sum /= (double)size * s->sizes[0] * s->sizes[1];
    if (root) sum = 1 / __builtin_sqrt(sum + *(const float *)&s->other_steps[0]);
    for (int c = g; c < g + size; c++) to[c] = sum;
  }
}

// GROUP_NORM of an image channels last. sizes: height, width, channels, groups; steps: y, x;
// other_steps[0] holds epsilon.
static void group_norm(float *base, const Step *s) {
  static float mean[CHANNELS + 4], scale[CHANNELS + 4];
  sums(base, s, 0, 0);
  share(s, mean, 0);
  sums(base, s, mean, 1);
  share(s, scale, 1);
  for (int c = 0; c < s->sizes[2]; c += 4) {
    v128_t factor = wasm_f32x4_mul(wasm_v128_load(base + s->other + c), wasm_v128_load(scale + c));
    wasm_v128_store(scale + c, factor);
  }
  const int active = s->activation != LEAKY || s->a != 1;
  for (int y = 0; y < s->sizes[0]; y++)
    for (int x = 0; x < s->sizes[1]; x++) {
      const float *in = base + s->in + y * s->in_steps[0] + x * s->in_steps[1];
      float *out = base + s->out + y * s->out_steps[0] + x * s->out_steps[1];
      for (int c = 0; c < s->sizes[2]; c += 4) {
        v128_t v = wasm_f32x4_sub(wasm_v128_load(in + c), wasm_v128_load(mean + c));
        v = wasm_f32x4_mul(v, wasm_v128_load(scale + c));
        v = wasm_f32x4_add(v, wasm_v128_load(base + s->bias + c));
        if (s->activation == SILU)
          v = wasm_f32x4_mul(v, sigmoid(v));
        else if (active)
          v = activate(v, s->activation, s->a, s->b);
        wasm_v128_store(out + c, v);
      }
    }
}

// LAYER_NORM and SOFTMAX of rows that lie side by side. sizes: rows, rows, numbers.
static void rows(float *base, const Step *s) {
  const int n = s->sizes[2];
  for (int a = 0; a < s->sizes[0]; a++)
    for (int b = 0; b < s->sizes[1]; b++) {
      const float *in = base + s->in + a * s->in_steps[0] + b * s->in_steps[1];
      float *out = base + s->out + a * s->out_steps[0] + b * s->out_steps[1];
      v128_t sum = splat(0);
      float factor, middle;
      if (s->kind == SOFTMAX) {
        v128_t most = splat(in[0]);
        for (int i = 0; i < n; i += 4)
          most = wasm_f32x4_max(most, some(in + i, 1, n - i, in[0]));
        middle = wasm_f32x4_extract_lane(most, 0);
        float others[3] = {wasm_f32x4_extract_lane(most, 1), wasm_f32x4_extract_lane(most, 2),
                           wasm_f32x4_extract_lane(most, 3)};
        for (int i = 0; i < 3; i++) middle = others[i] > middle ? others[i] : middle;
        for (int i = 0; i < n; i += 4) {
          v128_t v = exponential(wasm_f32x4_sub(some(in + i, 1, n - i, -1e30f), splat(middle)));
          sum = wasm_f32x4_add(sum, v);
          put(out + i, 1, n - i, v);
        }
        // Lanes that were missing hold e^-87, which is nothing.
        factor = 1 / total(sum);
        for (int i = 0; i < n; i++) out[i] *= factor;
      } else {
        for (int i = 0; i < n; i += 4) sum = wasm_f32x4_add(sum, some(in + i, 1, n - i, 0));
        middle = total(sum) / n;
        sum = splat(0);
        for (int i = 0; i < n; i += 4) {
          v128_t v = wasm_f32x4_sub(some(in + i, 1, n - i, middle), splat(middle));
          sum = wasm_f32x4_add(sum, wasm_f32x4_mul(v, v));
        }
        factor = 1 / __builtin_sqrtf(total(sum) / n + *(const float *)&s->other_steps[0]);
        for (int i = 0; i < n; i += 4) {
          v128_t v = wasm_f32x4_sub(some(in + i, 1, n - i, 0), splat(middle));
          v = wasm_f32x4_mul(wasm_f32x4_mul(v, splat(factor)),
                             wasm_v128_load(base + s->other + i));
          v = wasm_f32x4_add(v, wasm_v128_load(base + s->bias + i));
          put(out + i, 1, n - i, activate(v, s->activation, s->a, s->b));
        }
      }
    }
}

// REDUCE: what is kept along three axes, what is added up (or compared) along three more.
// other_steps: 0 for a sum, 1 for a mean, 2 for the largest.
static void reduce(float *base, const Step *s) {
  const int *n = s->sizes, *i = s->in_steps, *o = s->out_steps;
  for (int a = 0; a < n[0]; a++)
    for (int b = 0; b < n[1]; b++)
      for (int c = 0; c < n[2]; c++) {
        const float *in = base + s->in + a * i[0] + b * i[1] + c * i[2];
        float most = *in;
        double sum = 0;
        for (int d = 0; d < n[3]; d++)
          for (int e = 0; e < n[4]; e++)
            for (int f = 0; f < n[5]; f++) {
              float v = in[d * i[3] + e * i[4] + f * i[5]];
              sum += v;
              most = v > most ? v : most;
            }
        if (s->other_steps[0] == 1) sum /= (double)n[3] * n[4] * n[5];
        base[s->out + a * o[0] + b * o[1] + c * o[2]] = s->other_steps[0] == 2 ? most : sum;
      }
}

// RESIZE: mixes two rows and two columns, as the tables `other` and `bias` say for each row and
// column: the first's number, the second's, and the second's share.
static void resize(float *base, const Step *s) {
  const int height = s->sizes[0], width = s->sizes[1];
  const float *rows = base + s->other, *columns = base + s->bias;
  for (int y = 0; y < height; y++) {
    const float *above = base + s->in + (int)rows[y] * s->in_steps[0];
    const float *below = base + s->in + (int)rows[height + y] * s->in_steps[0];
    v128_t down = splat(rows[2 * height + y]);
    for (int x = 0; x < width; x++) {
      int left = (int)columns[x] * s->in_steps[1], right = (int)columns[width + x] * s->in_steps[1];
      v128_t across = splat(columns[2 * width + x]);
      float *out = base + s->out + y * s->out_steps[0] + x * s->out_steps[1];
      for (int c = 0; c < s->sizes[2]; c += 4) {
        v128_t corner[2];
#pragma unroll
        for (int k = 0; k < 2; k++) {
          v128_t one = wasm_v128_load((k ? below : above) + left + c);
          v128_t two = wasm_v128_load((k ? below : above) + right + c);
          corner[k] = wasm_f32x4_add(one, wasm_f32x4_mul(wasm_f32x4_sub(two, one), across));
        }
        v128_t between = wasm_f32x4_mul(wasm_f32x4_sub(corner[1], corner[0]), down);
        wasm_v128_store(out + c, wasm_f32x4_add(corner[0], between));
      }
    }
  }
}

EXPORT("run") void run(float *base, const Step *s, int count) {
  for (; count--; s++) {
    int wide = s->sizes[1] >= 4;
    switch (s->kind) {
      case MATRIX:
        switch (s->in_steps[5]) {
          case 1: wide ? matrix(base, s, 4, 1) : matrix(base, s, 1, 1); break;
          case 2: wide ? matrix(base, s, 4, 2) : matrix(base, s, 1, 2); break;
          case 3: wide ? matrix(base, s, 4, 3) : matrix(base, s, 1, 3); break;
          case 8: matrix(base, s, 1, 8); break;
        }
        break;
      case GROUP_NORM: group_norm(base, s); break;
      case LAYER_NORM: case SOFTMAX: rows(base, s); break;
      case REDUCE: reduce(base, s); break;
      case RESIZE: resize(base, s); break;
      case COPY: map(base, s, COPY); break;
      case ADD: map(base, s, ADD); break;
      case SUBTRACT: map(base, s, SUBTRACT); break;
      case MULTIPLY: map(base, s, MULTIPLY); break;
      case DIVIDE: map(base, s, DIVIDE); break;
      case MAXIMUM: map(base, s, MAXIMUM); break;
      case MINIMUM: map(base, s, MINIMUM); break;
      case PRELU: map(base, s, PRELU); break;
      case SCALE_SHIFT: map(base, s, SCALE_SHIFT); break;
    }
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

// What is drawn of the last layer's `count` numbers: means first, then deviations. Channels and
// pixels are `channel` and `pixel` floats apart. rule: 0 sigmoid, 1 continuous Bernoulli, 2 as is.
EXPORT("paint") void paint(float *last, int count, int pixels, int pixel, int channel,
                           int channels, int deviations, int rule, float floor, float white,
                           uint8_t *mean, uint8_t *deviation, float *raw) {
  for (int i = 0; rule < 2 && i < count; i += 4) {
    v128_t r = wasm_v128_load(last + i);
    wasm_v128_store(last + i, rule ? continuous(r) : sigmoid(r));
  }
  for (int i = 0; i < pixels; i++, last += pixel) {
    for (int c = 0; c < 4; c++)
      mean[4 * i + c] = c == 3 ? 255 : byte(last[channels == 3 ? c * channel : 0]);
    if (deviations)
      for (int c = 0; c < 4; c++) {
        float v = last[(channels + (channels == 3 ? c % 3 : 0)) * channel] + floor;
        deviation[4 * i + c] = c == 3 ? 255 : byte(v / white);
      }
    if (raw)
      for (int c = 0; c < channels * (1 + deviations); c++)
        raw[c * pixels + i] = last[c * channel] + (c < channels ? 0 : floor);
  }
}
