// Runs one decoder with the WebAssembly kernel: loads its program once, then decodes codes.
// Where the model has a learned distribution, its flow runs beside: from codes to noise and back;
// where its images have a classifier, that says what it sees in each picture.

import { followFlow } from "./flow.js"
import { load } from "./program.js"

const RULES = { continuous_bernoulli: 1, mean: 2 } // what paint makes of the numbers; 0: sigmoid

/**
 * Builds what answers jobs: a code (`z`, or what noise of a `level` becomes at the time `until`)
 * is decoded into a buffer; a code becomes noise.
 */
function build({ decoder, flow, classifier }, kernel) {
  const { info } = decoder
  const [channels, height, width] = info.image_shape
  const pixels = height * width
  const deviations = info.likelihood === "gaussian" ? 1 : 0
  const pictureBytes = 4 * pixels * (1 + deviations)
  const rawBytes = 4 * pixels * channels * (1 + deviations)
  const files = [decoder, flow, classifier]
  const loaded = load(kernel, files.filter(Boolean), pictureBytes + rawBytes)
  const { programs, spare: result } = loaded
  const [network, field, judge] = files.map((file) => file && programs.shift())
  const learned = field && followFlow(flow, field)

  const rule = RULES[info.rule] ?? 0
  const deviation = result + 4 * pixels
  const raw = result + pictureBytes
  const { count, pixel, channel } = network.output
  const { sigma_floor: floor, deviation_white: white } = info
  const about = [count, pixels, pixel, channel, channels, deviations, rule, floor, white]
  const picture = [network.last, ...about, result, deviation]
  const memory = kernel.memory.buffer
  const short = new Uint8Array(memory, result, pictureBytes)
  const long = new Uint8Array(memory, result, pictureBytes + rawBytes)
  const decode = (code, buffer, withRaw, withMeans) => {
    network.run(code)
    kernel.paint(...picture, withMeans ? raw : 0)
    const from = withRaw ? long : short
    const to = buffer?.byteLength === from.length ? buffer : new ArrayBuffer(from.length)
    new Uint8Array(to).set(from)
    return to
  }
  const means = new Float32Array(memory, raw, channels * pixels)
  return ({ z, buffer, raw: withRaw, classify, level, until, toNoise }) => {
    if (toNoise) return { code: learned.toNoise(z, level) }
    const code = level === undefined ? undefined : learned.fromNoise(z, level, until)
    const judged = classify && judge
    const painted = decode(code ?? z, buffer, withRaw, withRaw || judged)
    const scores = judged ? probabilities(classifier, judge, means) : null
    return { buffer: painted, code, scores }
  }
}

/** What a classifier says of an image: of classes they add up to 1, attributes stand alone. */
function probabilities({ info }, program, image) {
  program.run(image)
  const { at } = program.output
  const logits = Array.from(program.floats.subarray(at, at + info.names))
  if (!info.exclusive) return Float32Array.from(logits, (x) => 1 / (1 + Math.exp(-x)))
  const top = Math.max(...logits)
  const shares = logits.map((x) => Math.exp(x - top))
  const sum = shares.reduce((a, b) => a + b)
  return Float32Array.from(shares, (x) => x / sum)
}

let answer = null

self.onmessage = async ({ data }) => {
  try {
    if (data.module) {
      const instance = await WebAssembly.instantiate(data.module, {})
      answer = build(data, instance.exports)
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
