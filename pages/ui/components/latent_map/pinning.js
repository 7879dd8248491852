// Pins that a visitor places: shown at once, and told to Python meanwhile. A request of the map's
// own tells of them, which runs no page; where nobody answers it, or more than the map has to be
// drawn anew, the component's message does, and Streamlit runs what belongs to the map.

import { addressOf } from "../base.js"

const PATIENCE = 10_000 // ms

export class Pinning {
  constructor(map) {
    this.map = map
    this.pressed = null // what is decoded while the button is down
    this.untold = [] // clicks that Python is not known to have heard of
  }

  // What a click at a place pins: the point near it, or else, with row -1, the place itself. It
  // is decoded while the button is still down, and again only where it was released elsewhere.
  decoded(place) {
    const { map } = this
    const { dimensions } = map.data
    const row = map.pointAt(place)
    const code = row < 0 ? map.family.at(place.x, place.y).z
      : map.codes.subarray(row * dimensions, (row + 1) * dimensions)
    const known = this.pressed
    if (known?.row === row && known.code.every((value, k) => value === code[k])) return known
    const flow = (row < 0 && map.family.flow) || null // the code is then what becomes of it
    const picture = map.decoder.decode(code, { flow, first: true })
    picture.catch(() => {}) // who waits for it hears of it
    return { row, code: Float32Array.from(code), flow, picture }
  }

  // The button is down at a place.
  press(place) {
    const { family, decoder } = this.map
    this.pressed = family && decoder?.exact ? this.decoded(place) : null
  }

  async pin(place, released = performance.now()) {
    const { map } = this
    if (!map.family || !map.decoder) return
    const { model, most_pins, keep } = map.data
    const { approximate } = map.family
    const { row, code, flow, picture } = this.decoded(place)
    this.pressed = null
    const z = Array.from(flow ? (await picture).code : code)
    const kind = row < 0 ? "generated" : "real"
    const click = { model, kind, row, z, approximate: Boolean(approximate) }
    const count = map.pins.count + 1
    const pin = { ...click, count, label: "", variance: null, clicked: true }
    map.pins.change([...map.pins.value, pin].slice(-most_pins))
    this.untold.push({ ...click, count })
    map.answer.show({ row, z, approximate }, released, { picture })
      .catch((error) => map.note(error.message))
    globalThis.latentLead?.pinned(map.data.view, { row, z, approximate })
    map.layers.drawOverlay()
    if (keep === "pinned") map.setFamily()
    map.status.say(row < 0 ? "Pinned a generated picture." : `Pinned ${map.names.of(row)}.`)
    await this.tell()
  }

  // One request at a time: what is pinned meanwhile goes with the next.
  async tell() {
    if (this.telling) return
    this.telling = true
    while (this.untold.length && await this.ask()) { /* the next ones */ }
    this.telling = false
    if (this.untold.length) this.release()
  }

  // Lets Python run the map's part of the page, which takes what it has not yet heard of.
  release() {
    const { map } = this
    if (!map.stop.signal.aborted) map.pins.release(this.untold.slice(-map.data.most_pins))
  }

  // Python has heard of so many clicks.
  heard(count) {
    this.untold = this.untold.filter((click) => click.count > count)
  }

  // Whether the server has taken what it was told.
  async ask() {
    const { base, tell, token, view, most_pins } = this.map.data
    const clicks = this.untold.slice(-most_pins)
    if (!tell) return false
    try {
      const reply = await fetch(addressOf(base) + tell, {
        method: "POST", body: JSON.stringify({ token, view, clicks }),
        keepalive: true, signal: AbortSignal.timeout(PATIENCE),
      })
      if (!reply.ok) return false
      const answer = await reply.json()
      this.heard(clicks.at(-1).count)
      this.take(answer)
      return true
    } catch {
      return false // it is told by a message
    }
  }

  // What Python made of the clicks: labels of all pins, and what is new about those of the clicks.
  take({ labels, made, address, anew }) {
    const { map } = this
    globalThis.latentAddress?.write(address)
    if (map.stop.signal.aborted) return
    map.lastPin = labels.at(-1) ?? null
    const known = map.pins.value.map((pin) => {
      const { label, variance } = made.find(({ count }) => count === pin.count) ?? pin
      return { ...pin, label, variance }
    })
    const pins = labels.map((label) => known.findLast((pin) => pin.label === label))
    if (anew || pins.includes(undefined)) this.release() // of which the map hears so
    else {
      const later = known.filter(({ label }) => !label)
      map.pins.value = [...pins, ...later].slice(-map.data.most_pins)
    }
    map.layers.drawOverlay()
    map.renewSheet()
  }
}
