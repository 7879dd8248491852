// Runs one decoder with the WebAssembly kernel: lays the weights out once, then decodes codes. Where
// the model has a learned distribution, its flow runs beside: from codes to noise and back.

const SLACK = 32 // floats that a last block of output channels may write beyond its row
const STEP_BYTES = 60 // sizeof(Step) in kernel.c

function halves() {
  const table = new Float32Array(65536)
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31
    const fraction = bits & 1023
    const size =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction
            ? NaN
            : Infinity
          : (1 + fraction / 1024) * 2 ** (exponent - 15)
    table[bits] = bits & 32768 ? -size : size
  }
  return table
}

/** Reads a safetensors file's F16 and F32 tensors: name → Float32Array. */
function tensors(header, bytes, start) {
  const table = halves()
  return (name) => {
    const entry = header[name]
    if (!entry) throw new Error(`The file of weights has no tensor ${name}.`)
    const [from, to] = entry.data_offsets
    const part = bytes.slice(start + from, start + to)
    if (entry.dtype === "F32") return new Float32Array(part)
    if (entry.dtype !== "F16") throw new Error(`Tensor ${name} is ${entry.dtype}; expected F16.`)
    const packed = new Uint16Array(part)
    const values = new Float32Array(packed.length)
    for (let i = 0; i < values.length; i++) values[i] = table[packed[i]]
    return values
  }
}

/** The vectors (of four channels) per block that waste least on `channels`; the widest. */
function blocking(channels) {
  const needed = Math.ceil(channels / 4)
  let best = 1
  for (const vectors of [2, 3])
    if (Math.ceil(needed / vectors) * vectors <= Math.ceil(needed / best) * best) best = vectors
  return best
}

/** What lies where in the kernel's memory, counted in floats, and the list of steps. */
class Plan {
  constructor() {
    this.chunks = [] // [offset, Float32Array] to be copied into the memory
    this.steps = []
    this.used = 0
  }

  reserve(floats) {
    const at = this.used
    this.used += (floats + 3) & ~3
    return at
  }

  keep(data) {
    const at = this.reserve(data.length)
    this.chunks.push([at, data])
    return at
  }

  /** Adds a step whose weight of output channel j and input number k is `weight(j, k)`. */
  add(step, outputs, vectors, weight, bias) {
    const lanes = 4 * vectors
    const blocks = Math.ceil(outputs / lanes)
    const numbers = step.rows * step.depth
    const packed = new Float32Array(blocks * lanes * numbers)
    const shifts = new Float32Array(blocks * lanes)
    for (let j = 0; j < outputs; j++) {
      const block = Math.floor(j / lanes)
      const first = block * numbers * lanes + (j % lanes)
      for (let k = 0; k < numbers; k++) packed[first + k * lanes] = weight(j, k)
      shifts[j] = bias(j)
    }
    const [weightAt, biasAt] = [this.keep(packed), this.keep(shifts)]
    return this.steps.push({ ...step, weight: weightAt, bias: biasAt, blocks, vectors }) - 1
  }

  /** Adds a linear layer from one vector to another; gives the number of its step. */
  linear(tensor, name, from, to, inputs, outputs) {
    const [weight, bias] = [tensor(`${name}.weight`), tensor(`${name}.bias`)]
    if (weight.length !== inputs * outputs || bias.length !== outputs)
      throw new Error(`Layer ${name} has weights of another size.`)
    const step = { in: from, out: to, rows: 1, depth: inputs, inRow: 0, inStep: 0, slope: 1 }
    Object.assign(step, { height: 1, width: 1, outRow: 0, outStep: 0 })
    return this.add(step, outputs, 8, (j, k) => weight[j * inputs + k], (j) => bias[j])
  }

  /** Copies everything into the kernel's memory; gives what turns offsets into addresses. */
  load(kernel) {
    const base = (kernel.__heap_base.value + 15) & ~15
    const address = (offset) => base + 4 * offset
    const stepsAt = address(this.reserve((this.steps.length * STEP_BYTES) / 4))
    const missing = address(this.used) - kernel.memory.buffer.byteLength
    if (missing > 0) kernel.memory.grow(Math.ceil(missing / 65536))
    const memory = kernel.memory.buffer
    const floats = new Float32Array(memory, base)
    for (const [at, data] of this.chunks) floats.set(data, at)
    const view = new DataView(memory, stepsAt)
    this.steps.forEach((s, i) => {
      const pointers = [s.in, s.weight, s.bias, s.out].map(address)
      const sizes = [s.height, s.width, s.rows, s.depth, s.inRow, s.inStep, s.outRow, s.outStep]
      const numbers = [...pointers, ...sizes, s.blocks, s.vectors]
      numbers.forEach((value, j) => view.setInt32(i * STEP_BYTES + 4 * j, value, true))
      view.setFloat32(i * STEP_BYTES + STEP_BYTES - 4, s.slope, true)
    })
    const run = (first, count) => kernel.run(stepsAt + first * STEP_BYTES, count)
    return { memory, floats, address, run }
  }
}

