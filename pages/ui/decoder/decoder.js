// The live decoder: every picture on the pages that follows a pointer or a slider comes from here.
//
//   const d = await openDecoder(base, name)   // base: the app's base path, name: a checkpoint
//   d.latentDim, d.shape ([C, H, W]), d.likelihood, d.deviationWhite
//   d.exact        false where the server decodes
//   d.reason       … and why, as a message
//   await d.decode(z, {raw: true})    → Picture, the caller's own; {first: true}: before others
//   await d.decodeMany(zs, n)         → Picture[], on several workers; zs holds n·D numbers
//   d.latest(z, picture => …)         newest wins: a move that is overtaken is never decoded
//   d.latestMany(zs, n, pictures => …)  the same for a strip of n pictures
//   d.close()
//
// A model with a learned distribution has its flow beside it (d.flow, where it was asked for):
//
//   await d.toNoise(zs, n, level)     n codes → Float32Array[], noise of a level in 0…1
//   d.latest(u, …, {level})           decodes the code that this noise becomes: picture.code
//   d.latest(u, …, {level: 1, until}) … that draw's code as it is on the way, at a time 0…1
//
// A model whose images have a classifier has that beside it (d.classifier: {names, exclusive},
// where it was asked for and the browser decodes): picture.scores are its probabilities, of what
// `latest` decodes and of d.decode(z, {classify: true}).
//
// Picture: {mean: ImageData, deviation: ImageData | null, raw: Float32Array | null, ms}. In
// `deviation`, white stands for d.deviationWhite or more, of a pixel range of 1. `raw` holds the
// means (C, H, W), then the deviations. `latest` and `latestMany` draw into the same pictures
// again and again: use them inside the callback, or copy them.

import { Latest, blank, onFlow, refill } from "./latest.js"
import { LiveError, ServerRunner, WorkerRunner, get } from "./runners.js"

const IN_FLIGHT = 2 // requests to the server, or decodes for one pointer
const LARGE = 2_000_000 // bytes of weights above which it is told how far they are
const LINGER = 10_000 // ms that idle workers are kept, for the next page that wants them

const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
) // a function that uses i8x16.splat and popcnt: valid where WebAssembly has SIMD
const RELAXED = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253,
  15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 11,
) // one that uses f32x4.relaxed_madd

/** The folder of the app's routes, with a slash at its end. */
function liveFolder(base) {
  if (base === undefined || base === null) return new URL("./", import.meta.url).href
  return new URL(`${String(base).replace(/\/+$/, "")}/live/`, location.href).href
}

function headerOf(bytes) {
  const length = Number(new DataView(bytes).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)))
  const { decoder, flow, classifier } = header.__metadata__
  return { header, bytes, start: 8 + length, info: JSON.parse(decoder ?? flow ?? classifier) }
}

/** The content of an address, of `size` bytes; `tell` hears how much has come, from 0 to 1. */
async function download(url, size, tell) {
  const reply = await get(url)
  if (!tell || size < LARGE || !reply.body) return reply.arrayBuffer()
  const bytes = new Uint8Array(size)
  let at = 0
  for await (const part of chunksOf(reply.body)) {
    bytes.set(part, at)
    at += part.length
    tell(at / size)
  }
  if (at !== size) throw new LiveError(`The decoder broke off after ${at} of ${size} bytes.`)
  return bytes.buffer
}

