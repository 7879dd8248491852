// The legend: what the colours and shapes of the points mean. A click on an entry greys all other
// points, a second one brings them back.

import { element, theme } from "../base.js"
import { MISSING, drawShape } from "./points.js"

const FAINT = 0.25 // how solid points are drawn that do not count
const DOT = 14 // pixels of a point's picture in the legend
const SYMBOL = 9 // pixels of the point in it
const SHARP = 2 // pixels of those pictures for each of the screen's

export class Legend {
  constructor(map) {
    this.map = map
    this.root = map.root.querySelector(".map-legend")
    this.only = null // the entry that counts; null: all do
  }

  read(traces, layout, fresh) {
    if (fresh) this.only = null
    this.entries = traces.map((trace) => trace.legendgroup)
    this.colours = traces.map((trace) => trace.marker.color)
    this.styled = JSON.stringify([null, this.map.data.opacity]) // as the figure is
    this.readVisible()
    const named = traces.filter(({ showlegend }) => showlegend)
    const scaled = ({ marker }) => typeof marker.color !== "string"
    this.root.hidden = named.length < 2 && !named.some(scaled)
    this.buttons = this.root.hidden ? [] : named.map((trace) => {
      const name = element("span", { text: trace.legendgroup })
      return this.button(trace.legendgroup, ...(scaled(trace)
        ? [name, ...scaleOf(trace.marker, layout.meta.shades)] : [pointOf(trace.marker), name]))
    })
    this.root.replaceChildren(...this.buttons)
    this.press()
  }

  button(entry, ...parts) {
    const made = element("button", { type: "button", className: "map-entry" }, ...parts)
    made.onclick = () => this.click(entry)
    made.dataset.entry = entry
    return made
  }

  press() {
    for (const button of this.buttons) {
      button.ariaPressed = String(this.only === button.dataset.entry)
      button.classList.toggle("faint", this.only !== null && this.only !== button.dataset.entry)
    }
  }

  click(entry) {
    this.only = this.only === entry ? null : entry
    this.readVisible()
    this.press()
    this.style()
    this.map.layers.drawOverlay()
    this.map.status.say(this.only === null ? "All points count again."
      : "What is grey does not count now. Click the same entry again to undo this.")
  }

  counts(trace) {
    return this.only === null || this.entries[trace] === this.only
  }

  // What is grey is neither found nor lassoed nor drawn as a picture.
  readVisible() {
    const counted = this.entries.map((_, trace) => Number(this.counts(trace)))
    this.map.visible = this.map.points.traceOf.map((trace) => counted[trace])
  }

  style() {
    const { map } = this
    const opacity = map.layers.shown.sheet ? 0.75 : map.data.opacity
    const styled = JSON.stringify([this.only, opacity])
    if (!this.entries || this.styled === styled) return
    this.styled = styled
    map.points.style(this.colours.map((colour, trace) => (this.counts(trace)
      ? { opacity, colour: typeof colour === "string" ? colour : null }
      : { opacity: FAINT, colour: MISSING })))
  }

  // A picture of all of it, as wide as the map, and two pixels for each of the screen's; null
  // where there is none.
  picture() {
    if (this.root.hidden) return null
    this.root.classList.add("whole") // without what scrolls
    const { x, y, width, height } = this.root.getBoundingClientRect()
    const made = new OffscreenCanvas(SHARP * width, SHARP * height)
    const context = made.getContext("2d")
    context.scale(SHARP, SHARP)
    context.font = getComputedStyle(this.root).font
    context.fillStyle = theme(this.map.root, "text-color")
    context.textBaseline = "middle"
    for (const part of this.root.querySelectorAll("canvas, span")) {
      const at = part.getBoundingClientRect()
      const [left, top] = [at.x - x, at.y - y]
      if (part.tagName === "CANVAS") context.drawImage(part, left, top, at.width, at.height)
      else context.fillText(part.textContent, left, top + at.height / 2)
    }
    this.root.classList.remove("whole")
    return made
  }
}

// A point as the map draws it.
function pointOf({ color, symbol = "circle" }) {
  const canvas = element("canvas", { width: SHARP * DOT, height: SHARP * DOT })
  canvas.style.cssText = `width: ${DOT}px; height: ${DOT}px`
  const context = canvas.getContext("2d")
  context.scale(SHARP, SHARP)
  context.translate(DOT / 2, DOT / 2)
  drawShape(context, symbol, SYMBOL, color)
  return canvas
}

// The colours between two numbers, and what lies beyond them, which has the colour of the end.
function scaleOf({ cmin, cmax }, shades) {
  const canvas = element("canvas", { className: "map-scale", width: shades.length, height: 1 })
  const context = canvas.getContext("2d")
  shades.forEach((shade, k) => {
    context.fillStyle = shade
    context.fillRect(k, 0, 1, 1)
  })
  const [low, high] = [cmin, cmax].map((value) => shortened(value, cmax - cmin))
  return [element("span", { text: `≤ ${low}` }), canvas, element("span", { text: `≥ ${high}` })]
}

// A number with as many digits as tell hundredths of a range apart.
function shortened(value, range) {
  const digits = range > 0 ? Math.max(0, Math.ceil(1.5 - Math.log10(range))) : 2
  return (digits > 6 ? value.toPrecision(3) : value.toFixed(digits)).replace("-", "−")
}
