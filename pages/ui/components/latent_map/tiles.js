// Small pictures of images: one sheet of all, or where these are many, sheets of those asked for.

import { addressOf } from "../base.js"

const MOST = 150 // pictures of one request
const KEPT = 3000 // pictures that are kept

export class Tiles {
  constructor(map) {
    this.map = map
    this.forget()
  }

  forget() {
    this.places = new Map() // row → its sheet and where it lies there
    this.asked = new Map() // row → Promise of its sheet
    this.whole = null
  }

  // Resolves when the pictures of these rows are there, or cannot be had.
  need(rows) {
    const { atlas } = this.map.data
    if (this.url !== atlas.url) this.forget()
    this.url = atlas.url
    if (atlas.whole) {
      this.whole ??= this.load(atlas.url)
      return this.whole
    }
    if (this.asked.size > KEPT) this.forget()
    const missing = rows.filter((row) => !this.asked.has(row))
    for (let start = 0; start < missing.length; start += MOST) {
      const some = missing.slice(start, start + MOST).sort((a, b) => a - b)
      const loading = this.load(`${atlas.url}?rows=${some.join(".")}`, some)
      for (const row of some) this.asked.set(row, loading)
    }
    return Promise.all(rows.map((row) => this.asked.get(row)))
  }

  // Whether the pictures of these rows are there already.
  has(rows) {
    const { atlas } = this.map.data
    if (this.url !== atlas.url) return false
    return atlas.whole ? Boolean(this.sheet) : rows.every((row) => this.places.has(row))
  }

  load(url, rows = null) {
    return new Promise((resolve) => {
      const image = new Image()
      image.onload = () => {
        if (!url.startsWith(this.url)) return resolve() // of another map
        const { tile, columns } = this.map.data.atlas
        if (rows) {
          const across = Math.ceil(Math.sqrt(rows.length))
          rows.forEach((row, k) => this.places.set(row, [image, k, across, image.width / across]))
        } else this.sheet = [image, columns, tile]
        resolve()
        this.map.layers.drawOverlay()
      }
      image.onerror = () => resolve()
      image.src = addressOf(this.map.data.base) + url
    })
  }

  // Draws the picture of a row into a square, in its own shape, and gives where it lies: left,
  // top, width and height. Null where it is not there.
  draw(context, row, x, y, size) {
    const { atlas } = this.map.data
    const place = atlas.whole ? this.sheet && [this.sheet[0], row, ...this.sheet.slice(1)]
      : this.places.get(row)
    if (!place || this.url !== atlas.url) return null
    const [image, k, columns, tile] = place
    const [, high, wide] = this.map.data.shape
    const [width, height] = [wide, high].map((side) => (size * side) / Math.max(wide, high))
    const box = [x + (size - width) / 2, y + (size - height) / 2, width, height]
    context.drawImage(image, (k % columns) * tile, Math.floor(k / columns) * tile, tile, tile,
      ...box)
    return box
  }
}
