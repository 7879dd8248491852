// The points of the map, drawn into a picture, pixel by pixel: 200,000 of them as fast as 500, and
// on every machine. Plotly has the axes.

import { fetchFrom } from "../base.js"
import { Grid } from "./geometry.js"

const MOVING = 40_000 // points that are drawn while the view moves
const FEW = 100 // marks that are drawn one by one: a picture of the whole plot takes milliseconds
const MARKED = 2_000 // points that are each marked; of more, some
const CLOSE_BY = 4 // pixels within which one of those is
const STILL = 120 // milliseconds without movement, after which all are
export const MISSING = "#9aa0a8" // colour of what is not known, and of what does not count
const PROBLEM = "The points of this map could not be loaded. Reload the page."

export class Points {
  constructor(map) {
    this.map = map
    this.canvas = map.root.querySelector(".map-points")
    this.shapes = new Map() // symbol and size → the pixels of a point
  }

  // Fetches where the points lie and how they look, unless they are here.
  async load({ base, places, marks, count }) {
    const [positions, looks] = await Promise.all([
      this.places === places ? null : fetchFrom(base, places, PROBLEM),
      this.marks === marks ? null : fetchFrom(base, marks, PROBLEM),
    ])
    if (positions) {
      const block = await positions.arrayBuffer()
      this.map.grid = new Grid(new Float32Array(block, 0, count),
        new Float32Array(block, 4 * count, count))
      this.map.found = null
      this.places = places
    }
    if (looks) {
      const block = await looks.arrayBuffer()
      this.traceOf = new Uint8Array(block, 0, count)
      this.shadeOf = new Uint8Array(block, count, count)
      this.marks = marks
    }
  }

  // The traces of the figure, and the colours of its scale.
  read(traces, shades) {
    this.styles = traces.map(({ marker }) => ({
      colour: typeof marker.color === "string" ? marker.color : null,
      size: marker.size, symbol: marker.symbol ?? "circle", opacity: marker.opacity,
    }))
    this.shades = (shades ?? []).map(rgb)
    this.order = this.sorted()
  }

  // How the traces look now: colours, null for those of the scale, and how solid they are.
  style(looks) {
    looks.forEach(({ colour, opacity }, trace) => {
      Object.assign(this.styles[trace], { colour, opacity })
    })
    this.order = this.sorted()
    this.draw()
  }

  // The order in which rows are drawn: what is not known, train images, then all others, of which
  // no class covers another.
  sorted() {
    const rank = this.styles.map(({ colour, symbol }) => (
      colour === MISSING ? 0 : symbol.endsWith("-open") ? 1 : 2))
    const starts = [0, 0, 0]
    for (const trace of this.traceOf) if (rank[trace] < 2) starts[rank[trace] + 1]++
    starts[2] += starts[1]
    const order = new Uint32Array(this.traceOf.length)
    this.traceOf.forEach((trace, row) => { order[starts[rank[trace]]++] = row })
    return order
  }

  // Draws while the view moves: a part of the points where they are many, and all afterwards.
  move() {
    clearTimeout(this.timer)
    if (this.draw(MOVING)) this.timer = setTimeout(() => this.draw(), STILL)
  }

  // Draws at most so many of the points in view; true where they are more.
  draw(most = Infinity) {
    const { map } = this
    if (!map.axes.ready || !map.grid || !this.styles || this.order?.length !== map.grid.x.length) {
      return false
    }
    if (most === Infinity) clearTimeout(this.timer)
    const scale = window.devicePixelRatio || 1
    const context = map.layers.fit(this.canvas)
    const shapes = this.styles.map(({ symbol, size }) => this.shapeOf(symbol, size * scale))
    const margin = Math.max(0, ...shapes.map(({ reach }) => reach))
    const [seen, left, top, width, height] = this.inView(scale, margin)
    if (!seen) return false
    const looks = this.styles.map((style, k) => look(style, shapes[k], width + 2 * margin))
    const image = this.buffer(width + 2 * margin, height + 2 * margin)
    const pixels = new Uint8Array(image.data.buffer)
    const step = Math.max(1, Math.ceil(seen / most))
    const { order, traceOf, shadeOf, at, shades } = this
    for (let k = 0, passed = 0; k < order.length; k++) {
      const row = order[k]
      if (at[row] < 0 || passed++ % step) continue
      const drawn = looks[traceOf[row]]
      stamp(pixels, 4 * at[row], drawn, drawn.colour ?? shades[shadeOf[row]])
    }
    unmultiply(pixels)
    context.putImageData(image, left - margin, top - margin, margin, margin, width, height)
    return step > 1
  }

