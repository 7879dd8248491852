// Runs one decoder with the WebAssembly kernel: lays the weights out once, then decodes codes.
// Where the model has a learned distribution, its flow runs beside: from codes to noise and back.

import { layOutFlow } from "./flow.js"
import { Plan, SLACK, tensors } from "./plan.js"

/** The vectors (of four channels) per block that waste least on `channels`; the widest. */
function blocking(channels) {
  const needed = Math.ceil(channels / 4)
  let best = 1
  for (const vectors of [2, 3])
    if (Math.ceil(needed / vectors) * vectors <= Math.ceil(needed / best) * best) best = vectors
  return best
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
