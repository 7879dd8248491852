// What the map says of a pin that was clicked: pictures, neighbours, distance, nats. All but what
// takes long is known to the browser; that, it asks the server for, once the visitor stays.

import { addressOf, fetchFrom, screenOf } from "../base.js"
import { nearestCodes } from "./geometry.js"

const SHOWN = 6 // neighbours
const TILE = 56 // pixels of each
const LARGE = 104 // pixels of the original
const WAITED = 30 // frames in which the page may put the place anew where it is shown
const STAYED = 0.7 // seconds after which a visitor stays with a pin
const VISITOR = Math.random().toString(36).slice(2) // tells this tab from others

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

  // Shows the last of the map's pins where it was clicked and is not shown already: on a page
  // that was drawn anew.
  showLast() {
    const { map } = this
    const pin = map.pins.value.at(-1)
    if (!pin?.clicked) return
    const { asked } = this
    const same = asked?.label ? asked.label === pin.label : asked?.count === map.pins.count
    if (same && (!asked.painted || screenOf(`${map.data.view}-pin`)?.shown === asked)) {
      asked.label = pin.label
      return
    }
    this.show(pin, performance.now(), { label: pin.label })
      .catch((error) => map.note(error.message))
  }

  // Shows what the presenter of the room has pinned, and tells nobody.
  showLed({ row, z, approximate }) {
    const { map } = this
    if (!map.decoder || z.length !== map.data.dimensions) return
    const label = "presenter"
    map.led = { kind: row < 0 ? "generated" : "real", row, z, label, variance: null }
    map.layers.drawOverlay()
    this.show({ row, z, approximate }, performance.now(), { led: true })
      .catch((error) => map.note(error.message))
  }

  // Shows a pin that was released at a time; the newest wins. One of the presenter's is `led`, and
  // that of a click is being decoded: `picture`.
  async show(pin, released, { label = "", led = false, picture = null } = {}) {
    const { map } = this
    const { view, dimensions } = map.data
    const asked = this.asked = { count: led ? Infinity : map.pins.count, label, about: null }
    for (let k = 0; !screenOf(`${view}-pin`); k++) {
      if (k === WAITED) return // this page has none
      await new Promise(requestAnimationFrame) // the page may be putting it anew
    }
    const nearest = nearestCodes(map.codes, dimensions, pin.z, SHOWN + 1)
    const near = nearest.filter(({ index }) => index !== pin.row).slice(0, SHOWN)
    const rows = [...near.map(({ index }) => index), ...(pin.row < 0 ? [] : [pin.row])]
    const shown = await (picture ?? map.decoder.decode(Float32Array.from(pin.z), { first: true }))
    const paint = () => {
      const screen = screenOf(`${map.data.view}-pin`)
      if (this.asked !== asked || map.stop.signal.aborted || !screen) return false
      asked.painted = true
      return screen.show(asked, this.contents(asked, pin, shown, near, nearest[0].distance))
    }
    if (!paint()) return
    requestAnimationFrame(() => map.root.dispatchEvent(new CustomEvent("answered", {
      detail: { released, painted: performance.now() },
    })))
    const known = map.layers.tiles.has(rows)
    const original = pin.row < 0 ? null : this.original(pin.row)
    await map.layers.tiles.need(rows)
    if (!known) paint()
    asked.original = await original // in full
    if (asked.original) paint()
    await this.ask(asked, pin, paint)
  }

  async original(row) {
    const image = new Image()
    image.src = `${addressOf(this.map.data.base)}${this.map.data.image}?row=${row}`
    return image.decode().then(() => image, () => null) // what is shown is smaller then
  }

  // Asks for what takes the server long, and again as long as more may come and somebody looks.
  async ask(asked, pin, paint) {
    const { base, about } = this.map.data
    const problem = "The server could not say more about this pin."
    for (let wait = STAYED; wait !== null;) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * wait))
      if (this.asked !== asked || this.map.stop.signal.aborted) return
      if (document.hidden) continue
      const answer = await (pin.row < 0
        ? fetchFrom(base, about, problem, { method: "POST", body: Float32Array.from(pin.z) })
        : fetchFrom(base, `${about}?row=${pin.row}&who=${VISITOR}`, problem))
      asked.about = await answer.json()
      wait = asked.about.again
      paint()
    }
  }

  contents(asked, pin, { mean, deviation }, near, distance) {
    const { names, data } = this.map
    const real = pin.row >= 0
    const title = real ? names.of(pin.row)
      : pin.approximate ? "point between codes" : "point on the map"
    const tile = (row, side) => (canvas) => this.draw(canvas, row, side)
    const decoded = !data.decodes ? "nearest image" : real ? "reconstruction" : "decoded"
    const originals = [["original", (canvas) => this.drawOriginal(canvas, asked, pin.row)]]
    if (data.binary) {
      originals.push(["binarised", (canvas) => this.drawOriginal(canvas, asked, pin.row, true)])
    }
    const pictures = [
      ...(real ? originals : []), [decoded, mean],
      ...(deviation ? [["standard deviation", deviation]] : []),
    ].map(([words, picture]) => [words, `${words}: ${title}`, picture])
    return {
      real, title, pictures, z: pin.z, own: !pin.automatic,
      tag: real ? "Real image" : "Generated",
      words: this.words(pin, distance, asked.about),
      nats: asked.about?.nats ?? this.known(pin.row),
      note: asked.about?.note ?? "In nats, for this image.",
      near: near.map(({ index, distance: far }) => {
        const name = names.of(index)
        return [name, `Real image ${name} at distance ${far.toFixed(2)}`, tile(index, TILE)]
      }),
    }
  }

  words({ row, approximate, automatic }, distance, about) {
    const { usual_distance: usual } = this.map.data
    const compared = usual === null ? "" : ` (usual between neighbours: ${usual.toFixed(2)})`
    return [
      ...(about?.judged ? [`This code is ${about.judged}.`] : []),
      ...(automatic ? [automatic] : []),
      ...(approximate ? ["Decoded from a weighted mean of the nearest codes, hence approximate."]
        : []),
      ...(row < 0 ? [`Distance to the nearest code ${distance.toFixed(2)}${compared}.`] : []),
    ].join(" ")
  }

  // KL and ELBO until the server says more.
  known(row) {
    if (!this.nats || row < 0) return {}
    const [KL, ELBO] = this.nats.subarray(2 * row, 2 * row + 2)
    const digits = Math.abs(ELBO) < 1000 ? 1 : 0
    const written = (value) => value.toLocaleString("en", {
      minimumFractionDigits: digits, maximumFractionDigits: digits,
    }).replace("-", "−")
    return { KL: written(KL), ELBO: written(ELBO) }
  }

  drawOriginal(canvas, { original }, row, binary = false) {
    const [, height, width] = this.map.data.shape
    if (original) {
      Object.assign(canvas, { width, height })
      canvas.getContext("2d").drawImage(original, 0, 0)
    } else if (binary) this.draw(canvas, row, Math.max(width, height))
    else this.draw(canvas, row, LARGE)
    canvas.classList.toggle("pixelated", height <= 32)
    if (!binary) return
    const context = canvas.getContext("2d")
    const picture = context.getImageData(0, 0, canvas.width, canvas.height)
    for (let k = 0; k < picture.data.length; k++) {
      if (k % 4 < 3) picture.data[k] = picture.data[k] >= 128 ? 255 : 0
    }
    context.putImageData(picture, 0, 0)
  }

  draw(canvas, row, side) {
    const { layers, data } = this.map
    canvas.width = canvas.height = side
    const context = canvas.getContext("2d")
    context.imageSmoothingEnabled = data.shape[1] > 32
    layers.tiles.draw(context, row, 0, 0, side)
  }
}
