// What stands beside the pictures: lengths of codes as a histogram, or a path among codes.

import { element, numbers } from "../base.js"
import { drawing } from "../sliders/tracks.js"

const WIDE = 600
const HIGH = 300
const FLOOR = 268 // of the histogram; its axis stands below

const lengthOf = (z) => Math.hypot(...z)

export class Plot {
  constructor(figure) {
    this.figure = figure
    this.svg = figure.querySelector("svg")
    this.caption = figure.querySelector("figcaption")
  }

  build(plot) {
    this.plot = plot
    this.figure.hidden = !plot
    if (!plot) return
    this.figure.dataset.kind = plot.kind
    this.svg.setAttribute("aria-label", plot.label)
    this.svg.setAttribute("viewBox", `0 0 ${WIDE} ${HIGH}`)
    this.caption.replaceChildren(element("div", { text: plot.label }))
    if (plot.kind === "histogram") this.buildHistogram(plot)
    else this.buildPlane(plot)
  }

  buildHistogram({ series, high }) {
    this.x = (length) => (WIDE * length) / high
    this.areas = series.map(({ colour }) => [
      drawing("path", { class: "area", fill: colour, opacity: 0.25 }),
      drawing("path", { class: "line", stroke: colour }),
    ])
    this.shell = drawing("path", { class: "shell" })
    this.name = drawing("text", { y: 18 })
    const step = high > 8 ? 2 : 1
    const ticks = Array.from({ length: Math.ceil(high / step) }, (_, k) => k * step)
    this.svg.replaceChildren(...this.areas.flat(), this.shell, this.name,
      ...ticks.map((value) => drawing("text", { x: this.x(value) + 3, y: HIGH - 8 }, value)),
      (this.marks = drawing("g", {})))
    this.caption.append(element("div", { className: "lineup-legend" }, ...series.map(
      ({ name, colour }) => element("span", {},
        element("span", { className: "lineup-dot", style: `--dot: ${colour}` }), name))))
  }

  // The share of each length in so many dimensions, and where some codes are.
  showHistogram(dimensions, codes) {
    const { series, high } = this.plot
    const shares = series.map(({ counts }) => {
      const found = counts[dimensions - 1]
      const all = found.reduce((sum, count) => sum + count, 0) || 1
      return found.map((count) => count / all)
    })
    const top = Math.max(...shares.flat())
    shares.forEach((share, k) => {
      const wide = high / share.length
      const points = share.map((part, i) =>
        `${this.x((i + 0.5) * wide).toFixed(1)} ${(FLOOR - (230 * part) / top).toFixed(1)}`)
      const line = `M0 ${FLOOR}L${points.join("L")}`
      this.areas[k][0].setAttribute("d", `${line}V${FLOOR}Z`)
      this.areas[k][1].setAttribute("d", line)
    })
    const root = this.x(Math.sqrt(dimensions))
    this.shell.setAttribute("d", `M${root} 24V${FLOOR}`)
    this.name.textContent = `√${dimensions} = ${Math.sqrt(dimensions).toFixed(2)}`
    this.name.setAttribute("x", Math.min(root, WIDE - 90))
    this.marks.replaceChildren(...codes.map(({ z, colour }) =>
      drawing("circle",
        { class: "mark", cx: this.x(lengthOf(z)), cy: FLOOR, r: 9, fill: colour })))
  }

  buildPlane({ points, path, colour }) {
    const [dots, way] = [numbers(points), numbers(path)]
    const all = [...dots, ...way]
    const side = (axis) => all.filter((_, i) => i % 2 === axis)
    const [xs, ys] = [side(0), side(1)]
    const [left, right, low, up] =
      [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
    const scale = Math.min((WIDE - 40) / (right - left || 1), (HIGH - 40) / (up - low || 1))
    const place = (flat, i) => [
      WIDE / 2 + scale * (flat[2 * i] - (left + right) / 2),
      HIGH / 2 - scale * (flat[2 * i + 1] - (low + up) / 2),
    ]
    const count = way.length / 2
    this.places = Array.from({ length: count }, (_, i) => place(way, i))
    const cloud = Array.from({ length: dots.length / 2 },
      (_, i) => `M${place(dots, i).join(" ")}h0`)
    const line = `M${this.places.map((at) => at.join(" ")).join("L")}`
    this.mark = drawing("circle", { class: "mark", r: 9, fill: colour })
    this.svg.replaceChildren(
      drawing("path", { class: "dots", d: cloud.join("") }),
      drawing("path", { class: "line", stroke: colour, d: line }),
      this.mark)
  }

  // `part` of the way from the path's start to its end.
  showPlane(part) {
    const [x, y] = this.places[Math.round(part * (this.places.length - 1))]
    this.mark.setAttribute("cx", x)
    this.mark.setAttribute("cy", y)
  }
}
