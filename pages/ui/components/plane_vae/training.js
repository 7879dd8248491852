// A variational autoencoder of points of a plane, small enough to be trained while one watches:
// two latent dimensions, two hidden layers in each network, a Gaussian with one learned deviation.

const HIDDEN = 32
const FLOOR = 0.12 // least standard deviation of p(x|z): the lattice resolves its posterior
const [EDGE, STEP] = [4.5, 0.1] // of the lattice on which p(x) is summed
const LOG_2PI = Math.log(2 * Math.PI)

// Uniform numbers from a seed (mulberry32), and standard normal ones from those.
export function generator(seed) {
  let state = (seed * 2654435761 + 1) >>> 0
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
  return { uniform, normal }
}

const SHAPES = {
  rings({ uniform, normal }) {
    const [angle, radius] = [2 * Math.PI * uniform(), uniform() < 0.35 ? 0.7 : 2]
    return [radius * Math.cos(angle) + 0.08 * normal(), radius * Math.sin(angle) + 0.08 * normal()]
  },
  moons({ uniform, normal }) {
    const [angle, upper] = [Math.PI * uniform(), uniform() < 0.5]
    const [x, y] = [Math.cos(angle), Math.sin(angle)]
    const place = upper ? [x - 0.5, y - 0.25] : [0.5 - x, 0.25 - y]
    return place.map((v) => 1.4 * v + 0.1 * normal())
  },
  clusters({ uniform, normal }) {
    const angle = 2 * Math.PI * Math.floor(5 * uniform()) / 5 + Math.PI / 2
    return [1.8 * Math.cos(angle) + 0.2 * normal(), 1.8 * Math.sin(angle) + 0.2 * normal()]
  },
  spiral({ uniform, normal }) {
    const t = Math.sqrt(uniform())
    const place = [2.2 * t * Math.cos(8 * t), 2.2 * t * Math.sin(8 * t)]
    return place.map((v) => v + 0.06 * normal())
  },
}

// `count` points of a shape, one after the other in one array.
export function points(shape, count, seed) {
  const source = generator(seed + 1)
  return Float64Array.from(Array.from({ length: count }, () => SHAPES[shape](source)).flat())
}

// A fully connected network with tanh between its layers, which keeps what its gradient needs. It
// takes four inputs at a time, since a processor adds to four sums nearly as fast as to one.
class Network {
  constructor(sizes, normal) {
    this.layers = sizes.slice(1).map((outputs, k) => {
      const inputs = sizes[k]
      const weight = Float64Array.from({ length: inputs * outputs },
        () => normal() / Math.sqrt(inputs))
      return { inputs, outputs, weight, bias: new Float64Array(outputs),
        weightGradient: new Float64Array(inputs * outputs),
        biasGradient: new Float64Array(outputs) }
    })
  }

  // Outputs of `count` inputs, one row after the other.
  forward(x, count) {
    const rows = 4 * Math.ceil(count / 4)
    x = lengthened(x, rows * this.layers[0].inputs)
    this.seen = [x]
    this.layers.forEach(({ inputs, outputs, weight, bias }, k) => {
      const out = new Float64Array(rows * outputs)
      for (let n = 0; n < rows; n += 4) {
        const a = n * inputs
        const [b, c, d] = [a + inputs, a + 2 * inputs, a + 3 * inputs]
        for (let o = 0, w = 0; o < outputs; o++) {
          let p = bias[o]
          let [q, r, s] = [p, p, p]
          for (let i = 0; i < inputs; i++, w++) {
            const factor = weight[w]
            p += factor * x[a + i]
            q += factor * x[b + i]
            r += factor * x[c + i]
            s += factor * x[d + i]
          }
          const place = n * outputs + o
          out[place] = p
          out[place + outputs] = q
          out[place + 2 * outputs] = r
          out[place + 3 * outputs] = s
        }
      }
      const last = k === this.layers.length - 1
      if (!last) for (let j = 0; j < out.length; j++) out[j] = Math.tanh(out[j])
      this.seen.push(out)
      x = out
    })
    return x.subarray(0, count * this.layers.at(-1).outputs)
  }

