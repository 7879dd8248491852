// Where codes are decoded: in workers of the browser, or by the server.

export class LiveError extends Error {}

const VISITOR = Math.random().toString(36).slice(2) // tells this tab from others

export async function get(url, options) {
  const reply = await fetch(url, options)
  if (reply.ok) return reply
  const problem = await reply.json().catch(() => null)
  throw new LiveError(problem?.error ?? `The app answered ${reply.status} for ${url}.`)
}

/** One worker: `run(job)` decodes one code, or takes it to noise. */
export class WorkerRunner {
  constructor(parts) {
    this.worker = new Worker(parts.script, { type: "module" })
    this.asked = [] // what is not answered yet; the worker answers in order
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.asked.shift()
      if (data.error) reject(new LiveError(data.error))
      else resolve(data)
    }
    this.worker.onerror = (event) => {
      const message = event.message || "The decoder's worker could not be started."
      for (const { reject } of this.asked.splice(0)) reject(new LiveError(message))
    }
    this.ready = this.ask(parts.setup)
  }

  ask(message, transfer = []) {
    return new Promise((resolve, reject) => {
      this.asked.push({ resolve, reject })
      this.worker.postMessage(message, transfer)
    })
  }

  run({ z, raw, buffer, classify, level, until, toNoise }) {
    return this.ask({ z, raw, buffer, classify, level, until, toNoise }, buffer ? [buffer] : [])
  }

  stop() {
    this.worker.terminate()
  }
}

/** Asks the server for one code after another. */
export class ServerRunner {
  constructor(live, info) {
    this.decodeUrl = new URL(info.decode, live).href
    this.flowUrl = info.flow && new URL(info.flow.follow, live).href
    this.channels = info.image_shape[0]
    this.planes = info.likelihood === "gaussian" ? 2 : 1
    this.pixels = info.image_shape[1] * info.image_shape[2]
    this.ready = Promise.resolve()
  }

  async post(url, numbers, options = {}) {
    const headers = { "Content-Type": "application/octet-stream" }
    const asked = `${url}?${new URLSearchParams({ ...options, who: VISITOR })}`
    return (await get(asked, { method: "POST", headers, body: numbers })).arrayBuffer()
  }

  async run({ z, buffer, level, until, toNoise }) {
    const started = performance.now()
    let code = z
    if (level !== undefined) {
      const asked = toNoise ? { level, noise: true } : { level, until }
      code = new Float32Array(await this.post(this.flowUrl, z, asked))
      if (toNoise) return { code, ms: performance.now() - started }
    }
    const values = new Uint8Array(await this.post(this.decodeUrl, code))
    const { channels, pixels, planes } = this
    if (values.length !== planes * channels * pixels)
      throw new LiveError("The app sent a picture of another size.")
    const size = 4 * pixels * planes
    const to = buffer?.byteLength === size ? buffer : new ArrayBuffer(size)
    const rgba = new Uint8Array(to).fill(255)
    for (let plane = 0; plane < planes; plane++)
      for (let c = 0; c < 3; c++) {
        const from = (plane * channels + (channels === 3 ? c : 0)) * pixels
        for (let i = 0; i < pixels; i++) rgba[4 * (plane * pixels + i) + c] = values[from + i]
      }
    return { buffer: to, code: level === undefined ? null : code, ms: performance.now() - started }
  }

  stop() {}
}