/**
 * Lays a decoder out in the kernel's memory.
 *
 * Images between convolutions lie channels last inside a border of zeros one pixel wide, so that
 * the kernel has no edges to look after. Says where the code is read and the last image written.
 */
function layOut(info, tensor, plan) {
  const reserve = (floats) => plan.reserve(floats)
  const add = (...step) => plan.add(...step)
  const layers = info.layers
  const z = reserve(info.latent_dim)
  let flat = { at: z, size: info.latent_dim } // where the last linear layer left its numbers
  let image = null // or where the last image lies: {at, channels, step, height, width, border}
  for (let i = 0; i < layers.length; i++) {
    const layer = layers[i]
    const refuse = (why) => {
      throw new Error(`Layer ${i} (${layer.type}) ${why}.`)
    }
    let slope = 1
    if (layers[i + 1]?.type === "leaky_relu") slope = layers[++i].slope
    if (!(slope >= 0 && slope <= 1)) refuse(`is followed by a slope of ${slope}`)

    if (layer.type === "linear") {
      if (!flat || layer.in !== flat.size) refuse(`takes ${layer.in} numbers`)
      const weight = tensor(layer.weight)
      const bias = tensor(layer.bias)
      if (weight.length !== layer.in * layer.out || bias.length !== layer.out)
        refuse("has weights of another size")
      const step = { in: flat.at, rows: 1, depth: layer.in, inRow: 0, inStep: 0, slope }
      Object.assign(step, { height: 1, width: 1, outRow: 0, outStep: 0 })
      if (layers[i + 1]?.type !== "reshape") {
        const out = reserve(layer.out + SLACK)
        add({ ...step, out }, layer.out, 8, (j, k) => weight[j * layer.in + k], (j) => bias[j])
        flat = { at: out, size: layer.out }
        continue
      }
      const [channels, height, width] = layers[++i].shape
      if (channels * height * width !== layer.out) refuse("does not fill the image after it")
      const border = i + 1 < layers.length ? 1 : 0
      const row = (width + 2 * border) * channels
      const at = reserve(row * (height + 2 * border) + SLACK)
      // One step for each row of the image: what one writes too much, the next one overwrites.
      for (let y = 0; y < height; y++) {
        const source = (j) => ((j % channels) * height + y) * width + Math.floor(j / channels)
        add(
          { ...step, out: at + (y + border) * row + border * channels },
          width * channels,
          8,
          (j, k) => weight[source(j) * layer.in + k],
          (j) => bias[source(j)],
        )
      }
      flat = null
      image = { at, channels, step: channels, height, width, border }
    } else if (layer.type === "conv2d" || layer.type === "conv_transpose2d") {
      const doubles = layer.type === "conv_transpose2d"
      const form = `${layer.kernel}, ${layer.stride}, ${layer.padding}`
      if (form !== (doubles ? "4, 2, 1" : "3, 1, 1")) refuse(`has kernel, stride, padding ${form}`)
      if (!image || layer.in !== image.channels) refuse(`takes ${layer.in} channels`)
      const weight = tensor(layer.weight)
      const bias = tensor(layer.bias)
      if (weight.length !== layer.in * layer.out * layer.kernel ** 2 || bias.length !== layer.out)
        refuse("has weights of another size")
      const { height, width } = image
      const scale = doubles ? 2 : 1
      const taps = doubles ? 2 : 3
      const vectors = blocking(layer.out)
      const outStep = Math.ceil(layer.out / (4 * vectors)) * 4 * vectors
      const border = i + 1 < layers.length ? 1 : 0
      const outRow = (scale * width + 2 * border) * outStep
      const at = reserve(outRow * (scale * height + 2 * border))
      const inRow = (width + 2) * image.step
      for (let a = 0; a < scale; a++)
        for (let b = 0; b < scale; b++)
          add(
            {
              in: image.at + a * inRow + b * image.step,
              out: at + (a + border) * outRow + (b + border) * outStep,
              height,
              width,
              rows: taps,
              depth: taps * image.step,
              inRow,
              inStep: image.step,
              outRow: scale * outRow,
              outStep: scale * outStep,
              slope,
            },
            layer.out,
            vectors,
            (j, k) => {
              const c = k % image.step
              if (c >= layer.in) return 0
              const tx = Math.floor(k / image.step) % taps
              const ty = Math.floor(k / (image.step * taps))
              return doubles
                ? weight[((c * layer.out + j) * 4 + 3 - a - 2 * ty) * 4 + 3 - b - 2 * tx]
                : weight[((j * layer.in + c) * 3 + ty) * 3 + tx]
            },
            (j) => bias[j],
          )
      image = {
        at,
        channels: layer.out,
        step: outStep,
        height: scale * height,
        width: scale * width,
        border,
      }
    } else {
      refuse("is not a layer that the browser's decoder knows")
    }
  }
  const [channels, height, width] = info.image_shape
  const expected = channels * (info.likelihood === "gaussian" ? 2 : 1)
  if (!image || image.channels !== expected || image.height !== height || image.width !== width)
    throw new Error(`The layers do not end in an image of ${expected}×${height}×${width}.`)
  return { z, image, count: plan.steps.length }
}