async function* chunksOf(stream) {
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

/** One decoder's runners, and who gets the next free one: pointers first, then strips, sheets. */
class Engine {
  constructor(info, { flow, classifier }, exact, reason, newRunner, most) {
    Object.assign(this, { info, flow, classifier, exact, reason, newRunner, most })
    this.runners = []
    this.handles = new Set()
    this.queue = [] // jobs of decode and decodeMany, in order
  }

  grow(count) {
    while (this.runners.length < Math.min(count, this.most)) {
      const runner = this.newRunner()
      runner.jobs = 0
      this.runners.push(runner)
      runner.ready.then(
        () => {
          runner.open = true
          this.pump()
        },
        () => {}, // the first one's failure is openDecoder's to handle; others are just not used
      )
    }
    return this.runners[0].ready
  }

  next() {
    for (const kind of ["pointer", "strip"])
      for (const handle of this.handles) {
        const job = handle[kind].take()
        if (job) {
          // The next free runner serves another component first.
          this.handles.delete(handle)
          this.handles.add(handle)
          return job
        }
      }
    return this.queue.shift()
  }

  pump() {
    for (const runner of this.runners) {
      if (!runner.open || runner.jobs) continue
      const job = this.next()
      if (!job) return
      this.give(runner, job)
    }
  }

  give(runner, job) {
    runner.jobs++
    runner.run(job).then(job.done, job.failed).finally(() => {
      runner.jobs--
      this.pump()
    })
  }

  // Does a job before all others, even behind what a runner is at: that it is done is heard of
  // only when the page has time.
  hurry(job) {
    const [free] = this.runners.filter(({ open }) => open).sort((a, b) => a.jobs - b.jobs)
    if (free) this.give(free, job)
    else this.queue.unshift(job)
  }

  stop() {
    for (const runner of this.runners) runner.stop()
  }
}

/** What openDecoder gives to one component. */
class Decoder {
  constructor(engine) {
    const { info } = engine
    this.engine = engine
    this.latentDim = info.latent_dim
    this.shape = info.image_shape
    this.likelihood = info.likelihood
    this.deviationWhite = info.deviation_white
    this.flow = engine.flow
    this.classifier = engine.exact ? engine.classifier : null
    this.exact = engine.exact
    this.reason = engine.reason
    this.onerror = null // (error) => …, for what `latest` and `latestMany` could not decode
    this.closed = false
    this.pointer = new Latest(this, IN_FLIGHT)
    this.strip = new Latest(this, 1)
    engine.handles.add(this)
  }

  check(zs, n) {
    if (zs.length !== n * this.latentDim)
      throw new RangeError(`${zs.length} numbers; expected ${n} × ${this.latentDim}.`)
  }

  latest(z, callback, flow = null) {
    this.check(z, 1)
    this.pointer.ask(z, 1, (pictures) => callback(pictures[0]), [flow])
  }

  // `flows` holds one for each code; null for one that is decoded as it is.
  latestMany(zs, n, callback, flows = []) {
    this.check(zs, n)
    if (n === 0) return
    this.engine.grow(this.engine.most)
    this.strip.ask(zs, n, callback, flows)
  }

  async decode(z, { raw = false, classify = false, flow = null, first = false } = {}) {
    this.check(z, 1)
    const job = { raw: raw && this.exact, classify, buffer: null, ...onFlow(flow) }
    const reply = await this.enqueue(z, job, first)
    const picture = blank(this)
    refill(picture, reply)
    const size = picture.mean.data.length * (picture.deviation ? 2 : 1)
    if (raw && reply.buffer.byteLength > size) picture.raw = new Float32Array(reply.buffer, size)
    return picture
  }

  toNoise(zs, n, level) {
    this.check(zs, n)
    const d = this.latentDim
    return Promise.all(Array.from({ length: n }, async (_, i) => {
      const z = zs.slice(i * d, (i + 1) * d)
      return (await this.enqueue(z, { level, toNoise: true })).code
    }))
  }

  // A job that waits for its turn; gives what the runner answers.
  enqueue(z, job, first = false) {
    if (this.closed) return Promise.reject(new LiveError("This decoder was closed."))
    return new Promise((done, failed) => {
      const entry = { ...job, z: Float32Array.from(z), done, failed, handle: this }
      if (first) this.engine.hurry(entry)
      else {
        this.engine.queue.push(entry)
        this.engine.pump()
      }
    })
  }

  decodeMany(zs, n, options) {
    this.check(zs, n)
    if (n > 1) this.engine.grow(this.engine.most)
    const d = this.latentDim
    return Promise.all(
      Array.from({ length: n }, (_, i) => this.decode(zs.slice(i * d, (i + 1) * d), options)),
    )
  }

  close() {
    if (this.closed) return
    const { engine } = this
    this.closed = true
    engine.handles.delete(this)
    for (const job of engine.queue)
      if (job.handle === this) job.failed(new LiveError("This decoder was closed."))
    engine.queue = engine.queue.filter((job) => job.handle !== this)
    release(engine)
  }
}

const engines = new Map() // which decoder → Promise<Engine>, shared by all components of a page

function release(engine) {
  if (engine.handles.size) return
  setTimeout(() => {
    if (engine.handles.size) return
    engine.stop()
    engines.delete(engine.key)
  }, LINGER)
}

async function startEngine(live, manifest, tell) {
  const server = (reason) => {
    const newRunner = () => new ServerRunner(live, manifest)
    const engine = new Engine(manifest, manifest, false, reason, newRunner, IN_FLIGHT)
    engine.grow(IN_FLIGHT)
    return engine
  }
  if (!manifest.url) return server(manifest.reason)
  if (!globalThis.WebAssembly || !WebAssembly.validate(SIMD))
    return server("This browser lacks WebAssembly SIMD: the server decodes.")
  const kernel = WebAssembly.validate(RELAXED) ? "kernel-relaxed.wasm" : "kernel.wasm"
  const weights = async (url, size = 0) => headerOf(await download(new URL(url, live), size, tell))
  const [module, decoder, flow, classifier] = await Promise.all([
    get(new URL(kernel, live)).then(async (reply) =>
      WebAssembly.compile(await reply.arrayBuffer()),
    ),
    weights(manifest.url, manifest.bytes),
    manifest.flow && weights(manifest.flow.url),
    manifest.classifier && weights(manifest.classifier.url),
  ])
  const parts = {
    script: new URL("worker.js", live).href,
    setup: { module, decoder, flow, classifier },
  }
  const most = Math.min(4, Math.max(2, navigator.hardwareConcurrency || 2))
  const newRunner = () => new WorkerRunner(parts)
  const engine = new Engine(decoder.info, manifest, true, null, newRunner, most)
  try {
    await engine.grow(1)
    return engine
  } catch (error) {
    engine.stop()
    return server(`${error.message} The server decodes.`)
  }
}

/**
 * Opens a checkpoint's decoder; components that open the same one share its workers.
 *
 * `base` is the app's base path ("" or "/folder"); undefined: the folder this module came from.
 * With `flow`, the flow of the model's learned distribution is opened as well, if it has one;
 * with `classifier`, the classifier of its images.
 * `progress` is called with the part of a large file that has come, where it is not there yet.
 * Rejects with a message if the checkpoint does not exist or the app cannot be reached.
 */
export async function openDecoder(
  base, name, { flow = false, classifier = false, progress = null } = {},
) {
  const live = liveFolder(base)
  const path = String(name).split("/").map(encodeURIComponent).join("/")
  const manifest = await get(new URL(`decoders/${path}`, live)).then((reply) => reply.json())
  if (!flow) manifest.flow = null
  if (!classifier) manifest.classifier = null
  const parts = [manifest, manifest.flow, manifest.classifier]
  const digests = parts.map((part) => part?.digest ?? "").join("-")
  const key = new URL(`${manifest.decode}#${digests}`, live).href
  if (!engines.has(key)) {
    const starting = startEngine(live, manifest, progress)
    engines.set(key, starting)
    starting.then(
      (engine) => (engine.key = key),
      () => engines.delete(key),
    )
  }
  return new Decoder(await engines.get(key))
}