  // Lays a mark around some rows over what a context shows; where many are close, around one.
  mark(context, rows, colour, symbol, size) {
    if (rows.length <= FEW) {
      this.markEach(context, rows, colour, symbol, size)
      return
    }
    const scale = window.devicePixelRatio || 1
    const drawn = this.shapeOf(symbol, size * scale)
    const margin = drawn.reach
    const [, left, top, width, height] = this.inView(scale, margin)
    const wide = width + 2 * margin
    const sheet = new OffscreenCanvas(wide, height + 2 * margin)
    const image = new ImageData(wide, sheet.height)
    const pixels = new Uint8Array(image.data.buffer)
    context.fillStyle = colour // a canvas writes every colour in one of two ways
    const ring = look({ colour: context.fillStyle, opacity: 1 }, drawn, wide)
    const cells = Math.ceil(wide / CLOSE_BY)
    const taken = new Uint8Array(cells * Math.ceil(sheet.height / CLOSE_BY))
    for (const row of rows) {
      const at = this.at[row]
      if (at < 0) continue
      const cell = Math.floor((at % wide) / CLOSE_BY) + cells * Math.floor(at / wide / CLOSE_BY)
      if (rows.length > MARKED && taken[cell]) continue
      taken[cell] = 1
      stamp(pixels, 4 * at, ring, ring.colour)
    }
    unmultiply(pixels)
    sheet.getContext("2d").putImageData(image, 0, 0)
    context.save()
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.drawImage(sheet, left - margin, top - margin)
    context.restore()
  }

  markEach(context, rows, colour, symbol, size) {
    const { axes, grid } = this.map
    for (const row of rows) {
      const [x, y] = axes.toPixels(grid.x[row], grid.y[row])
      context.save()
      context.translate(Math.round(x) + 0.5, Math.round(y) + 0.5) // as points lie
      drawShape(context, symbol, size, colour)
      context.restore()
    }
  }

  // Where each row lies in the picture, in pixels from its first one, -1 outside: how many are
  // inside, and the area of the plot in pixels of the screen.
  inView(scale, margin) {
    const { axes: { area, ranges }, grid: { x, y } } = this.map
    const [left, top, width, height] = [area.left, area.top, area.width, area.height]
      .map((size) => Math.round(size * scale))
    const [[x0, x1], [y0, y1]] = ranges
    const [across, up] = [width / (x1 - x0), height / (y1 - y0)]
    if (this.at?.length !== x.length) this.at = new Int32Array(x.length)
    const { at } = this
    const wide = width + 2 * margin
    let seen = 0
    for (let row = 0; row < x.length; row++) {
      const px = Math.round((x[row] - x0) * across)
      const py = Math.round((y1 - y[row]) * up)
      const inside = px >= 0 && py >= 0 && px < width && py < height
      at[row] = inside ? (py + margin) * wide + px + margin : -1
      if (inside) seen++
    }
    return [seen, left, top, width, height]
  }

  // An empty picture; the last one is used again where it fits.
  buffer(width, height) {
    if (this.image?.width === width && this.image.height === height) this.image.data.fill(0)
    else this.image = new ImageData(width, height)
    return this.image
  }

