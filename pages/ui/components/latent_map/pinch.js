// Two fingers on the map: what lay between them stays there while they part or move.

export class Pinch {
  constructor(controls) {
    this.controls = controls
    this.fingers = new Map() // by pointer: where it is, in pixels of the window
    this.start = null
  }

  // Counts a finger; true if it is not alone.
  begins({ pointerType, pointerId, clientX, clientY }) {
    if (pointerType !== "touch") return false
    this.fingers.set(pointerId, [clientX, clientY])
    if (this.fingers.size === 2) this.take()
    return this.fingers.size > 1
  }

  // Where two fingers lie, and the view and the place between them.
  take() {
    const { axes, screens } = this.controls.map
    const [x, y, distance] = this.between()
    this.start = { distance, place: axes.toData(x, y), ranges: axes.ranges.map((r) => [...r]) }
    screens.tip.hidden = true
  }

  // The middle in pixels of the stage, and the distance.
  between() {
    const { stage } = this.controls.map
    const { left, top } = stage.getBoundingClientRect()
    const [[ax, ay], [bx, by]] = this.fingers.values()
    return [(ax + bx) / 2 - left - stage.clientLeft, (ay + by) / 2 - top - stage.clientTop,
      Math.max(Math.hypot(ax - bx, ay - by), 10)]
  }

  // Follows a finger; true while two are down, or one is left of them.
  takes({ pointerId, clientX, clientY }) {
    if (!this.start || !this.fingers.has(pointerId)) return Boolean(this.start)
    this.fingers.set(pointerId, [clientX, clientY])
    if (this.fingers.size === 2) {
      this.waiting ??= requestAnimationFrame(() => {
        this.waiting = null
        if (this.start && this.fingers.size === 2) this.show()
      })
    }
    return true
  }

  show() {
    const { axes } = this.controls.map
    const [px, py, distance] = this.between()
    const { left, top, width, height } = axes.area
    const parts = [(px - left) / width, 1 - (py - top) / height]
    const [across, up] = this.start.ranges.map(([low, high], k) => {
      const size = ((high - low) * this.start.distance) / distance
      const from = this.start.place[k] - parts[k] * size
      return [from, from + size]
    })
    axes.show(across, up)
  }

  // True for each finger of a pinch that is lifted, the last one included.
  ends({ pointerId }) {
    if (!this.fingers.delete(pointerId)) return false
    const pinched = Boolean(this.start)
    if (!this.fingers.size) this.start = null
    return pinched
  }
}
