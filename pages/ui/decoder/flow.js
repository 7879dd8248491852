// The flow of a learned distribution: codes become noise, and noise codes.

import { tensor } from "./program.js"

/**
 * The maps `toNoise(code, level)` and `fromNoise(noise, level, until)`: the arithmetic of
 * `vae.code_distribution`, step by step, with the network of the flow's velocity as a program.
 */
export function followFlow(file, program) {
  const { dim, frequencies, steps } = file.info
  const [mean, root, inverse] = ["mean", "root", "inverse"].map((name) =>
    tensor(file, name, Float32Array))
  const input = new Float32Array(dim + 2 * frequencies.length)
  const velocity = (x, t) => {
    input.set(x)
    frequencies.forEach((frequency, k) => {
      const angle = Math.fround(Math.fround(t) * frequency)
      input[dim + k] = Math.sin(angle)
      input[dim + frequencies.length + k] = Math.cos(angle)
    })
    program.run(input)
    return program.floats.slice(program.output.at, program.output.at + dim)
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
