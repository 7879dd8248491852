// log of a mean against the mean of logs: points on the curve, dragged sideways.

import { SyncedValue, arrowKey, clamp, component } from "../base.js"

const [LOW, HIGH] = [0.02, 4]
const [BOTTOM, TOP] = [-4.2, 1.8]

export class Jensen {
  constructor(root, data) {
    this.root = root
    this.canvas = root.querySelector("canvas")
    this.out = root.querySelector(".jensen-numbers")
    this.chosen = 0
    this.synced = new SyncedValue(() => {}) // Python does not ask
    this.resized = new ResizeObserver(() => this.draw())
    this.resized.observe(this.canvas)
    this.bind()
    this.update(data)
  }

  update(data) {
    this.synced.receive({ value: data.weights, count: 0, subject: String(data.weights) })
    this.data = data
    this.canvas.setAttribute("aria-label", data.words.alt)
    this.draw()
  }

  get weights() { return this.synced.value }

  x(w) { return 14 + (w / (HIGH * 1.03)) * (this.width - 28) }
  y(v) { return 10 + ((TOP - v) / (TOP - BOTTOM)) * (this.height - 20) }

  draw() {
    if (!this.data || !this.canvas.clientWidth) return
    const ratio = devicePixelRatio || 1
    this.width = this.canvas.clientWidth
    this.height = this.canvas.clientHeight
    this.canvas.width = this.width * ratio
    this.canvas.height = this.height * ratio
    const c = this.canvas.getContext("2d")
    c.setTransform(ratio, 0, 0, ratio, 0, 0)
    const text = getComputedStyle(this.root).color
    const { above, below, gap, words } = this.data
    const n = this.weights.length
    const mean = this.weights.reduce((s, w) => s + w, 0) / n
    const logs = this.weights.map(Math.log)
    const meanLog = logs.reduce((s, v) => s + v, 0) / n
    const line = (points, colour, width, dash = []) => {
      c.beginPath()
      points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)))
      c.strokeStyle = colour
      c.lineWidth = width
      c.setLineDash(dash)
      c.stroke()
      c.setLineDash([])
    }
    c.font = "13px sans-serif"
    c.globalAlpha = 0.35
    line([[this.x(0), this.y(0)], [this.width - 8, this.y(0)]], text, 1)
    line([[this.x(0), 6], [this.x(0), this.height - 6]], text, 1)
    c.globalAlpha = 1
    const curve = []
    for (let i = 0; i <= 300; i++) {
      const w = 0.012 * (HIGH / 0.012) ** (i / 300)
      curve.push([this.x(w), this.y(Math.log(w))])
    }
    line(curve, text, 2)
    // The hull of the points: every mean of them lies in it, and it lies below the curve.
    const order = this.weights.map((w, i) => [this.x(w), this.y(logs[i])])
    order.sort((a, b) => a[0] - b[0])
    c.beginPath()
    order.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)))
    c.closePath()
    c.fillStyle = gap
    c.globalAlpha = 0.15
    c.fill()
    c.globalAlpha = 1
    const [x, high, low] = [this.x(mean), this.y(Math.log(mean)), this.y(meanLog)]
    line([[x, high], [x, low]], gap, 4)
    line([[this.x(0), high], [x, high]], above, 2, [6, 4])
    line([[this.x(0), low], [x, low]], below, 2, [6, 4])
    const dot = (x, y, r, colour) => {
      c.beginPath()
      c.arc(x, y, r, 0, 2 * Math.PI)
      c.fillStyle = colour
      c.fill()
    }
    dot(x, high, 6, above)
    dot(x, low, 6, below)
    this.weights.forEach((w, i) => {
      dot(this.x(w), this.y(logs[i]), i === this.chosen ? 9 : 7, text)
    })
    c.fillStyle = text
    c.fillText(words.curve, this.x(HIGH) - 34, this.y(Math.log(HIGH)) - 10)
    c.fillText("w", this.width - 18, this.y(0) + 16)
    const parts = [[words.above, Math.log(mean), above],
      [words.below, meanLog, below], [words.gap, Math.log(mean) - meanLog, gap]]
    this.out.replaceChildren(...parts.map(([name, value, colour]) => {
      const cell = document.createElement("div")
      const number = document.createElement("span")
      number.textContent = value.toFixed(3)
      number.style.color = colour
      cell.append(`${name} `, number)
      return cell
    }))
    this.root.dataset.gap = Math.log(mean) - meanLog
  }

  set(i, w) {
    this.synced.change(this.weights.with(i, clamp(w, LOW, HIGH)))
    this.draw()
  }

  bind() {
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect()
      return [event.clientX - box.left, event.clientY - box.top]
    }
    const follow = (event) =>
      this.set(this.chosen, ((at(event)[0] - 14) / (this.width - 28)) * HIGH * 1.03)
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId)
      const [x, y] = at(event)
      const far = this.weights.map((w, i) =>
        [Math.hypot(this.x(w) - x, this.y(Math.log(w)) - y), i])
      this.chosen = far.sort((a, b) => a[0] - b[0])[0][1]
      follow(event)
    }
    this.canvas.onpointermove = (event) => { if (event.buttons) follow(event) }
    this.canvas.onkeydown = (event) => {
      const [right, up] = arrowKey(event) ?? [0, 0]
      const n = this.weights.length
      if (right) this.set(this.chosen, this.weights[this.chosen] + 0.05 * right)
      if (up) this.chosen = (this.chosen + n + up) % n
      this.draw()
    }
  }

  close() {
    this.resized.disconnect()
  }
}

export default component(Jensen, ".jensen")
