// z(θ) = z0 + Σ w_k(θ) v_k: where a place of the sliders lies in the latent space.

const ALMOST = 1e-6 // radians from parallel or opposite, where a rotation has no plane

// With a level, bases and vectors are noise of that level, which the flow turns into codes: what
// is added up gets the length that noise has. The numbers are those of `vae.likely_codes`.

const norm = (v) => Math.sqrt(v.reduce((sum, value) => sum + value * value, 0))

// From a to b: the direction turns evenly, the norm changes linearly; a straight line where the
// ends are parallel, opposite or zero. The numbers are those of `vae.latent.slerp`.
export function arc(a, b, t) {
  if (t === 0 || t === 1) return Float32Array.from(t ? b : a)
  const [na, nb] = [norm(a), norm(b)]
  const line = () => Float32Array.from(a, (v, i) => (1 - t) * v + t * b[i])
  if (Math.min(na, nb) === 0) return line()
  const u = a.map((v) => v / na)
  const v = b.map((value) => value / nb)
  // atan2 of difference and sum stays accurate at both ends, acos does not.
  const angle = 2 * Math.atan2(norm(u.map((x, i) => x - v[i])), norm(u.map((x, i) => x + v[i])))
  if (angle < ALMOST || Math.PI - angle < ALMOST) return line()
  const size = Math.max((1 - t) * na + t * nb, 0) / Math.sin(angle)
  const [wu, wv] = [size * Math.sin((1 - t) * angle), size * Math.sin(t * angle)]
  return Float32Array.from(u, (x, i) => wu * x + wv * v[i])
}

// A vector with another length; it stays 0 if it is 0.
function scaled(z, length) {
  const now = norm(z)
  return now > 0 ? z.map((v) => v * length / now) : z
}

function average(codes, weights) {
  return Float32Array.from(codes[0], (_, i) =>
    weights.reduce((sum, weight, k) => sum + weight * codes[k][i], 0))
}

// The average of some noise, as long as these are on average: see `vae.likely_codes.blend`.
export function blend(noise, weights) {
  const length = weights.reduce((sum, weight, k) => sum + weight * norm(noise[k]), 0)
  return scaled(average(noise, weights), length)
}

// Along codes at equally spaced places from 0 to 1, and straight on beyond them: the numbers are
// those of `vae.geodesics.follow`.
export function through(curve, t) {
  const place = t * (curve.length - 1)
  const first = Math.min(Math.max(Math.floor(place), 0), curve.length - 2)
  const part = place - first
  return Float32Array.from(curve[first], (v, i) => (1 - part) * v + part * curve[first + 1][i])
}

// One code for each base at the values θ of the sliders.
export function codesAt(data, values) {
  const { weighting, bases, vectors, level = null } = data
  if (weighting === "arc") return [arc(vectors[0], vectors[1], values[0])]
  if (weighting === "through") return [through(vectors, values[0])]
  if (weighting === "bilinear") {
    const [x, y] = values
    const w = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]
    return [(level === null ? average : blend)(vectors, w)]
  }
  return bases.map(({ z }) => {
    const moved = Float32Array.from(z, (value, i) =>
      vectors.reduce((sum, v, k) => sum + values[k] * v[i], value))
    return level === null ? moved : scaled(moved, norm(z))
  })
}