  shapeOf(symbol, size) {
    const name = `${symbol} ${size}`
    if (!this.shapes.has(name)) this.shapes.set(name, shape(symbol, size))
    return this.shapes.get(name)
  }

  // Places and looks of each trace, for a picture as vectors.
  traces() {
    const { map: { grid }, traceOf, shadeOf } = this
    const found = this.styles.map(({ colour, opacity }) => (
      { x: [], y: [], shades: [], colour, opacity }))
    traceOf.forEach((trace, row) => {
      found[trace].x.push(grid.x[row])
      found[trace].y.push(grid.y[row])
      found[trace].shades.push(shadeOf[row] / 255)
    })
    return found
  }
}

// A point in a picture that is so wide: where its pixels lie from its middle, how solid each is.
function look({ colour, opacity }, { across, down, covered }, wide) {
  return {
    colour: colour && rgb(colour),
    offsets: Int32Array.from(across, (dx, k) => 4 * (down[k] * wide + dx)),
    weights: Int32Array.from(covered, (share) => Math.round(share * opacity)),
  }
}

// Lays a point over what is there; colours are multiplied by how much they cover.
function stamp(pixels, at, { offsets, weights }, [red, green, blue]) {
  for (let k = 0; k < offsets.length; k++) {
    const p = at + offsets[k]
    const share = weights[k]
    const rest = 256 - share
    pixels[p] = (red * share + pixels[p] * rest) >> 8
    pixels[p + 1] = (green * share + pixels[p + 1] * rest) >> 8
    pixels[p + 2] = (blue * share + pixels[p + 2] * rest) >> 8
    pixels[p + 3] = (255 * share + pixels[p + 3] * rest) >> 8
  }
}

// From multiplied colours to those that a canvas takes.
function unmultiply(pixels) {
  const whole = new Uint32Array(pixels.buffer)
  for (let i = 0; i < whole.length; i++) {
    if (!whole[i]) continue
    const p = 4 * i
    const factor = 255 / (pixels[p + 3] || 1)
    for (let c = p; c < p + 3; c++) pixels[c] = pixels[c] * factor + 0.5
  }
}

// Which pixels a shape covers, of 256, and how far it reaches from its middle.
function shape(symbol, size) {
  const reach = Math.ceil(0.7 * size) + 1
  const side = 2 * reach + 1
  const context = new OffscreenCanvas(side, side).getContext("2d")
  context.translate(reach + 0.5, reach + 0.5)
  drawShape(context, symbol, size, "black")
  const { data } = context.getImageData(0, 0, side, side)
  const found = { reach, across: [], down: [], covered: [] }
  for (let i = 0; i < side * side; i++) {
    const covered = data[4 * i + 3]
    if (covered < 8) continue
    found.across.push((i % side) - reach)
    found.down.push(Math.floor(i / side) - reach)
    found.covered.push((covered * 256) / 255)
  }
  return found
}

// Draws a symbol about a context's origin.
export function drawShape(context, symbol, size, colour) {
  const [kind, open] = symbol.endsWith("-open") ? [symbol.slice(0, -5), true] : [symbol, false]
  const r = size / 2
  context.beginPath()
  if (kind === "square") context.rect(-r, -r, size, size)
  else if (kind === "diamond") polygon(context, [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]], r)
  else if (kind === "triangle-up") polygon(context, [[0, -1.2], [1.2, 1], [-1.2, 1]], r)
  else context.arc(0, 0, r, 0, 2 * Math.PI)
  context.lineWidth = Math.max(1, size / 5)
  context.strokeStyle = context.fillStyle = colour
  if (open) context.stroke()
  else context.fill()
}

function polygon(context, corners, r) {
  for (const [x, y] of corners) context.lineTo(x * r, y * r)
  context.closePath()
}

// Red, green and blue of a colour as CSS writes it.
export function rgb(colour) {
  if (colour.startsWith("#")) return [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16))
  return colour.match(/[\d.]+/g).slice(0, 3).map((part) => Math.round(Number(part)))
}
