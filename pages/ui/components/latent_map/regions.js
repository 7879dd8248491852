// What the classifier sees in the decoded picture of each place, as colours behind the points: the
// colour of what is most probable, the paler the less sure, and lines where that changes.

import { SyncedValue, element, theme } from "../base.js"
import { released } from "../release/released.js"
import { rgb } from "./points.js"

const STEP = 12 // pixels between two places, at the end
const COARSE = [6, 3, 1] // in such steps: first everywhere, then only where the answer changes
const FINE = 3 // pixels of one that is painted
const BATCH = 8 // decodes that are asked for together, so that the pointer comes in between
const SOLID = 0.5 // at most, of colours without pictures behind them
const TINTED = 0.4 // … and with them

// The colour that stands for probabilities, as its number, and how sure it is, 0 to 1: the most
// probable class above chance; or of an attribute whether it is seen (1) or not (0).
export function answerOf(scores, at, count, attribute) {
  if (attribute !== null) {
    const p = scores[at + attribute]
    return [p > 0.5 ? 1 : 0, Math.abs(2 * p - 1)]
  }
  let best = 0
  for (let k = 1; k < count; k++) if (scores[at + k] > scores[at + best]) best = k
  return [best, Math.max(0, (scores[at + best] - 1 / count) / (1 - 1 / count))]
}

// Places of a lattice that are needed next: all those of a coarse one; of a finer one those in the
// squares of the coarse one before whose corners differ in their answers.
export function placesOf(columns, rows, step, before, differ) {
  const places = []
  for (let j = 0; j < rows; j += step) {
    for (let i = 0; i < columns; i += step) {
      if (before === null) {
        places.push(j * columns + i)
        continue
      }
      if (i % before === 0 && j % before === 0) continue // known
      const [left, top] = [i - (i % before), j - (j % before)]
      // A place on an edge belongs to two squares.
      const across = i % before || !left ? [left] : [left - before, left]
      const down = j % before || !top ? [top] : [top - before, top]
      if (across.some((x) => down.some((y) => differ(x, y, before)))) places.push(j * columns + i)
    }
  }
  return places
}

// Probabilities at all places of a lattice, `(rows, columns, count)`: those between known ones of
// a coarse lattice are averages of its corners.
export function fillBetween(scores, known, columns, rows, count, step) {
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      const at = j * columns + i
      if (known[at]) continue
      const [left, top] = [i - (i % step), j - (j % step)]
      const [fx, fy] = [(i - left) / step, (j - top) / step]
      const corner = (x, y) => (y * columns + x) * count
      const [a, b] = [corner(left, top), corner(left + step, top)]
      const [c, d] = [corner(left, top + step), corner(left + step, top + step)]
      for (let k = 0; k < count; k++) {
        scores[at * count + k] = (1 - fy) * ((1 - fx) * scores[a + k] + fx * (scores[b + k] || 0))
          + fy * ((1 - fx) * (scores[c + k] || 0) + fx * (scores[d + k] || 0))
      }
    }
  }
}

export class Regions {
  constructor(map) {
    this.map = map
    this.shown = new SyncedValue((message) => released.say(`${map.data.view}-regions`, message))
    this.box = map.root.querySelector("[data-layer=regions]")
    this.legend = map.root.querySelector(".map-regions")
  }

  // What Python says: whether colours are shown, and which they are.
  update({ regions }) {
    this.about = regions
    this.box.parentElement.hidden = !regions
    if (!regions) return
    this.shown.receive(regions.shown)
    this.box.checked = this.on
    this.tell()
  }

  get on() {
    return Boolean(this.about && this.shown.value[0])
  }

  toggle(shown) {
    this.shown.change([Number(shown)])
    this.shown.release()
    this.tell()
    if (shown) this.draw()
    else this.map.layers.paintSheet()
  }

  tell() {
    this.legend.hidden = !this.on
    if (!this.on) return
    const { title, colours } = this.about
    const entries = colours.map(({ name, colour }) =>
      element("span", { className: "map-region", style: `--dot: ${colour}`, text: name }))
    this.legend.replaceChildren(element("span", { text: title }), ...entries)
  }

