// What the browser alone can say about a pin: its pictures, and the real images nearest to it.

import { element, put } from "../components/base.js"
import { nearestCodes, zoneOf } from "../components/latent_map/geometry.js"

const NEAREST = 6

export class PinPanel {
  constructor(root) {
    this.root = root
  }

  // The newest pin's; a panel that is overtaken while it decodes shows nothing.
  async show(map, { kind, row, z, label }) {
    const ticket = (this.ticket = {})
    const { dimensions, zones } = map.data
    const real = kind === "real"
    const near = nearestCodes(map.codes, dimensions, z, NEAREST + 1)
      .filter(({ index }) => !real || index !== row).slice(0, NEAREST)
    const [picture] = await Promise.all([
      map.decoder.decode(Float32Array.from(z)),
      map.layers.tiles.need([...(real ? [row] : []), ...near.map(({ index }) => index)]),
    ])
    if (ticket !== this.ticket) return
    const pictures = [
      ...(real ? [this.figure(this.tile(map, row), "Original")] : []),
      this.figure(this.decoded(picture.mean), real ? "Reconstruction" : "Decoded · generated"),
      ...(picture.deviation
        ? [this.figure(this.decoded(picture.deviation), "Standard deviation")] : []),
    ]
    const others = near.map(({ index, distance }) => this.figure(this.tile(map, index),
      `${map.names.of(index)}, at ${distance.toFixed(2)}`))
    const zone = zones.length && near.length ? `: ${zoneOf(near[0].distance, zones)}` : ""
    const code = z.length <= 8 ? `z = (${z.map((v) => v.toFixed(2)).join(", ")}). ` : ""
    const said = near.length
      ? `${code}The nearest other code is at a distance of ${near[0].distance.toFixed(2)}${zone}.`
      : code
    const { KL, ELBO } = map.answer.known(row) // written with the page, where the model has them
    const nats = KL === undefined ? "" : ` KL ${KL} and ELBO ${ELBO} nats.`
    this.root.replaceChildren(
      element("h2", { text: `Pin ${label} · ${real ? map.names.of(row) : "a place"}` }),
      element("div", { className: "pin-pictures" }, ...pictures),
      element("p", { text: `${said.trim()}${nats}` }),
      element("h3", { text: "Nearest real images, in latent space" }),
      element("div", { className: "pin-near" }, ...others))
    this.root.dataset.pin = label
  }

  figure(canvas, caption) {
    canvas.setAttribute("role", "img")
    canvas.setAttribute("aria-label", caption)
    return element("figure", {}, canvas, element("figcaption", { text: caption }))
  }

  decoded(picture) {
    const canvas = element("canvas", { width: 1, height: 1 })
    put(canvas, picture)
    return canvas
  }

  tile(map, row) {
    const { atlas, shape } = map.data
    const canvas = element("canvas", { width: atlas.tile, height: atlas.tile })
    canvas.classList.toggle("pixelated", shape[1] <= 32)
    map.layers.tiles.draw(canvas.getContext("2d"), row, 0, 0, atlas.tile)
    return canvas
  }
}
