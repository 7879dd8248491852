// What lies over and under the points: pictures, groups, pins, a sheet of decoded images.

import { clamp, theme } from "../base.js"
import { nearestCodes } from "./geometry.js"
import { Tiles } from "./tiles.js"

const TIED = 6 // codes to which a pin has lines
const CROWD = 160 // pictures of real images appear when at most so many points are in view
const CLOSE = 0.35 // or when the view is so narrow beside the whole map: then some, with space
const SPACE = 70 // pixels between those

export class Layers {
  constructor(map) {
    this.map = map
    this.over = map.root.querySelector(".map-overlay")
    this.under = map.root.querySelector(".map-sheet")
    this.shown = { thumbnails: true, sheet: false, neighbours: true }
    this.nearest = new WeakMap() // pin → rows of the codes nearest to it
    this.tiles = new Tiles(map)
    this.sheetBox = map.root.querySelector("[data-layer=sheet]")
  }

  // A plane that is the whole space opens with its sheet.
  openSheet(whole) {
    if (this.sheetChosen) return
    this.sheetChosen = true
    this.sheetBox.checked = this.shown.sheet = whole
    this.map.legend.style()
  }

  toggle(layer, shown) {
    if (layer === "regions") {
      this.map.regions.toggle(shown)
      return
    }
    this.shown[layer] = shown
    this.drawOverlay()
    if (layer !== "sheet") return
    this.sheetChosen = true
    this.map.legend.style()
    if (shown) this.drawSheet()
    else this.paintSheet()
  }

  // What is decoded behind the points.
  drawBehind() {
    return Promise.all([this.shown.sheet && this.drawSheet(), this.map.regions.draw()])
  }

  fit(canvas) {
    const scale = window.devicePixelRatio || 1
    const { clientWidth: width, clientHeight: height } = this.map.stage
    const [across, down] = [width, height].map((size) => Math.round(size * scale))
    if (canvas.width !== across || canvas.height !== down) {
      Object.assign(canvas, { width: across, height: down })
    }
    const context = canvas.getContext("2d")
    context.setTransform(scale, 0, 0, scale, 0, 0)
    context.clearRect(0, 0, width, height)
    return context
  }

  // Pictures of real images, groups, what was searched for, pins and placed items.
  drawOverlay() {
    if (!this.map.axes.ready || !this.map.grid || !this.map.family) return
    const context = this.fit(this.over)
    context.save()
    this.clip(context)
    if (this.shown.thumbnails) this.drawThumbnails(context)
    const primary = theme(this.map.root, "primary-color")
    for (const [name, colour] of [["A", theme(this.map.root, "orange-color")],
      ["B", theme(this.map.root, "violet-color")]]) {
      this.ring(context, this.map.groups.value[name] || [], colour, 4.5, name === "B")
    }
    if (this.map.found) this.ring(context, this.map.found, primary, 7)
    const pins = this.map.led ? [...this.map.pins.value, this.map.led] : this.map.pins.value
    if (this.shown.neighbours && pins.length) this.drawTies(context, pins.at(-1))
    for (const pin of pins) this.drawPin(context, pin, primary)
    context.restore()
  }

  // Only the plotting area is drawn on.
  clip(context) {
    const { left, top, width, height } = this.map.axes.area
    context.beginPath()
    context.rect(left, top, width, height)
    context.clip()
  }

  drawThumbnails(context) {
    const { axes, grid, visible } = this.map
    const { left, top, width, height } = axes.area
    const [x0, y1] = axes.toData(left, top)
    const [x1, y0] = axes.toData(left + width, top + height)
    const close = (x1 - x0) / (grid.cell * grid.side) < CLOSE
    let rows = grid.inside(x0, x1, y0, y1, visible, close ? Infinity : CROWD)
    if (!rows?.length) return
    if (rows.length > CROWD) rows = this.spaced(rows)
    this.tiles.need(rows)
    const size = Math.max(22, Math.min(56, 0.5 * Math.sqrt(
      (this.map.stage.clientWidth * this.map.stage.clientHeight) / rows.length)))
    context.imageSmoothingEnabled = this.map.data.shape[1] > 32
    context.strokeStyle = theme(this.map.root, "border-color")
    for (const row of rows) {
      const [x, y] = this.map.axes.toPixels(this.map.grid.x[row], this.map.grid.y[row])
      const box = this.tiles.draw(context, row, x + 5, y - size - 5, size)
      if (box) context.strokeRect(...box)
    }
  }

  // One row for each square of the screen.
  spaced(rows) {
    const { axes, grid } = this.map
    const squares = new Map()
    for (const row of rows) {
      const [x, y] = axes.toPixels(grid.x[row], grid.y[row])
      const square = `${Math.floor(x / SPACE)},${Math.floor(y / SPACE)}`
      if (!squares.has(square)) squares.set(square, row)
    }
    return [...squares.values()]
  }

  // Around points: circles, or squares, so that two groups differ in more than their colours.
  ring(context, rows, colour, radius, square = false) {
    if (!rows.length) return
    this.map.points.mark(context, rows, colour, square ? "square-open" : "circle-open", 2 * radius)
  }

