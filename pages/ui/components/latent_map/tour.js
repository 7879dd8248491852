// Until a visitor touches the map, the probe shows what it does: once a tab, for a few seconds, it
// travels a loop and decodes on its way. Where motion is not wanted it decodes one place.

import { recall, remember } from "../base.js"

const SECONDS = 12
const REACH = 0.3 // of the loop, as a share of half the plot
const TOUCHES = ["pointermove", "pointerdown", "keydown", "wheel"]

export class Tour {
  constructor(map) {
    this.map = map
  }

  // Decodes a first place.
  open() {
    const { map } = this
    if (this.centre || map.place || !map.axes.ready || !map.family || !map.decoder) return
    this.centre = this.startingPlace()
    for (const name of TOUCHES) {
      const target = name === "pointerdown" ? window : map.stage
      const { signal } = map.stop
      target.addEventListener(name, () => this.stop(), { signal, once: true })
    }
    this.show(0)
  }

  travel() {
    if (!this.centre || this.begun || this.stopped) return
    this.begun = performance.now()
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches
    if (still || recall("latent-map-tour")) return
    remember("latent-map-tour", "1")
    this.step()
  }

  // The last pin; else the code that is nearest to the middle of the view.
  startingPlace() {
    const { map } = this
    const pin = map.pins.value.at(-1)
    if (pin) return map.layers.positionOf(pin)
    const [x, y] = map.axes.ranges.map(([low, high]) => (low + high) / 2)
    const [near] = map.grid.nearest(x, y, 1, map.visible)
    return near ? [map.grid.x[near.index], map.grid.y[near.index]] : [x, y]
  }

  step() {
    if (this.stopped || this.map.stop.signal.aborted) return
    const share = (performance.now() - this.begun) / (1000 * SECONDS)
    if (share >= 1) {
      this.stop()
      this.map.screens.tip.hidden = true
      return
    }
    this.map.screens.tip.hidden = this.map.screens.probe.hidden = false
    this.show(share)
    requestAnimationFrame(() => this.step())
  }

  // A loop that begins and ends at its starting place.
  show(share) {
    const { map } = this
    const radius = REACH * Math.sin(Math.PI * share)
    const [x, y] = map.axes.ranges.map(([low, high], k) => this.centre[k] +
      radius * ((high - low) / 2) * (k ? Math.sin : Math.cos)(2 * Math.PI * share))
    const [px, py] = map.axes.toPixels(x, y)
    const moved = performance.now()
    map.decodeAt({ px, py, x, y }, (picture, presence) => {
      if (!this.stopped) map.screens.paint(picture, presence, moved)
    })
  }

  stop() {
    this.stopped = true
    this.map.screens.probe.hidden = true
  }
}
