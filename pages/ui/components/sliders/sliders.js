// Sliders that act while they are dragged: the browser decodes, Python hears on release.

import { Decoders, StatusLine, SyncedValue, component, element, put } from "../base.js"
import { released } from "../release/released.js"
import { Square } from "./square.js"
import { Telling } from "./telling.js"
import { Tracks, crossfade } from "./tracks.js"
import { codesAt } from "./weightings.js"

export class LiveDecoder {
  constructor(root, data) {
    this.root = root
    this.synced = new SyncedValue((message) => released.say(this.data.key, message))
    this.screens = root.querySelector(".live-screens")
    this.rows = root.querySelector(".live-rows")
    this.tracks = new Tracks(root.querySelector(".live-tracks"), (t, done) => {
      this.stop()
      this.set(0, t)
      if (done) this.synced.release()
    })
    this.square = new Square(root.querySelector(".live-square"),
      (at) => this.move(at, -1), () => this.synced.release())
    this.status = new StatusLine(root.querySelector(".live-status"))
    this.telling = new Telling(root.querySelector(".live-telling"))
    // Whether there is a level, or something to tell, is the same for its whole life.
    const parts = { flow: data.level !== null, classifier: Boolean(data.tells) }
    this.decoders = new Decoders(root, this.status, parts)
    this.asked = new Map() // what is to be painted → the newest request for it
    this.update(data)
  }

  update(data) {
    const before = this.data
    this.data = data
    this.flow = data.level === null ? null : { level: data.level }
    this.root.style.setProperty("--live-size", `${data.size}px`)
    this.root.style.setProperty("--live-aspect", `${data.shape[2]} / ${data.shape[1]}`)
    this.synced.receive(data.values)
    if (before?.layout !== data.layout) this.build()
    this.root.dataset.weighting = data.weighting
    if (data.tracks) this.buildTracks()
    this.telling.update(data)
    this.square.root.hidden = data.weighting !== "bilinear"
    this.show()
    this.status.watch(() => this.decode(data))
  }

  async decode(data) {
    if (this.shown !== data.model) this.decoder = null
    const decoders = await this.decoders.open(data.base, data.model)
    if (!decoders) return
    this.decoder = decoders[0]
    this.shown = data.model
    await Promise.all([this.drawStills(), this.drawEnds()])
    if (this.data !== data) return // a newer rerun takes over
    this.moved(-1)
    if (data.weighting === "bilinear") await this.square.draw(this.decoder, data, this.flow)
    this.root.dataset.ready = data.layout
  }