  // From the gradient of the outputs to those of all weights, which it fills, and of the inputs.
  backward(gradient, count) {
    const rows = 4 * Math.ceil(count / 4)
    gradient = lengthened(gradient, rows * this.layers.at(-1).outputs)
    for (let k = this.layers.length - 1; k >= 0; k--) {
      const { inputs, outputs, weight, weightGradient, biasGradient } = this.layers[k]
      const [x, y] = [this.seen[k], this.seen[k + 1]]
      if (k < this.layers.length - 1) {
        for (let j = 0; j < gradient.length; j++) gradient[j] *= 1 - y[j] * y[j]
      }
      weightGradient.fill(0)
      biasGradient.fill(0)
      const below = new Float64Array(rows * inputs)
      for (let n = 0; n < rows; n += 4) {
        const a = n * inputs
        const [b, c, d] = [a + inputs, a + 2 * inputs, a + 3 * inputs]
        for (let o = 0, w = 0; o < outputs; o++) {
          const place = n * outputs + o
          const [p, q] = [gradient[place], gradient[place + outputs]]
          const [r, s] = [gradient[place + 2 * outputs], gradient[place + 3 * outputs]]
          biasGradient[o] += p + q + r + s
          for (let i = 0; i < inputs; i++, w++) {
            const factor = weight[w]
            weightGradient[w] += p * x[a + i] + q * x[b + i] + r * x[c + i] + s * x[d + i]
            below[a + i] += p * factor
            below[b + i] += q * factor
            below[c + i] += r * factor
            below[d + i] += s * factor
          }
        }
      }
      gradient = below
    }
    return gradient.subarray(0, count * this.layers[0].inputs)
  }
}

// The same numbers, with zeros behind them.
function lengthened(numbers, length) {
  if (numbers.length === length) return numbers
  const longer = new Float64Array(length)
  longer.set(numbers)
  return longer
}

export class PlaneVae {
  constructor(seed) {
    const source = generator(seed)
    this.source = source
    this.encoder = new Network([2, HIDDEN, HIDDEN, 4], source.normal)
    this.decoder = new Network([2, HIDDEN, HIDDEN, 2], source.normal)
    this.logDeviation = Float64Array.of(Math.log(0.5))
    this.deviationGradient = new Float64Array(1)
    this.steps = 0
    this.moments = this.parameters.map(([values]) =>
      [new Float64Array(values.length), new Float64Array(values.length)])
  }

  // Every array of parameters with its gradient.
  get parameters() {
    const layers = [...this.encoder.layers, ...this.decoder.layers]
    return [...layers.flatMap((l) => [[l.weight, l.weightGradient], [l.bias, l.biasGradient]]),
      [this.logDeviation, this.deviationGradient]]
  }

  get deviation() { return Math.exp(this.logDeviation[0]) }

  // q(z|x) of points: `mean` and `sigma`, two numbers for each.
  encode(x) {
    const count = x.length / 2
    const out = this.encoder.forward(x, count)
    const [mean, sigma] = [new Float64Array(2 * count), new Float64Array(2 * count)]
    for (let n = 0; n < count; n++) {
      for (let d = 0; d < 2; d++) {
        mean[2 * n + d] = out[4 * n + d]
        sigma[2 * n + d] = Math.exp(out[4 * n + 2 + d])
      }
    }
    return { mean, sigma }
  }

  // The means of p(x|z).
  decode(z) { return this.decoder.forward(z, z.length / 2) }

