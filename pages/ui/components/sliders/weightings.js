// z(θ) = z0 + Σ w_k(θ) v_k: where a place of the sliders lies in the latent space.

// From a to b: the direction turns evenly, the norm changes linearly; a straight line where the
// ends are parallel, opposite or zero.
export function arc(a, b, t) {
  const norm = (v) => Math.hypot(...v)
  const [na, nb] = [norm(a), norm(b)]
  const line = () => Float32Array.from(a, (v, i) => (1 - t) * v + t * b[i])
  if (na === 0 || nb === 0) return line()
  let cosine = 0
  for (let i = 0; i < a.length; i++) cosine += (a[i] / na) * (b[i] / nb)
  const angle = Math.acos(Math.max(-1, Math.min(1, cosine)))
  if (angle < 1e-6 || Math.PI - angle < 1e-6) return line()
  const size = Math.max((1 - t) * na + t * nb, 0)
  const [wa, wb] = [Math.sin((1 - t) * angle), Math.sin(t * angle)].map((w) => w / Math.sin(angle))
  return Float32Array.from(a, (v, i) => size * (wa * (v / na) + wb * (b[i] / nb)))
}

// One code for each base at the values θ of the sliders.
export function codesAt(data, values) {
  const { weighting, bases, vectors } = data
  if (weighting === "arc") return [arc(vectors[0], vectors[1], values[0])]
  if (weighting === "bilinear") {
    const [x, y] = values
    const w = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]
    return [Float32Array.from(vectors[0], (_, i) =>
      w.reduce((sum, weight, k) => sum + weight * vectors[k][i], 0))]
  }
  return bases.map(({ z }) => Float32Array.from(z, (value, i) =>
    vectors.reduce((sum, v, k) => sum + values[k] * v[i], value)))
}