  build() {
    const { bases, sliders, strip, before, gaussian, weighting } = this.data
    this.live = []
    this.stills = []
    const screen = (kind, caption, label) => {
      const canvas = element("canvas", { width: 1, height: 1, role: "img", ariaLabel: label })
      this.screens.append(element("figure", { className: kind }, canvas,
        element("figcaption", { text: caption })))
      return canvas
    }
    this.screens.replaceChildren()
    for (const { title } of bases) {
      if (before) this.stills.push(screen("live-still", `${title}, before`, `${title}, before`))
      this.live.push({
        mean: screen("live-now", before ? "now · generated" : title, `${title}, decoded now`),
        sigma: gaussian && bases.length === 1
          ? screen("live-sigma", "standard deviation",
            "Predicted standard deviation of every pixel")
          : null,
      })
    }
    const mixed = "Cross-fade of the two pictures"
    this.fade = this.data.crossfade ? screen("live-still", mixed, mixed) : null
    this.near = null
    if (this.data.nearest) {
      this.near = element("img", { alt: "" })
      this.near.classList.toggle("pixelated", this.data.shape[1] <= 32)
      this.screens.append(element("figure", { className: "live-still" }, this.near,
        element("figcaption", { text: "Nearest real image" })))
    }
    this.fades = null
    this.ends = null
    this.rows.replaceChildren()
    this.inputs = []
    this.strips = []
    if (weighting === "bilinear") return
    sliders.forEach((slider, k) => {
      const id = `${this.data.key}-${k}`
      const input = element("input", {
        type: "range", id, min: slider.low, max: slider.high, step: slider.step,
      })
      const output = element("output", { htmlFor: id })
      const header = element("header", {}, element("label", { htmlFor: id, text: slider.label }))
      if (this.data.play && sliders.length === 1) header.append(this.playButton())
      header.append(output)
      const frames = Array.from({ length: strip }, (_, i) => element("canvas", {
        width: 1, height: 1, role: "img",
        ariaLabel: `${slider.label}: ${this.frameValue(slider, i).toFixed(2)}`,
        onclick: () => { this.set(k, this.frameValue(slider, i)); this.synced.release() },
      }))
      if (slider.low < 0 && slider.high > 0) { // ticks, and frames around what is unchanged
        const marks = this.data.play ? [[0, "A"], [1, "B"]] : [[0, "0: unchanged"]]
        input.setAttribute("list", `${id}-zero`)
        header.append(element("datalist", { id: `${id}-zero` },
          ...marks.map(([value]) => element("option", { value }))))
        frames.forEach((canvas, i) => {
          const at = this.frameValue(slider, i)
          const mark = marks.find(([value]) => Math.abs(at - value) < 1e-9)
          if (!mark) return
          canvas.style.boxShadow = "0 0 0 2px var(--st-text-color)"
          canvas.title = mark[1]
        })
      }
      this.rows.append(element("div", { className: "live-row" }, header, input,
        element("div", { className: "live-strip" }, ...frames)))
      input.oninput = () => { this.stop(); this.set(k, Number(input.value)) }
      input.onchange = () => this.synced.release()
      input.ondblclick = () => { this.set(k, slider.value); this.synced.release() }
      this.inputs.push({ input, output })
      this.strips.push(frames)
    })
    if (this.fade) {
      this.fades = Array.from({ length: strip }, () => element("canvas", { width: 1, height: 1 }))
      this.rows.append(element("section", { className: "track" },
        this.tracks.header(
          "The same steps as a cross-fade of the two pictures, not a latent path"),
        element("div", { className: "live-strip" }, ...this.fades)))
    }
  }

  buildTracks() {
    const { tracks, shape, strip, outside, sliders: [slider] } = this.data
    this.root.style.setProperty("--live-frames", strip)
    this.root.dataset.aligned = true
    this.tracks.build({ tracks, pixelated: shape[1] <= 32, low: slider.low, high: slider.high })
    this.strips[0].forEach((canvas, i) => {
      const t = this.frameValue(slider, i)
      canvas.classList.toggle("live-outside", outside.some(([from, to]) => from <= t && t <= to))
    })
  }

  // The two pictures at the ends of a path, and their cross-fades.
  async drawEnds() {
    if (!this.fade) return
    const flat = Float32Array.from([...codesAt(this.data, [0])[0], ...codesAt(this.data, [1])[0]])
    const ticket = (this.endsTicket = {})
    const pictures = await this.decoder.decodeMany(flat, 2, { flow: this.flow })
    const ends = pictures.map((picture) => picture.mean)
    if (ticket !== this.endsTicket) return
    this.ends = ends
    this.fades.forEach((canvas, i) =>
      put(canvas, crossfade(...ends, this.frameValue(this.data.sliders[0], i))))
  }

  frameValue(slider, i) {
    const { strip } = this.data
    return strip < 2 ? slider.low
      : slider.low + ((slider.high - slider.low) * i) / (strip - 1)
  }

  playButton() {
    this.player = element("button", { type: "button", text: "Play", onclick: () => {
      if (this.playing) { this.stop(); this.synced.release(); return }
      this.player.textContent = "Pause"
      const { low, high } = this.data.sliders[0]
      const started = performance.now()
      const from = (this.values[0] - low) / (high - low)
      const frame = (now) => {
        // There and back in four seconds each way.
        const phase = (from + (now - started) / 4000) % 2
        this.set(0, low + (high - low) * (phase < 1 ? phase : 2 - phase))
        this.playing = requestAnimationFrame(frame)
      }
      this.playing = requestAnimationFrame(frame)
    } })
    return this.player
  }

