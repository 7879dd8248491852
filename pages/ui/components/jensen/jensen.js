// A function of a mean against the mean of the function: points on the curve, dragged sideways.

import { SyncedValue, arrowKey, clamp, component } from "../base.js"

const [LOW, HIGH] = [0.02, 4]
// What can be chosen, with the lowest and highest value that is drawn.
const FUNCTIONS = {
  log: [Math.log, -4.2, 1.8],
  root: [Math.sqrt, -0.25, 2.25],
  line: [(w) => w, -0.5, 4.5],
  square: [(w) => w * w, -1.8, 17.5],
}

export class Jensen {
  constructor(root, data) {
    this.root = root
    this.canvas = root.querySelector("canvas")
    this.out = root.querySelector(".jensen-numbers")
    this.chosen = 0
    this.name = "log"
    this.buttons = root.querySelector(".jensen-functions")
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
    this.buttons.setAttribute("aria-label", data.words.function)
    this.buttons.replaceChildren(...Object.entries(data.words.functions).map(([name, label]) => {
      const button = document.createElement("button")
      button.type = "button"
      button.textContent = label
      button.setAttribute("aria-pressed", name === this.name)
      button.onclick = () => {
        this.name = name
        for (const other of this.buttons.children) {
          other.setAttribute("aria-pressed", other === button)
        }
        this.draw()
      }
      return button
    }))
    this.draw()
  }

  f(w) { return FUNCTIONS[this.name][0](w) }

  get weights() { return this.synced.value }

  x(w) { return 14 + (w / (HIGH * 1.03)) * (this.width - 28) }
  y(v) {
    const [, bottom, top] = FUNCTIONS[this.name]
    return 10 + ((top - v) / (top - bottom)) * (this.height - 20)
  }

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
    const values = this.weights.map((w) => this.f(w))
    const meanValue = values.reduce((s, v) => s + v, 0) / n
    const atMean = this.f(mean)
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
      curve.push([this.x(w), this.y(this.f(w))])
    }
    line(curve, text, 2)
    // The hull of the points: every mean of them lies in it, on one side of a curve that bends
    // one way only.
    const order = this.weights.map((w, i) => [this.x(w), this.y(values[i])])
    order.sort((a, b) => a[0] - b[0])
    c.beginPath()
    order.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)))
    c.closePath()
    c.fillStyle = gap
    c.globalAlpha = 0.15
    c.fill()
    c.globalAlpha = 1
    const [x, high, low] = [this.x(mean), this.y(atMean), this.y(meanValue)]
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
      dot(this.x(w), this.y(values[i]), i === this.chosen ? 9 : 7, text)
    })
    c.fillStyle = text
    c.fillText(words.functions[this.name], this.x(HIGH) - 40, this.y(this.f(HIGH)) + 24)
    c.fillText("w", this.width - 18, this.y(0) + 16)
    const parts = [[words.mean, mean, text], [words.above, atMean, above],
      [words.below, meanValue, below], [words.gap, atMean - meanValue, gap]]
    this.out.replaceChildren(...parts.map(([name, value, colour]) => {
      const cell = document.createElement("div")
      const number = document.createElement("span")
      number.textContent = value.toFixed(3).replace("-", "−")
      number.style.color = colour
      cell.append(`${name} `, number)
      return cell
    }))
    this.root.dataset.gap = atMean - meanValue
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
        [Math.hypot(this.x(w) - x, this.y(this.f(w)) - y), i])
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