  // Lines from a pin to the codes nearest to it in the latent space, wherever the map has them.
  drawTies(context, pin) {
    const { axes, codes, data, grid, root } = this.map
    if (!codes) return
    if (!this.nearest.has(pin)) {
      const near = nearestCodes(codes, data.dimensions, pin.z, TIED + 1)
      const rows = near.map(({ index }) => index).filter((row) => row !== pin.row)
      this.nearest.set(pin, rows.slice(0, TIED))
    }
    const rows = this.nearest.get(pin)
    const from = axes.toPixels(...this.positionOf(pin))
    const text = theme(root, "text-color")
    context.save()
    for (const [colour, width] of [[theme(root, "background-color"), 4], [text, 1.5]]) {
      context.strokeStyle = colour
      context.lineWidth = width
      context.globalAlpha = 0.75
      context.beginPath()
      for (const row of rows) {
        context.moveTo(...from)
        context.lineTo(...axes.toPixels(grid.x[row], grid.y[row]))
      }
      context.stroke()
    }
    context.restore()
    this.ring(context, rows, text, 5.5)
  }

  positionOf(pin) {
    const { grid, family } = this.map
    return pin.row >= 0 ? [grid.x[pin.row], grid.y[pin.row]] : family.project(pin.z)
  }

  drawPin(context, pin, colour) {
    const [dx, dy] = this.positionOf(pin)
    const [x, y] = this.map.axes.toPixels(dx, dy)
    const oval = pin.variance && this.map.family.ellipse(pin.variance)
    if (oval) {
      const [sx, sy] = this.map.axes.scale
      context.save()
      context.translate(x, y)
      context.scale(sx, -sy)
      context.rotate(oval.angle)
      context.beginPath()
      context.ellipse(0, 0, oval.major, oval.minor, 0, 0, 2 * Math.PI)
      context.restore()
      context.strokeStyle = colour
      context.lineWidth = 1.5
      context.stroke()
    }
    context.beginPath()
    context.arc(x, y, 6, 0, 2 * Math.PI)
    context.fillStyle = pin.kind === "real" ? colour : theme(this.map.root, "background-color")
    context.fill()
    context.lineWidth = 3
    context.strokeStyle = colour
    context.stroke()
    context.font = `600 12px ${theme(this.map.root, "font")}`
    context.lineWidth = 4
    context.strokeStyle = theme(this.map.root, "background-color")
    context.strokeText(pin.label, x + 10, y + 4)
    context.fillStyle = theme(this.map.root, "text-color")
    context.fillText(pin.label, x + 10, y + 4)
  }

  // Decoded pictures on a lattice, laid behind the points. Small batches let the pointer through.
  async drawSheet() {
    const ticket = (this.sheetTicket = {})
    const { axes, decoder } = this.map
    if (!axes.ready || !decoder) return
    const { area } = axes
    const [, height, width] = this.map.data.shape
    const side = height <= 32 ? 40 : 56 // pixels of the shorter side of a picture
    const [across, down] = [width, height].map((size) => (side * size) / Math.min(width, height))
    const [columns, rows] = [Math.ceil(area.width / across), Math.ceil(area.height / down)]
    const at = (i, j) => axes.toData(area.left + i * across, area.top + j * down)
    const bitmap = new OffscreenCanvas(columns * width, rows * height)
    const context = bitmap.getContext("2d")
    const small = new OffscreenCanvas(width, height)
    const corner = [...at(0, 0), ...at(columns, rows)]
    const { dimensions } = this.map.data
    const batch = 8
    for (let start = 0; start < columns * rows; start += batch) {
      const count = Math.min(batch, columns * rows - start)
      const zs = new Float32Array(count * dimensions)
      const presences = []
      for (let k = 0; k < count; k++) {
        const [i, j] = [(start + k) % columns, Math.floor((start + k) / columns)]
        const { z, presence } = this.map.family.at(...at(i + 0.5, j + 0.5))
        zs.set(z, k * dimensions)
        presences.push(presence * this.nearness(z))
      }
      const options = { flow: this.map.family.flow }
      const pictures = await decoder.decodeMany(zs, count, options).catch((error) => {
        if (decoder === this.map.decoder && !this.map.stop.signal.aborted) throw error
      })
      if (!pictures || ticket !== this.sheetTicket || !this.shown.sheet || !axes.ready) return
      pictures.forEach((picture, k) => {
        small.getContext("2d").putImageData(picture.mean, 0, 0)
        context.globalAlpha = presences[k]
        context.drawImage(small, ((start + k) % columns) * width,
          Math.floor((start + k) / columns) * height)
      })
      this.sheet = { bitmap, corner }
      if (start % 32 === 0) this.paintSheet()
    }
    this.paintSheet()
  }

  // 1 among the codes, 0 far from all of them: what is decoded there stands for nothing.
  nearness(z) {
    const { codes, data: { dimensions, far, whole_space: whole } } = this.map
    if (!whole || !far) return 1
    const [{ distance }] = nearestCodes(codes, dimensions, z)
    return clamp(2.5 - distance / far, 0, 1)
  }

  paintSheet() {
    const context = this.fit(this.under)
    const { axes, regions } = this.map
    if (!axes.ready) return
    context.save()
    this.clip(context)
    if (this.shown.sheet && this.sheet) this.paintPictures(context)
    regions.paint(context)
    context.restore()
  }

  paintPictures(context) {
    const [x0, y0, x1, y1] = this.sheet.corner
    const [left, top] = this.map.axes.toPixels(x0, y0)
    const [right, bottom] = this.map.axes.toPixels(x1, y1)
    context.imageSmoothingEnabled = this.map.data.shape[1] > 32
    context.globalAlpha = 0.85
    context.drawImage(this.sheet.bitmap, left, top, right - left, bottom - top)
  }
}
