// Below the slider of a path: pictures and curves that share its axis. A line follows the slider,
// and each curve says its value there.

import { clamp, element } from "../base.js"

const SVG = "http://www.w3.org/2000/svg"

export function drawing(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  if (text !== undefined) made.textContent = text
  return made
}

export class Tracks {
  constructor(parent, onpick) {
    this.parent = parent
    this.onpick = onpick // (t, done) => …
    this.read = []
    this.lines = []
  }

  build({ tracks, pixelated, low, high }) {
    Object.assign(this, { low, high })
    this.read = []
    this.lines = []
    this.parent.replaceChildren(...tracks.map((track) =>
      track.kind === "pictures" ? this.pictures(track, pixelated) : this.curves(track)))
  }

  header(label) {
    return element("header", {}, element("span", { className: "track-label", text: label }))
  }

  pictures({ label, items }, pixelated) {
    const images = items.map(({ url, alt }) => {
      const image = element("img", { src: url, alt, title: alt })
      image.classList.toggle("pixelated", pixelated)
      return image
    })
    return element("section", { className: "track" }, this.header(label),
      element("div", { className: "live-strip" }, ...images))
  }

  curves({ label, at, low, high, ends, curves, bands, shaded, empty }) {
    const header = this.header(label)
    const svg = drawing("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none" })
    const x = (t) => (1000 * (t - this.low)) / (this.high - this.low)
    const y = (value) => 97 - (94 * (value - low)) / (high - low || 1)
    for (const [from, to] of shaded) {
      svg.append(drawing("rect", { class: "track-outside", x: x(from), width: x(to) - x(from),
        y: 0, height: 100 }))
    }
    for (const { from, to, colour, name } of bands) {
      svg.append(drawing("rect", { x: 0, y: y(to), width: 1000,
        height: Math.max(y(from) - y(to), 1), fill: colour, opacity: 0.18 }))
      header.append(element("span", { className: "track-read", text: name,
        style: `--dot: ${colour}66` }))
    }
    for (const { colour, values, area, name, unit, digits } of curves) {
      const points = values.flatMap((value, i) =>
        value === null ? [] : [`${x(at[i]).toFixed(1)},${y(value).toFixed(2)}`])
      const path = points.length ? `M${points.join("L")}` : ""
      const below = `${path}V100H${x(at[0])}Z`
      if (area && path) svg.append(drawing("path", { d: below, fill: colour, opacity: 0.3 }))
      svg.append(drawing("path", { d: path, class: "track-curve", stroke: colour }))
      const read = element("span", { className: "track-read", style: `--dot: ${colour}` })
      header.append(read)
      this.read.push((t) => {
        const away = at.map((position) => Math.abs(position - t))
        const i = away.indexOf(Math.min(...away))
        const value = values[i]
        const text = value === null ? "–"
          : value === 0 && empty ? empty : `${value.toFixed(digits)}${unit}`
        read.textContent = name ? `${name} ${text}` : text
      })
    }
    for (const t of [0, 1]) {
      if (this.low >= t || t >= this.high) continue
      svg.append(drawing("path", { d: `M${x(t)},0V100`, class: "track-end" }))
    }
    const line = element("div", { className: "track-line" })
    this.lines.push(line)
    const [top, bottom] = ends.map((text) => element("span", { text }))
    const plot = element("div", { className: "track-plot" }, svg, line)
    const pick = (event, done) => {
      const box = plot.getBoundingClientRect()
      const part = clamp((event.clientX - box.left) / box.width, 0, 1)
      this.onpick(this.low + part * (this.high - this.low), done)
    }
    plot.onpointerdown = (event) => { plot.setPointerCapture(event.pointerId); pick(event, false) }
    plot.onpointermove = (event) => { if (event.buttons) pick(event, false) }
    plot.onpointerup = (event) => pick(event, true)
    return element("section", { className: "track" }, header,
      element("div", { className: "track-frame" },
        element("div", { className: "track-ends", ariaHidden: "true" }, top, bottom), plot))
  }

  move(t) {
    const part = (100 * (t - this.low)) / (this.high - this.low)
    for (const line of this.lines) line.style.left = `${part}%`
    for (const read of this.read) read(t)
  }
}

// Mixes two pictures pixel by pixel: what a path through the latent space is not.
export function crossfade(a, b, t) {
  const mixed = new ImageData(a.width, a.height)
  for (let i = 0; i < mixed.data.length; i++) mixed.data[i] = (1 - t) * a.data[i] + t * b.data[i]
  return mixed
}
