// Runs one decoder with the WebAssembly kernel: lays the weights out once, then decodes codes.

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
    if (!entry) throw new Error(`The decoder's file has no tensor ${name}.`)
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

/**
 * Lays a network out in the kernel's memory.
 *
 * Images between convolutions lie channels last inside a border of zeros one pixel wide, so that
 * the kernel has no edges to look after. Gives the list of steps and where the last one writes.
 */
function layOut(info, tensor) {
  const chunks = [] // [float offset, Float32Array] to be copied into the kernel's memory
  const steps = []
  let used = 0
  const reserve = (floats) => {
    const at = used
    used += (floats + 3) & ~3
    return at
  }
  const keep = (data) => {
    const at = reserve(data.length)
    chunks.push([at, data])
    return at
  }
  /** Adds a step whose weight of output channel j and input number k is `weight(j, k)`. */
  const add = (step, outputs, vectors, weight, bias) => {
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
    steps.push({ ...step, weight: keep(packed), bias: keep(shifts), blocks, vectors })
  }

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
  return { z, steps, chunks, image, reserve, floats: () => used }
}

/** Builds the function that decodes: (z, buffer or null, with raw numbers?) → buffer. */
function build(info, tensor, instance) {
  const kernel = instance.exports
  const plan = layOut(info, tensor)
  const [channels, height, width] = info.image_shape
  const pixels = height * width
  const deviations = info.likelihood === "gaussian" ? 1 : 0
  const pictureBytes = 4 * pixels * (1 + deviations)
  const rawBytes = 4 * pixels * channels * (1 + deviations)

  const base = (kernel.__heap_base.value + 15) & ~15
  const address = (offset) => base + 4 * offset
  const result = address(plan.reserve((pictureBytes + rawBytes) / 4))
  const stepsAt = address(plan.reserve((plan.steps.length * STEP_BYTES) / 4))
  const missing = address(plan.floats()) - kernel.memory.buffer.byteLength
  if (missing > 0) kernel.memory.grow(Math.ceil(missing / 65536))

  const memory = kernel.memory.buffer
  const floats = new Float32Array(memory, base)
  for (const [at, data] of plan.chunks) floats.set(data, at)
  const view = new DataView(memory, stepsAt)
  plan.steps.forEach((s, i) => {
    const pointers = [s.in, s.weight, s.bias, s.out].map(address)
    const sizes = [s.height, s.width, s.rows, s.depth, s.inRow, s.inStep, s.outRow, s.outStep]
    const numbers = [...pointers, ...sizes, s.blocks, s.vectors]
    numbers.forEach((value, j) => view.setInt32(i * STEP_BYTES + 4 * j, value, true))
    view.setFloat32(i * STEP_BYTES + STEP_BYTES - 4, s.slope, true)
  })

  const count = plan.steps.length
  const last = address(plan.image.at)
  const lastStep = plan.image.step
  const isContinuous = info.likelihood === "continuous_bernoulli" ? 1 : 0
  const deviation = result + 4 * pixels
  const raw = result + pictureBytes
  const { sigma_floor: floor, deviation_white: white } = info
  const about = [pixels, lastStep, channels, deviations, isContinuous, floor, white]
  const picture = [last, ...about, result, deviation]
  const short = new Uint8Array(memory, result, pictureBytes)
  const long = new Uint8Array(memory, result, pictureBytes + rawBytes)
  return (code, buffer, withRaw) => {
    floats.set(code, plan.z)
    kernel.run(stepsAt, count)
    kernel.paint(...picture, withRaw ? raw : 0)
    const from = withRaw ? long : short
    const to = buffer?.byteLength === from.length ? buffer : new ArrayBuffer(from.length)
    new Uint8Array(to).set(from)
    return to
  }
}

let decode = null

self.onmessage = async ({ data }) => {
  try {
    if (data.module) {
      const instance = await WebAssembly.instantiate(data.module, {})
      decode = build(data.info, tensors(data.header, data.bytes, data.start), instance)
      self.postMessage({ ready: true })
      return
    }
    const started = performance.now()
    const buffer = decode(data.z, data.buffer, data.raw)
    self.postMessage({ buffer, ms: performance.now() - started }, [buffer])
  } catch (error) {
    self.postMessage({ error: error.message })
  }
}