  stop() {
    if (!this.playing) return
    cancelAnimationFrame(this.playing)
    this.playing = null
    this.player.textContent = "Play"
  }

  get values() {
    return this.synced.value
  }

  set(k, value) {
    this.move(this.values.with(k, value), k)
  }

  // Every slider to its value; along its own slider k the strip stays as it is.
  move(values, k) {
    this.synced.change(values)
    this.show()
    this.moved(k)
  }

  show() {
    this.inputs.forEach(({ input, output }, k) => {
      const slider = this.data.sliders[k]
      if (Number(input.value) !== this.values[k]) input.value = this.values[k]
      output.textContent = `${this.values[k].toFixed(2)}${slider.unit ? ` ${slider.unit}` : ""}`
    })
    if (this.data.tracks) this.tracks.move(this.values[0])
    if (this.near) {
      const { which, items } = this.data.nearest
      const { low, high } = this.data.sliders[0]
      const part = (this.values[0] - low) / (high - low)
      const { url, alt } = items[which[Math.round(part * (which.length - 1))]]
      if (this.near.alt !== alt) Object.assign(this.near, { src: url, alt, title: alt })
    }
    if (this.data.weighting === "bilinear") this.square.show(this.values)
  }

  // Decodes where the sliders stand now. The newest wins; strips follow after the large pictures.
  // `data-decoded` says which values all pictures belong to, and is missing while they do not.
  moved(k) {
    if (!this.decoder) return
    const codes = codesAt(this.data, this.values)
    if (this.ends) put(this.fade, crossfade(...this.ends, this.values[0]))
    const paint = (picture, i) => {
      put(this.live[i].mean, picture.mean)
      if (this.live[i].sigma && picture.deviation) put(this.live[i].sigma, picture.deviation)
    }
    delete this.root.dataset.decoded
    if (codes.length === 1) {
      const painted = this.ask("large")
      const { values, decoder: { classifier } } = this
      this.decoder.latest(codes[0], (picture) => {
        paint(picture, 0)
        painted()
        const z = picture.code ?? codes[0]
        this.telling.move(values, this.data.bases[0].z, z, picture.scores, classifier)
      }, this.flow)
    }
    const zs = []
    const canvases = []
    if (codes.length > 1) codes.forEach((z, i) => { zs.push(z); canvases.push([i]) })
    this.strips.forEach((frames, j) => {
      if (j === k) return // along its own slider nothing changes
      frames.forEach((canvas, i) => {
        const values = [...this.values]
        values[j] = this.frameValue(this.data.sliders[j], i)
        zs.push(codesAt(this.data, values)[0])
        canvases.push(canvas)
      })
    })
    if (!zs.length) return
    const flat = new Float32Array(zs.length * zs[0].length)
    zs.forEach((z, i) => flat.set(z, i * z.length))
    const painted = this.ask("many")
    this.decoder.latestMany(flat, zs.length, (pictures) => {
      pictures.forEach((picture, i) => {
        const canvas = canvases[i]
        if (Array.isArray(canvas)) paint(picture, canvas[0])
        else put(canvas, picture.mean)
      })
      painted()
    }, zs.map(() => this.flow))
  }

  // Notes that pictures are asked for; gives the function to call once they are painted.
  ask(what) {
    const ticket = {}
    this.asked.set(what, ticket)
    return () => {
      if (this.asked.get(what) === ticket) this.asked.delete(what)
      if (!this.asked.size) this.root.dataset.decoded = this.values.join()
    }
  }

  async drawStills() {
    const rest = this.data.weighting === "linear" ? this.data.vectors.map(() => 0) : this.values
    const codes = codesAt(this.data, rest)
    for (const [i, canvas] of this.stills.entries()) {
      const options = { flow: this.flow, classify: true }
      const { mean, scores } = await this.decoder.decode(codes[i], options)
      put(canvas, mean)
      if (i === 0) this.telling.startFrom(scores)
    }
  }

  close() {
    this.stop()
    this.telling.close()
    this.decoders.close()
  }
}

export default component(LiveDecoder, ".live-decoder")
