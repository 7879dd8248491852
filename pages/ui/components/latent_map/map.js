// The live map: a Plotly scatter of codes whose every place is decoded under the pointer.

import {
  Decoders, StatusLine, SyncedValue, clamp, component, fetchFrom,
} from "../base.js"
import { Answer } from "./answer.js"
import { Controls } from "./controls.js"
import { Drawing } from "./drawing.js"
import { completedFamily, linearFamily, nearestFamily, unpackedCodes } from "./geometry.js"
import { Layers } from "./layers.js"
import { Legend } from "./legend.js"
import { Names } from "./names.js"
import { Pinning } from "./pinning.js"
import { Points } from "./points.js"
import { Regions } from "./regions.js"
import { Saving } from "./saving.js"
import { Screens } from "./screens.js"
import { Tour } from "./tour.js"
import { View } from "./view.js"

const maps = (globalThis.latentMaps ??= new Map()) // those of the page, by their views
const SNAP = 9 // pixels within which a click means the point, not the place

export class LatentMap {
  constructor(root, data, send) {
    this.root = root
    this.stage = root.querySelector(".map-stage")
    this.plot = root.querySelector(".map-plot")
    this.noteEl = root.querySelector(".map-note")
    this.status = new StatusLine(root.querySelector(".map-status"))
    this.pins = new SyncedValue((message) => send("pinned", message))
    this.pinning = new Pinning(this)
    this.groups = new SyncedValue((message) => send("grouped", message))
    this.stop = new AbortController()
    this.work = Promise.resolve()
    this.decoders = new Decoders(root, { say: (text) => this.note(text) })
    this.drawing = new Drawing(this)
    this.points = new Points(this)
    this.layers = new Layers(this)
    this.regions = new Regions(this)
    this.legend = new Legend(this)
    this.names = new Names(this)
    this.answer = new Answer(this)
    this.saving = new Saving(this)
    this.view = new View(this)
    this.screens = new Screens(this)
    this.controls = new Controls(this)
    this.tour = new Tour(this)
    this.update(data)
  }

  // Called on every rerun. Runs follow one another, and only what changed is done again.
  update(data) {
    this.data = data
    maps.set(data.view, this)
    this.root.toggleAttribute("data-linked", data.linked !== null)
    this.root.toggleAttribute("data-second", data.second)
    this.pins.receive(data.pins)
    this.pinning.heard(data.pins.count)
    this.groups.receive(data.groups)
    this.regions.update(data)
    this.stage.setAttribute("aria-label", data.description)
    for (const canvas of this.root.querySelectorAll(".map-tip canvas")) {
      canvas.classList.toggle("pixelated", data.shape[1] <= 32)
    }
    this.queue(() => this.refresh())
  }

  // Does one thing after another; what goes wrong is told, and all that follows is done.
  queue(step) {
    this.work = this.work.then(step).catch((error) => this.note(error.message))
    return this.work
  }

  async refresh() {
    const { data } = this
    const flow = Boolean(data.noise)
    const known = this.opened === data.codes.url && this.decoders.parts.flow === flow
    await Promise.all([known ? null : this.open(data), this.drawing.draw()])
    const old = () => this.data !== data || this.stop.signal.aborted // a newer rerun takes over
    if (old()) return
    if (this.decoder) {
      if (data.lattice) await this.openLattice(data)
      if (old()) return
      if (data.noise) this.openNoise(data)
      this.setFamily()
      this.layers.drawOverlay()
      this.showPlaced()
      this.answer.showLast()
      this.tour.open()
    }
    if (this.drawing.bound) this.settle()
    else this.drawing.charts().catch((error) => this.note(error.message))
  }

  // What waits until the map is drawn, and can be used.
  settle() {
    const { data } = this
    if (!this.decoder || this.opened !== data.codes.url) return
    this.root.dataset.ready = this.view.shown
    const later = globalThis.requestIdleCallback ?? setTimeout // a large map is drawn first
    later(() => Promise.all([this.names.load(), this.answer.load()])
      .catch((error) => this.note(error.message)))
    // Where the server decodes, it does what a visitor asks for, and no more.
    const own = !this.decoder?.reason
    this.layers.openSheet(data.whole_space && own)
    const sheet = this.renewSheet()
    if (own) Promise.resolve(sheet).then(() => this.tour.travel()) // which would hold the sheet up
  }

  async open({ base, model, codes, dimensions, count, noise }) {
    this.decoder = null
    this.decoders.parts = { flow: Boolean(noise), classifier: true }
    this.decoders.close() // these codes may belong to newer weights of the same name
    const problem = "The codes of this model could not be loaded. Reload the page."
    const [decoders, answer] = await Promise.all([
      this.decoders.open(base, model), fetchFrom(base, codes.url, problem),
    ])
    const block = await answer.arrayBuffer()
    if (!decoders || this.stop.signal.aborted) return
    this.decoder = decoders[0]
    this.opened = codes.url
    this.ids = new Int32Array(block, 0, count)
    this.classOf = new Int32Array(block, 4 * count, count)
    this.codes = unpackedCodes(block, 8 * count, count, dimensions, codes.bits)
    this.note("")
  }

  async openLattice({ base, lattice }) {
    if (this.lattice?.url === lattice.url) return
    const problem = "The likely places could not be loaded. Reload the page."
    const block = await (await fetchFrom(base, lattice.url, problem)).arrayBuffer()
    this.lattice = { ...lattice, codes: new Float32Array(block) }
  }

