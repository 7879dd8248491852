// Requests of which only the newest counts, and the pictures that they fill again and again.

/** Newest wins: holds one request of `n` codes at a time, and replaces what has not begun. */
export class Latest {
  constructor(handle, inFlight) {
    this.handle = handle
    this.room = inFlight
    this.waiting = null
    this.current = null // the request whose codes are being handed out
    this.number = 0
    this.shown = 0
    this.running = 0
    this.pictures = []
    this.spare = [] // buffers that went to a worker and back
  }

  ask(zs, n, callback, flows) {
    this.waiting = { zs: Float32Array.from(zs), n, callback, flows, number: ++this.number }
    this.handle.engine.pump()
  }

  take() {
    if (!this.current) {
      if (!this.waiting || this.running >= this.room) return null
      this.current = { ...this.waiting, begun: 0, finished: 0, replies: [] }
      this.waiting = null
      this.running++
    }
    const request = this.current
    const index = request.begun++
    if (request.begun === request.n) this.current = null
    const d = this.handle.latentDim
    return {
      z: request.zs.subarray(index * d, (index + 1) * d),
      buffer: this.spare.pop() ?? null,
      raw: false,
      classify: request.n === 1,
      ...onFlow(request.flows[index]),
      done: (reply) => this.finish(request, index, reply),
      failed: (error) => this.finish(request, index, null, error),
    }
  }

  finish(request, index, reply, error = null) {
    request.replies[index] = reply
    request.error ??= error
    if (++request.finished < request.n) return
    this.running--
    const overtaken = request.number < this.shown || this.handle.closed
    if (request.error) {
      if (!overtaken) this.handle.onerror?.(request.error)
    } else if (!overtaken) {
      this.shown = request.number
      while (this.pictures.length < request.n) this.pictures.push(blank(this.handle))
      request.replies.forEach((reply, i) => refill(this.pictures[i], reply))
    }
    for (const kept of request.replies) if (kept) this.spare.push(kept.buffer)
    this.spare.length = Math.min(this.spare.length, this.room * request.n)
    if (!overtaken && !request.error) request.callback(this.pictures.slice(0, request.n))
  }
}

export function blank({ shape, likelihood }) {
  const [, height, width] = shape
  const deviation = likelihood === "gaussian" ? new ImageData(width, height) : null
  const mean = new ImageData(width, height)
  return { mean, deviation, raw: null, code: null, scores: null, ms: 0 }
}

export function refill(picture, { buffer, code = null, scores = null, ms }) {
  const size = picture.mean.data.length
  picture.mean.data.set(new Uint8Array(buffer, 0, size))
  picture.deviation?.data.set(new Uint8Array(buffer, size, size))
  Object.assign(picture, { code, scores, ms })
}

// What a job is told of the flow; nothing where a code is decoded as it is.
export function onFlow(flow) {
  return flow ? { level: flow.level, until: flow.until ?? 1 } : {}
}