/**
 * Lays a flow out: the network of its velocity, and the maps to and from whitened coordinates.
 *
 * Gives a function of what `Plan.load` gives, that makes `toNoise(code, level)` and
 * `fromNoise(noise, level, until)`: the arithmetic of `vae.code_distribution`, step by step.
 */
function layOutFlow(info, tensor, plan) {
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

/**
 * Builds what answers jobs: a code (`z`, or what noise of a `level` becomes at the time `until`)
 * is decoded into a buffer; a code becomes noise.
 */
function build({ info, flow }, tensor, tensorOfFlow, instance) {
  const kernel = instance.exports
  const plan = new Plan()
  const network = layOut(info, tensor, plan)
  const makeFlow = flow ? layOutFlow(flow, tensorOfFlow, plan) : null
  const [channels, height, width] = info.image_shape
  const pixels = height * width
  const deviations = info.likelihood === "gaussian" ? 1 : 0
  const pictureBytes = 4 * pixels * (1 + deviations)
  const rawBytes = 4 * pixels * channels * (1 + deviations)
  const resultAt = plan.reserve((pictureBytes + rawBytes) / 4)
  const loaded = plan.load(kernel)
  const { memory, floats, address, run } = loaded
  const learned = makeFlow?.(loaded, kernel)

  const result = address(resultAt)
  const last = address(network.image.at)
  const lastStep = network.image.step
  const isContinuous = info.likelihood === "continuous_bernoulli" ? 1 : 0
  const deviation = result + 4 * pixels
  const raw = result + pictureBytes
  const { sigma_floor: floor, deviation_white: white } = info
  const about = [pixels, lastStep, channels, deviations, isContinuous, floor, white]
  const picture = [last, ...about, result, deviation]
  const short = new Uint8Array(memory, result, pictureBytes)
  const long = new Uint8Array(memory, result, pictureBytes + rawBytes)
  const decode = (code, buffer, withRaw) => {
    floats.set(code, network.z)
    run(0, network.count)
    kernel.paint(...picture, withRaw ? raw : 0)
    const from = withRaw ? long : short
    const to = buffer?.byteLength === from.length ? buffer : new ArrayBuffer(from.length)
    new Uint8Array(to).set(from)
    return to
  }
  return ({ z, buffer, raw: withRaw, level, until, toNoise }) => {
    if (toNoise) return { code: learned.toNoise(z, level) }
    if (level === undefined) return { buffer: decode(z, buffer, withRaw) }
    const code = learned.fromNoise(z, level, until)
    return { buffer: decode(code, buffer, withRaw), code }
  }
}

let answer = null

self.onmessage = async ({ data }) => {
  try {
    if (data.module) {
      const instance = await WebAssembly.instantiate(data.module, {})
      const [tensor, tensorOfFlow] = [data.decoder, data.flow].map((file) =>
        file && tensors(file.header, file.bytes, file.start))
      const infos = { info: data.decoder.info, flow: data.flow?.info }
      answer = build(infos, tensor, tensorOfFlow, instance)
      self.postMessage({ ready: true })
      return
    }
    const started = performance.now()
    const found = answer(data)
    const moved = found.buffer ? [found.buffer] : []
    self.postMessage({ ...found, ms: performance.now() - started }, moved)
  } catch (error) {
    self.postMessage({ error: error.message })
  }
}