  // Mean reconstruction term and KL of points, in nats, with one draw of ε for each; fills the
  // gradients of −(reconstruction − beta · KL) with respect to all parameters.
  objective(x, noise, beta) {
    const count = x.length / 2
    const { mean, sigma } = this.encode(x)
    const z = mean.map((m, k) => m + sigma[k] * noise[k])
    const decoded = this.decode(z)
    const variance = this.deviation ** 2
    const gradient = new Float64Array(2 * count)
    let [square, kl] = [0, 0]
    for (let k = 0; k < 2 * count; k++) {
      const error = decoded[k] - x[k]
      square += error ** 2
      gradient[k] = error / variance / count
      kl += (mean[k] ** 2 + sigma[k] ** 2 - 1) / 2 - Math.log(sigma[k])
    }
    this.deviationGradient[0] = 2 - square / variance / count
    const ofCode = this.decoder.backward(gradient, count)
    const ofPosterior = new Float64Array(4 * count)
    for (let n = 0; n < count; n++) {
      for (let d = 0; d < 2; d++) {
        const k = 2 * n + d
        ofPosterior[4 * n + d] = ofCode[k] + beta * mean[k] / count
        ofPosterior[4 * n + 2 + d] =
          ofCode[k] * noise[k] * sigma[k] + beta * (sigma[k] ** 2 - 1) / count
      }
    }
    this.encoder.backward(ofPosterior, count)
    const reconstruction = -square / count / (2 * variance) - Math.log(variance) - LOG_2PI
    return { reconstruction, kl: kl / count }
  }

  // One step of Adam on a batch of points.
  step(x, beta, rate) {
    const noise = Float64Array.from(x, () => this.source.normal())
    const terms = this.objective(x, noise, beta)
    this.steps++
    const [first, second] = [1 - 0.9 ** this.steps, 1 - 0.999 ** this.steps]
    this.parameters.forEach(([values, gradient], k) => {
      const [m, v] = this.moments[k]
      for (let i = 0; i < values.length; i++) {
        m[i] = 0.9 * m[i] + 0.1 * gradient[i]
        v[i] = 0.999 * v[i] + 0.001 * gradient[i] ** 2
        values[i] -= rate * (m[i] / first) / (Math.sqrt(v[i] / second) + 1e-8)
      }
    })
    this.logDeviation[0] = Math.max(this.logDeviation[0], Math.log(FLOOR))
    return terms
  }

  // The two terms of all points, averaged over draws of ε that are the same at every call.
  terms(x, draws = 8) {
    const source = generator(7)
    const { mean, sigma } = this.encode(x)
    const variance = this.deviation ** 2
    const count = x.length / 2
    let [square, kl] = [0, 0]
    for (let k = 0; k < 2 * count; k++) {
      kl += (mean[k] ** 2 + sigma[k] ** 2 - 1) / 2 - Math.log(sigma[k])
    }
    for (let draw = 0; draw < draws; draw++) {
      const decoded = this.decode(mean.map((m, k) => m + sigma[k] * source.normal()))
      for (let k = 0; k < 2 * count; k++) square += (decoded[k] - x[k]) ** 2
    }
    const reconstruction =
      -square / draws / count / (2 * variance) - Math.log(variance) - LOG_2PI
    return { reconstruction, kl: kl / count }
  }

  // The latent plane as a lattice: the decoded means, and log p(z) with the area of a cell.
  lattice(step = STEP) {
    const side = Math.round(2 * EDGE / step) + 1
    const z = new Float64Array(2 * side * side)
    const weight = new Float64Array(side * side)
    for (let j = 0; j < side * side; j++) {
      z[2 * j] = -EDGE + step * (j % side)
      z[2 * j + 1] = -EDGE + step * Math.floor(j / side)
      weight[j] = -(z[2 * j] ** 2 + z[2 * j + 1] ** 2) / 2 - LOG_2PI + 2 * Math.log(step)
    }
    return { decoded: this.decode(z), weight }
  }

  // log p(x) of each point: the sum of p(x|z) p(z) over the lattice.
  evidence(x, { decoded, weight } = this.lattice()) {
    const half = 1 / (2 * this.deviation ** 2)
    const constant = -Math.log(this.deviation ** 2) - LOG_2PI
    return Float64Array.from({ length: x.length / 2 }, (_, n) => {
      const [a, b] = [x[2 * n], x[2 * n + 1]]
      let [top, sum] = [-Infinity, 0]
      for (let j = 0; j < weight.length; j++) {
        const log = weight[j] - half * ((decoded[2 * j] - a) ** 2 + (decoded[2 * j + 1] - b) ** 2)
        if (log <= top - 40) continue
        if (log > top) {
          sum = sum * Math.exp(top - log) + 1
          top = log
        } else sum += Math.exp(log - top)
      }
      return top + Math.log(sum) + constant
    })
  }
}
