// The flow of a learned distribution: codes become noise, and noise codes.

import { SLACK } from "./plan.js"

/**
 * Lays a flow out: the network of its velocity, and the maps to and from whitened coordinates.
 *
 * Gives a function of what `Plan.load` gives, that makes `toNoise(code, level)` and
 * `fromNoise(noise, level, until)`: the arithmetic of `vae.code_distribution`, step by step.
 */
export function layOutFlow(info, tensor, plan) {
  const { dim, width, blocks, frequencies, steps } = info
  const [mean, root, inverse] = ["mean", "root", "inverse"].map(tensor)
  if (mean.length !== dim || root.length !== dim ** 2 || inverse.length !== dim ** 2)
    throw new Error("The flow's whitening has another size.")
  const inputs = dim + 2 * frequencies.length
  const [from, hidden, active, inner, outer, to] = [inputs, width, width, width, width, dim].map(
    (numbers) => plan.reserve(numbers + SLACK),
  )
  const linear = (name, ...more) => plan.linear(tensor, `field.${name}`, ...more)
  const inward = linear("inward", from, hidden, inputs, width)
  const pairs = Array.from({ length: blocks }, (_, k) => [
    linear(`blocks.${k}.1`, active, inner, width, width),
    linear(`blocks.${k}.3`, active, outer, width, width),
  ])
  const outward = linear("outward", active, to, width, dim)

  return ({ floats, address, run }, kernel) => {
    const silu = (at) => kernel.silu(address(at), address(active), width)
    const velocity = (x, t) => {
      floats.set(x, from)
      frequencies.forEach((frequency, k) => {
        const angle = Math.fround(Math.fround(t) * frequency)
        floats[from + dim + k] = Math.sin(angle)
        floats[from + dim + frequencies.length + k] = Math.cos(angle)
      })
      run(inward, 1)
      for (const [one, other] of pairs) {
        silu(hidden)
        run(one, 1)
        silu(inner)
        run(other, 1)
        for (let i = 0; i < width; i++) floats[hidden + i] += floats[outer + i]
      }
      silu(hidden)
      run(outward, 1)
      return floats.slice(to, to + dim)
    }
    // Heun's method, in as many steps as the library takes.
    const follow = (x, start, end) => {
      if (start === end) return x
      const count = Math.max(1, Math.ceil(steps * Math.abs(end - start)))
      const h = (end - start) / count
      for (let k = 0; k < count; k++) {
        const t = start + k * h
        const first = velocity(x, t)
        const ahead = velocity(x.map((v, i) => v + h * first[i]), t + h)
        x = x.map((v, i) => v + (h / 2) * (first[i] + ahead[i]))
      }
      return x
    }
    const times = (matrix, x) => Float32Array.from(mean, (_, j) => {
      let sum = 0
      for (let k = 0; k < dim; k++) sum += matrix[j * dim + k] * x[k]
      return sum
    })
    return {
      toNoise: (code, level) =>
        follow(times(inverse, code.map((v, i) => v - mean[i])), 1, 1 - level),
      fromNoise: (noise, level, until) =>
        times(root, follow(noise, 1 - level, until)).map((v, i) => v + mean[i]),
    }
  }
}