  // Until the noise of all codes is there, places are plain averages.
  async openNoise({ base, noise }) {
    if (this.noise?.url === noise.url) return
    this.noise = { ...noise, codes: null }
    const problem = "The noise of the codes could not be loaded: averages are plain."
    try {
      const block = await (await fetchFrom(base, noise.url, problem)).arrayBuffer()
      if (this.stop.signal.aborted) return
      this.noise.codes = new Float32Array(block)
      if (this.data.noise) this.setFamily()
      this.layers.drawBehind()
    } catch (error) {
      this.note(error.message)
    }
  }

  // Decodes the sheet again where that gives other pictures.
  renewSheet() {
    const from = this.sheetFrom
    this.sheetFrom = this.whatIsDecoded()
    const same = from === this.sheetFrom // most pins change nothing of it
    return !same && this.layers.drawBehind()
  }

  // All that the pictures of the sheet depend on, but the view.
  whatIsDecoded() {
    const { family, keep, lattice, noise, codes, regions } = this.data
    const pinned = keep === "pinned" ? this.pins.value.at(-1)?.z : null
    return JSON.stringify([codes.url, family, keep, lattice?.url, noise?.url, pinned,
      regions?.attribute])
  }

  setFamily() {
    const { family, keep, dimensions, noise } = this.data
    const pinned = keep === "pinned" ? this.pins.value.at(-1)?.z : null
    this.family = family.kind === "linear"
      ? linearFamily(family, pinned)
      : nearestFamily(this.grid, this.codes, dimensions,
        noise && { noise: this.noise.codes, level: noise.level })
    if (this.data.lattice) {
      const { codes, side, bounds } = this.lattice
      this.family = completedFamily(this.family, family, codes, side, bounds)
    }
    this.root.dataset.keep = keep
    this.root.toggleAttribute("data-noise", Boolean(this.family.flow))
  }

  // Moves the view to what Python placed, where that lies out of sight. What the visitor clicked
  // lay in sight: who has zoomed since stays there.
  showPlaced() {
    const pin = this.data.pins.value.at(-1)
    const known = this.lastPin
    this.lastPin = pin?.label ?? null
    if (!pin || pin.clicked || known === undefined || known === pin.label) return
    const at = this.layers.positionOf(pin)
    const seen = this.axes.ranges.every(([low, high], k) => (low - at[k]) * (high - at[k]) <= 0)
    if (!seen) this.controls.centre(...at)
  }

  // Decodes a place. The newest wins; nothing queues.
  probe(place, time) {
    if (!this.family || !this.decoder) return
    this.screens.tip.hidden = false
    this.decodeAt(place, (picture, presence) => {
      this.screens.paint(picture, presence, time)
      this.screens.tellSoon()
    })
    this.screens.tellSoon()
    const id = this.ids[this.pointAt(place)]
    this.linked?.follow(place, id)
    globalThis.latentLead?.point(this.data.view, place, id)
  }

  // The map whose pointer goes with this one's.
  get linked() {
    return maps.get(this.data.linked)
  }

  // Shows the same image as another map, or else the same place.
  follow({ x, y }, id) {
    const { area, ready } = this.axes
    if (!this.family || !this.decoder || !ready) return
    this.tour.stop()
    const row = id === undefined ? -1 : this.ids.indexOf(id)
    if (row >= 0) [x, y] = [this.grid.x[row], this.grid.y[row]]
    const [left, down] = this.axes.toPixels(x, y)
    const px = clamp(left, area.left, area.left + area.width)
    const py = clamp(down, area.top, area.top + area.height)
    this.screens.tip.hidden = this.screens.probe.hidden = false
    const moved = performance.now()
    this.decodeAt({ px, py, x, y }, (picture, presence) => {
      this.screens.paint(picture, presence, moved)
      this.screens.tellSoon()
    })
    this.screens.tellSoon()
  }

  // The pointer has left.
  leave() {
    for (const { screens } of [this, this.linked].filter(Boolean)) {
      screens.tip.hidden = screens.probe.hidden = true
    }
    globalThis.latentLead?.leave()
  }

  decodeAt(place, paint) {
    if (!this.decoder) return // another model is opening
    const { z, presence } = this.family.at(place.x, place.y)
    const { flow = null } = this.family
    const asked = { ...place, z: flow ? null : z, presence } // the flow then gives the code
    this.place = asked
    this.screens.moveTip()
    this.decoder.latest(z, (picture) => {
      asked.z ??= picture.code
      asked.scores = picture.scores
      paint(picture, presence)
    }, flow)
  }

  // The row of the point at a place, -1 where there is none.
  pointAt({ px, py, x, y }) {
    const [near] = this.grid.nearest(x, y, 1, this.visible)
    if (!near) return -1
    const [qx, qy] = this.axes.toPixels(this.grid.x[near.index], this.grid.y[near.index])
    return Math.hypot(qx - px, qy - py) <= SNAP ? near.index : -1
  }

  note(text) {
    this.noteEl.hidden = !text
    this.noteEl.textContent = text || ""
  }

  close() {
    this.stop.abort()
    if (maps.get(this.data.view) === this) maps.delete(this.data.view)
    clearTimeout(this.points.timer)
    this.decoders.close()
    clearTimeout(this.screens.telling)
    this.drawing.close()
  }
}

export default component(LatentMap, ".latent-map")
