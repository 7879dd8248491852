// The map's axes until Plotly has come, which takes a browser half a second to read: the grid, the
// numbers and the titles, where Plotly will put them. Points and pictures do not wait for it.

const ROUND = [2, 5, 10]
const TITLE = 14 // pixels, as Plotly writes titles
const NARROW = { x: 80, y: 40 } // pixels between two numbers, at least

export class PlainAxes {
  constructor(chart, layout, moved) {
    Object.assign(this, { chart, layout, moved, ready: true, dragmode: null })
    this.svg = svg("svg", { width: "100%", height: "100%", "aria-hidden": true })
    this.svg.style.cssText = "position: absolute; inset: 0"
    chart.append(this.svg)
    this.place(layout.xaxis.range, layout.yaxis.range)
    this.resized = new ResizeObserver(() => this.resize())
    this.resized.observe(chart)
  }

  // The plotting area, in pixels of the chart.
  get area() {
    const { l, r, t, b } = this.layout.margin
    const { clientWidth, clientHeight } = this.chart
    return { left: l, top: t, width: clientWidth - l - r, height: clientHeight - t - b }
  }

  // Pixels for one unit of each axis.
  get scale() {
    const { width, height } = this.area
    return [width, height].map((size, k) => size / (this.ranges[k][1] - this.ranges[k][0]))
  }

  toPixels(x, y) {
    const { left, top } = this.area
    const [[low], [, high]] = this.ranges
    const [across, up] = this.scale
    return [left + (x - low) * across, top + (high - y) * up]
  }

  toData(px, py) {
    const { left, top } = this.area
    const [[low], [, high]] = this.ranges
    const [across, up] = this.scale
    return [low + (px - left) / across, high - (py - top) / up]
  }

  show(across, up) {
    this.place(across, up)
    this.moved()
  }

  drag(mode) {
    this.dragmode = mode
  }

  resize() {
    const { width, height } = this.area
    if (width > 0 && height > 0 && this.drawn !== `${width} ${height}`) this.show(...this.asked)
  }

  close() {
    this.resized.disconnect()
    this.svg.remove()
  }

  // One unit is as long on both axes, so that one of them shows more than was asked for.
  place(across, up) {
    const { width, height } = this.area
    this.drawn = `${width} ${height}`
    this.asked = [across, up]
    const unit = Math.min(...this.asked.map(([low, high], k) => [width, height][k] / (high - low)))
    this.ranges = this.asked.map(([low, high], k) => {
      const [middle, half] = [(low + high) / 2, [width, height][k] / unit / 2]
      return [middle - half, middle + half]
    })
    this.draw()
  }

  draw() {
    const { font, shapes = [], xaxis, yaxis } = this.layout
    const { left, top, width, height } = this.area
    this.svg.replaceChildren()
    const lines = this.add("g", { stroke: xaxis.gridcolor })
    const texts = this.add("g", { fill: font.color, "font-family": font.family })
    const write = (text, at, size = font.size) => {
      const made = svg("text", { "text-anchor": "middle", "font-size": size, ...at })
      made.textContent = text
      texts.append(made)
    }
    if (xaxis.showgrid) {
      for (const [value, text] of roundNumbers(this.ranges[0], width / NARROW.x)) {
        const [x] = this.toPixels(value, 0)
        lines.append(svg("line", { x1: x, x2: x, y1: top, y2: top + height }))
        write(text, { x, y: top + height + 15 })
      }
      for (const [value, text] of roundNumbers(this.ranges[1], height / NARROW.y)) {
        const [, y] = this.toPixels(0, value)
        lines.append(svg("line", { x1: left, x2: left + width, y1: y, y2: y }))
        write(text, { x: left - 3, y: y + 4, "text-anchor": "end" })
      }
    }
    for (const shape of shapes) this.drawEllipse(shape)
    write(xaxis.title.text, { x: left + width / 2, y: top + height + 36 }, TITLE)
    const [x, y] = [left - 32, top + height / 2]
    write(yaxis.title.text, { x, y, transform: `rotate(-90 ${x} ${y})` }, TITLE)
    this.add("rect", { // as Plotly's own part that is pressed
      class: "nsewdrag", x: left, y: top, width, height, fill: "transparent" })
  }

  drawEllipse({ x0, x1, y0, y1, line }) {
    const { left, top, width, height } = this.area
    const [[ax, ay], [bx, by]] = [this.toPixels(x0, y0), this.toPixels(x1, y1)]
    const inside = this.add("svg", { x: left, y: top, width, height })
    inside.append(svg("ellipse", {
      cx: (ax + bx) / 2 - left, cy: (ay + by) / 2 - top, rx: Math.abs(bx - ax) / 2,
      ry: Math.abs(by - ay) / 2, fill: "none", stroke: line.color,
      "stroke-dasharray": line.dash ? "3 3" : "none",
    }))
  }

  add(tag, attributes) {
    const made = svg(tag, attributes)
    this.svg.append(made)
    return made
  }
}

// Round numbers within a range, of which about so many fit, each with its text.
export function roundNumbers([low, high], fit) {
  const rough = (high - low) / (Math.min(Math.max(fit, 4), 9) + 1)
  const power = Math.floor(Math.log10(rough))
  const step = 10 ** power * ROUND.find((factor) => factor >= rough / 10 ** power)
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9))
  const found = []
  for (let k = Math.ceil(low / step); k * step <= high; k++) {
    found.push([k * step, String(Number((k * step).toFixed(digits))).replace("-", "−")])
  }
  return found
}

function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  return made
}
