// What the map knows of a pin before Python does: pictures, neighbours, distance, nats.

import { fetchFrom, screenOf } from "../base.js"
import { nearestCodes } from "./geometry.js"

const SHOWN = 6 // neighbours
const TILE = 56 // pixels of each
const LARGE = 104 // pixels of the original
const WAITED = 30 // frames in which the page may put the place anew where it is shown

export class Answer {
  constructor(map) {
    this.map = map
    this.nats = null
  }

  // KL and ELBO of every image, where the model has them.
  async load() {
    const { data: { base, nats }, stop } = this.map
    if (this.url === nats || stop.signal.aborted) return
    this.url = nats
    this.nats = null
    if (!nats) return
    const problem = "KL and ELBO of the images could not be loaded."
    const block = await (await fetchFrom(base, nats, problem)).arrayBuffer()
    if (this.url === nats) this.nats = new Float32Array(block)
  }

  // Shows a pin that was released at a time; the newest wins.
  async show(pin, released) {
    const { map } = this
    const { view, dimensions } = map.data
    const asked = this.asked = { count: map.pins.count }
    for (let k = 0; !screenOf(`${view}-pin`); k++) {
      if (k === WAITED) return // this page has none
      await new Promise(requestAnimationFrame) // the page may be putting it anew
    }
    const nearest = nearestCodes(map.codes, dimensions, pin.z, SHOWN + 1)
    const near = nearest.filter(({ index }) => index !== pin.row).slice(0, SHOWN)
    const rows = [...near.map(({ index }) => index), ...(pin.row < 0 ? [] : [pin.row])]
    const picture = await map.decoder.decode(pin.z, { first: true })
    const paint = () => {
      if (this.asked !== asked || map.stop.signal.aborted) return false
      const screen = screenOf(`${map.data.view}-pin`)
      screen?.show(this.contents(asked.count, pin, picture, near, nearest[0].distance))
      return Boolean(screen)
    }
    if (!paint()) return
    requestAnimationFrame(() => map.root.dispatchEvent(new CustomEvent("answered", {
      detail: { released, painted: performance.now() },
    })))
    const known = map.layers.tiles.has(rows)
    await map.layers.tiles.need(rows)
    if (!known) paint()
  }

  contents(count, pin, { mean, deviation }, near, distance) {
    const { names, data } = this.map
    const real = pin.row >= 0
    const title = real ? names.of(pin.row)
      : pin.approximate ? "point between codes" : "point on the map"
    const tile = (row, side) => (canvas) => this.draw(canvas, row, side)
    const decoded = !data.decodes ? "nearest image" : real ? "reconstruction" : "decoded"
    const pictures = [
      ...(real ? [["original", `original: ${title}`, tile(pin.row, LARGE)]] : []),
      [decoded, `${decoded}: ${title}`, mean],
      ...(deviation ? [["standard deviation", `standard deviation: ${title}`, deviation]] : []),
    ]
    return {
      count, real, title, pictures,
      tag: real ? "Real image" : "Generated",
      words: this.words(pin.row, distance),
      near: near.map(({ index, distance: far }) => {
        const name = names.of(index)
        return [name, `${name} at distance ${far.toFixed(2)}`, tile(index, TILE)]
      }),
    }
  }

  words(row, distance) {
    if (row < 0) {
      const { usual_distance: usual } = this.map.data
      const compared = usual === null ? "" : ` (usual between neighbours: ${usual.toFixed(2)})`
      return `Distance to the nearest code ${distance.toFixed(2)}${compared}.`
    }
    if (!this.nats) return ""
    const [kl, elbo] = [this.nats[2 * row], this.nats[2 * row + 1]]
    return `KL ${kl.toFixed(1)} nats, ELBO ${elbo.toFixed(1).replace("-", "−")} nats.`
  }

  draw(canvas, row, side) {
    const { layers, data } = this.map
    canvas.width = canvas.height = side
    const context = canvas.getContext("2d")
    context.imageSmoothingEnabled = data.shape[1] > 32
    layers.tiles.draw(context, row, 0, 0, side)
  }
}