  async draw() {
    const ticket = (this.ticket = {})
    const { axes, decoder, data } = this.map
    if (!this.on || !axes.ready || !decoder) return
    if (!decoder.classifier) {
      this.map.status.say("This browser cannot run the classifier.")
      return
    }
    const { area } = axes
    const count = decoder.classifier.names.length
    const [whole] = COARSE
    const lines = (size) => whole * Math.ceil(size / STEP / whole) + 1
    const [columns, rows] = [lines(area.width), lines(area.height)]
    const at = (i, j) => axes.toData(area.left + i * STEP, area.top + j * STEP)
    const field = { columns, rows, count, corner: [...at(0, 0), ...at(columns - 1, rows - 1)],
      scores: new Float32Array(columns * rows * count), known: new Uint8Array(columns * rows) }
    const places = []
    for (let j = 0; j < rows; j++) for (let i = 0; i < columns; i++) places.push(at(i, j))
    let before = null
    for (const step of COARSE) {
      const differ = (x, y, size) => this.differ(field, x, y, size)
      const wanted = placesOf(columns, rows, step, before, differ)
      for (let start = 0; start < wanted.length; start += BATCH) {
        const some = wanted.slice(start, start + BATCH)
        const scores = await this.judge(decoder, some.map((n) => places[n]), data.dimensions)
        if (!scores || ticket !== this.ticket || !this.on || !axes.ready) return
        some.forEach((n, k) => {
          field.scores.set(scores[k], n * count)
          field.known[n] = 1
        })
      }
      fillBetween(field.scores, field.known, columns, rows, count, step)
      field.known.fill(0)
      for (let j = 0; j < rows; j += step) {
        for (let i = 0; i < columns; i += step) field.known[j * columns + i] = 1
      }
      before = step
      field.step = step
      this.field = field
      this.line = null
      this.map.layers.paintSheet()
    }
  }

  async judge(decoder, places, dimensions) {
    const zs = new Float32Array(places.length * dimensions)
    places.forEach((place, k) => zs.set(this.map.family.at(...place).z, k * dimensions))
    const options = { flow: this.map.family.flow, classify: true }
    const pictures = await decoder.decodeMany(zs, places.length, options).catch((error) => {
      if (decoder === this.map.decoder && !this.map.stop.signal.aborted) throw error
    })
    return pictures?.map(({ scores }) => scores)
  }

  // Whether the corners of a square differ in their answers, or an attribute is in doubt there.
  differ({ columns, rows, count, scores }, x, y, size) {
    const answers = []
    for (const [i, j] of [[x, y], [x + size, y], [x, y + size], [x + size, y + size]]) {
      if (i >= columns || j >= rows) continue
      answers.push(answerOf(scores, (j * columns + i) * count, count, this.about.attribute))
    }
    return answers.some(([best, sure]) => best !== answers[0][0] || sure < 0.5)
  }

  // Colours of a field, finer than its lattice, with lines where the answer changes.
  painted({ columns, rows, count, scores }) {
    const parts = STEP / FINE
    const [width, height] = [(columns - 1) * parts, (rows - 1) * parts]
    const image = new ImageData(width, height)
    const best = new Uint8Array(width * height)
    const colours = this.about.colours.map(({ colour }) => rgb(colour))
    const here = new Float32Array(count)
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [i, j] = [Math.floor(x / parts), Math.floor(y / parts)]
        const [fx, fy] = [(x + 0.5) / parts - i, (y + 0.5) / parts - j]
        const a = (j * columns + i) * count
        const below = a + columns * count
        for (let k = 0; k < count; k++) {
          here[k] = (1 - fy) * ((1 - fx) * scores[a + k] + fx * scores[a + count + k])
            + fy * ((1 - fx) * scores[below + k] + fx * scores[below + count + k])
        }
        const [answer, sure] = answerOf(here, 0, count, this.about.attribute)
        const n = y * width + x
        best[n] = answer
        image.data.set(colours[answer], 4 * n)
        image.data[4 * n + 3] = 255 * (0.15 + 0.85 * sure)
      }
    }
    const line = [...rgb(this.line).slice(0, 3), 255]
    for (let n = 0; n < best.length; n++) {
      const right = (n + 1) % width && best[n] !== best[n + 1]
      if (right || (n + width < best.length && best[n] !== best[n + width])) {
        image.data.set(line, 4 * n)
      }
    }
    const bitmap = new OffscreenCanvas(width, height)
    bitmap.getContext("2d").putImageData(image, 0, 0)
    return bitmap
  }

  paint(context) {
    if (!this.on || !this.field) return
    const { axes, layers } = this.map
    const [x0, y0, x1, y1] = this.field.corner
    const [left, top] = axes.toPixels(x0, y0)
    const [right, bottom] = axes.toPixels(x1, y1)
    context.fillStyle = theme(this.map.root, "text-color")
    const line = context.fillStyle
    if (this.line !== line) { // or in another theme
      this.line = line
      this.bitmap = this.painted(this.field)
    }
    context.imageSmoothingEnabled = true
    context.globalAlpha = layers.shown.sheet ? TINTED : SOLID
    context.drawImage(this.bitmap, left, top, right - left, bottom - top)
  }
}
