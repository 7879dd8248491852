// Pictures side by side under one slider: the same place of different ways through the codes.
//
// Each panel says how the slider's value becomes its picture: on a line, an arc or a path through
// the learned distribution from its first code to its second; the average of its first codes, or
// their blend in the learned distribution; the first dimensions of its code; its noise, followed
// until a time; or a cross-fade of pixels.

import { Decoders, StatusLine, SyncedValue, component, element, put } from "../base.js"
import { Tracks, crossfade } from "../sliders/tracks.js"
import { arc, blend } from "../sliders/weightings.js"
import { Plot } from "./plots.js"

export class Lineup {
  constructor(root, data, send) {
    this.root = root
    this.synced = new SyncedValue((message) => send("value", message))
    this.pictures = root.querySelector(".lineup-pictures")
    this.small = root.querySelector(".lineup-small")
    this.input = root.querySelector("input")
    this.output = root.querySelector("output")
    this.plot = new Plot(root.querySelector(".lineup-plot"))
    this.tracks = new Tracks(root.querySelector(".lineup-tracks"), (value, done) => {
      this.move(this.onStep(value))
      if (done) this.synced.release()
    })
    this.status = new StatusLine(root.querySelector(".lineup-status"))
    this.decoders = new Decoders(root, this.status, { flow: true })
    this.input.oninput = () => this.move(Number(this.input.value))
    this.input.onchange = () => this.synced.release()
    this.update(data)
  }

  update(data) {
    const before = this.data
    this.data = data
    this.synced.receive(data.value)
    if (before?.layout !== data.layout) this.build(data)
    const { low, high } = data.slider
    this.tracks.build({ tracks: data.tracks, pixelated: data.shape[1] <= 32, low, high })
    this.plot.build(data.plot)
    this.show()
    this.status.watch(() => this.open(data))
  }

  async open(data) {
    if (this.shown !== data.model) this.decoder = null
    const decoders = await this.decoders.open(data.base, data.model)
    if (!decoders) return
    const [decoder] = decoders
    const noises = await Promise.all(data.panels.map(({ kind, codes, level }) =>
      kind === "learned" || kind === "blend"
        ? decoder.toNoise(Float32Array.from(codes.flat()), codes.length, level) : null))
    if (this.data !== data) return // a newer rerun takes over
    Object.assign(this, { decoder, noises, shown: data.model })
    await this.drawEnds(data)
    if (this.data !== data) return
    this.decode()
    await this.drawFrames(data)
    if (this.data === data) this.root.dataset.ready = data.layout
  }

  build({ panels, slider, shape, thumbnails, frames }) {
    this.root.style.setProperty("--lineup-aspect", `${shape[2]} / ${shape[1]}`)
    Object.assign(this.input, { min: slider.low, max: slider.high, step: slider.step })
    this.root.querySelector("label").textContent = slider.label
    this.canvases = panels.map(({ alt }) =>
      element("canvas", { width: 1, height: 1, role: "img", ariaLabel: alt }))
    this.pictures.replaceChildren(...panels.map(({ title, kind, colour }, i) =>
      element("figure", { className: kind === "fade" ? "lineup-plain" : "" }, this.canvases[i],
        element("figcaption", {},
          element("span", { className: "lineup-dot", style: `--dot: ${colour}` }), title))))
    this.frames = Array.from({ length: frames }, (_, i) => element("canvas", {
      width: 1, height: 1, onclick: () => { this.move(this.frameValue(i)); this.synced.release() },
    }))
    this.thumbnails = thumbnails.map(({ url, alt }) => {
      const image = element("img", { src: url, alt, title: alt })
      image.classList.toggle("pixelated", shape[1] <= 32)
      return image
    })
    this.small.replaceChildren(...this.frames, ...this.thumbnails)
  }

  frameValue(i) {
    const { low, high } = this.data.slider
    return this.onStep(low + ((high - low) * i) / (this.data.frames - 1))
  }

  // The nearest value that the slider can take.
  onStep(value) {
    const { low, high, step } = this.data.slider
    return Math.min(high, Math.max(low, low + Math.round((value - low) / step) * step))
  }

  // What a panel decodes at a value of the slider: {z, flow}; null for a mixture of pixels.
  codeOf({ kind, codes, level }, i, value) {
    const [a, b] = codes
    switch (kind) {
      case "line": return { z: a.map((v, k) => (1 - value) * v + value * b[k]) }
      case "arc": return { z: arc(a, b, value) }
      case "learned": return { z: arc(...this.noises[i], value), flow: { level } }
      case "mean": {
        const some = codes.slice(0, value)
        return { z: a.map((_, k) => some.reduce((sum, z) => sum + z[k], 0) / value) }
      }
      case "blend": {
        const weights = new Array(value).fill(1 / value)
        return { z: blend(this.noises[i], weights), flow: { level } }
      }
      case "first": {
        const kept = new Set(this.data.order.slice(0, value))
        return { z: a.map((v, k) => (kept.has(k) ? v : 0)) }
      }
      case "draw": return { z: a, flow: { level: 1, until: value } }
      default: return null
    }
  }

  // The pictures between which a cross-fade mixes.
  async drawEnds({ panels }) {
    const fade = panels.find(({ kind }) => kind === "fade")
    this.ends = fade
      ? (await this.decoder.decodeMany(Float32Array.from(fade.codes.flat()), 2)).map((p) => p.mean)
      : null
  }

  async drawFrames({ panels: [panel] }) {
    await Promise.all(this.frames.map(async (canvas, i) => {
      const { z, flow } = this.codeOf(panel, 0, this.frameValue(i))
      put(canvas, (await this.decoder.decode(z, { flow })).mean)
    }))
  }

  get value() {
    return this.synced.value
  }

  move(value) {
    if (value === this.value) return
    this.synced.change(value)
    this.show()
    this.decode()
  }

  show() {
    const { slider, tracks, plot, panels } = this.data
    if (Number(this.input.value) !== this.value) this.input.value = this.value
    const digits = slider.step < 1 ? 2 : 0
    this.output.textContent = `${this.value.toFixed(digits)}${slider.unit}`
    if (tracks.length) this.tracks.move(this.value)
    this.thumbnails.forEach((image, i) => image.classList.toggle("lineup-away", i >= this.value))
    const part = (this.value - slider.low) / (slider.high - slider.low || 1)
    this.frames.forEach((canvas, i) => canvas.classList.toggle("lineup-now",
      i === Math.round(part * (this.frames.length - 1))))
    if (plot?.kind === "histogram") {
      this.plot.showHistogram(this.value, panels.map((panel, i) =>
        ({ ...this.codeOf(panel, i, this.value), colour: panel.colour })))
    } else if (plot) this.plot.showPlane(part)
  }

  // Decodes all panels, and shows them together; the newest value wins. `data-decoded` says which
  // value the pictures belong to.
  decode() {
    if (!this.decoder) return
    const { value } = this
    const asked = this.data.panels.map((panel, i) => this.codeOf(panel, i, value))
    const some = asked.flatMap((found, i) => (found ? [{ ...found, i }] : []))
    delete this.root.dataset.decoded
    const flat = Float32Array.from(some.flatMap(({ z }) => [...z]))
    this.decoder.latestMany(flat, some.length, (pictures) => {
      pictures.forEach((picture, k) => put(this.canvases[some[k].i], picture.mean))
      asked.forEach((found, i) => {
        if (!found) put(this.canvases[i], crossfade(...this.ends, value))
      })
      this.root.dataset.decoded = value
    }, some.map(({ flow }) => flow ?? null))
  }

  close() {
    this.decoders.close()
  }
}

export default component(Lineup, ".lineup")
