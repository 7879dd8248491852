// ε in hand: two planes that show one draw, before and after z = μ + σ · ε, and its picture.

import { Decoders, StatusLine, SyncedValue, arrowKey, clamp, component, put } from "../base.js"

const EDGE = 3.7 // half a plane, in its own units

function shape(tag, attributes = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  if (text !== undefined) made.textContent = text
  return made
}

const dots = (points) => points.map(([x, y]) => `M${x.toFixed(3)} ${(-y).toFixed(3)}h0`).join("")
const signed = (v) => (v < 0 ? `− ${(-v).toFixed(2)}` : `+ ${v.toFixed(2)}`)
const number = (v, digits) => v.toFixed(digits).replace("-", "−")

function arrow(line, from, to) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]]
  const length = Math.hypot(dx, dy)
  if (length < 0.02) return line.setAttribute("d", "")
  const head = Math.min(0.22, length / 2)
  const side = (turn) => {
    const angle = Math.atan2(dy, dx) + Math.PI + turn
    return `${to[0] + head * Math.cos(angle)} ${-(to[1] + head * Math.sin(angle))}`
  }
  line.setAttribute("d", `M${from[0]} ${-from[1]}L${to[0]} ${-to[1]}M${side(0.45)}` +
    `L${to[0]} ${-to[1]}L${side(-0.45)}`)
}

export class NoisePad {
  constructor(root, data, send) {
    this.root = root
    this.synced = new SyncedValue((message) => send("noise", message))
    this.space = root.querySelector(".noise-space")
    this.codes = root.querySelector(".noise-codes")
    this.canvas = root.querySelector("canvas")
    this.sums = root.querySelector(".noise-sums")
    this.status = new StatusLine(root.querySelector(".noise-status"))
    this.decoders = new Decoders(root, this.status)
    this.bind(this.space, (place) => place)
    this.bind(this.codes, ([x, y]) => [x, y].map((v, k) => {
      const { middle, half, mean, sigma, axes } = this.data
      return (middle[k] + (v * half) / EDGE - mean[axes[k]]) / sigma[axes[k]]
    }))
    this.update(data)
  }

  bind(svg, noiseAt) {
    const follow = (event) => {
      const box = svg.getBoundingClientRect()
      const across = (event.clientX - box.left) / box.width
      const down = (event.clientY - box.top) / box.height
      this.move(noiseAt([(2 * across - 1) * EDGE, (1 - 2 * down) * EDGE]))
    }
    svg.onpointerdown = (event) => {
      this.held = true
      svg.setPointerCapture(event.pointerId)
      follow(event)
    }
    svg.onpointermove = (event) => { if (this.held) follow(event) }
    svg.onpointerup = svg.onpointercancel = () => {
      if (!this.held) return
      this.held = false
      this.synced.release()
    }
    svg.onkeydown = (event) => {
      const steps = arrowKey(event)
      if (!steps) return
      const size = event.shiftKey ? 0.5 : 0.1
      this.move(this.noise.map((v, k) => v + size * steps[k]))
      clearTimeout(this.waiting)
      this.waiting = setTimeout(() => this.synced.release(), 250)
    }
  }

  update(data) {
    this.data = data
    const captions = this.root.querySelectorAll("figcaption")
    ;["space", "codes", "picture"].forEach((name, k) => {
      captions[k].textContent = data.words[name]
      const drawn = [this.space, this.codes, this.canvas][k]
      drawn.setAttribute("aria-label", data.words[`${name}_alt`])
    })
    this.root.style.setProperty("--noise-aspect", `${data.shape[2]} / ${data.shape[1]}`)
    this.synced.receive(data.noise)
    this.build()
    this.show()
    this.pull()
    this.status.watch(() => this.open(data))
  }

  async open({ base, model }) {
    if (this.shown !== model) this.decoder = null
    const decoders = await this.decoders.open(base, model)
    if (!decoders) return
    this.decoder = decoders[0]
    this.shown = model
    this.decode()
    this.root.dataset.ready = model
  }

  // A latent place (two numbers) in the units of the right-hand plane.
  place(z) {
    const { middle, half } = this.data
    return z.map((v, k) => ((v - middle[k]) / half) * EDGE)
  }

  z() {
    const { mean, sigma, axes } = this.data
    return axes.map((d, k) => mean[d] + sigma[d] * this.noise[k])
  }

  build() {
    const { colours, draws, codes, mean, sigma, axes, half } = this.data
    const cross = (x, y) => shape("path", { class: "axis",
      d: `M${-EDGE} ${-y}H${EDGE}M${x} ${-EDGE}V${EDGE}` })
    const name = (text, x, y, fill) => shape("text", { x, y, style: `fill: ${fill}` }, text)
    this.space.replaceChildren(cross(0, 0),
      ...[1, 2, 3].map((r) => shape("circle", { class: "ring", r, stroke: colours.noise,
        opacity: 1.1 - 0.28 * r })),
      shape("path", { class: "dots", stroke: colours.noise, d: dots(draws) }),
      (this.lead = shape("path", { class: "arrow", stroke: colours.noise })),
      (this.dot = shape("circle", { class: "held", r: 0.17, fill: colours.noise })),
      (this.label = name("ε", 0, 0, colours.noise)))
    const centre = this.place(axes.map((d) => mean[d]))
    const radius = axes.map((d) => (sigma[d] / half) * EDGE)
    const [ox, oy] = this.place([0, 0])
    this.codes.replaceChildren(cross(ox, oy),
      shape("path", { class: "dots data", d: dots(codes.map((z) => this.place(z))) }),
      ...[1, 2, 3].map((r) => shape("ellipse", { class: "ring", cx: centre[0], cy: -centre[1],
        rx: r * radius[0], ry: r * radius[1], stroke: colours.posterior,
        opacity: 1.1 - 0.28 * r })),
      shape("path", { class: "dots", stroke: colours.posterior, d: dots(draws.map((e) =>
        this.place(axes.map((d, k) => mean[d] + sigma[d] * e[k])))) }),
      (this.step = shape("path", { class: "arrow", stroke: colours.deviation })),
      (this.pulls = ["z", "μ"].map(() => shape("path", { class: "arrow",
        stroke: "currentColor" })))[0], this.pulls[1],
      shape("circle", { class: "held", r: 0.1, cx: centre[0], cy: -centre[1],
        fill: colours.mean }),
      (this.mark = shape("circle", { class: "held", r: 0.14, fill: colours.posterior })),
      name("μ", centre[0] + 0.2, -centre[1] + 0.34, colours.mean),
      (this.letter = name("z", 0, 0, colours.posterior)))
  }

  move(noise) {
    const { reach } = this.data
    this.synced.change(noise.map((v) => clamp(Math.round(v * 100) / 100, -reach, reach)))
    this.show()
    for (const line of this.pulls) line.setAttribute("d", "") // they belong to the old place
    this.decode()
  }

  show() {
    const { mean, sigma, axes } = this.data
    const [x, y] = this.noise
    const [u, v] = this.place(this.z())
    const move = (dot, text, px, py) => {
      dot.setAttribute("cx", px)
      dot.setAttribute("cy", -py)
      text.setAttribute("x", px + 0.24)
      text.setAttribute("y", -py - 0.2)
    }
    move(this.dot, this.label, x, y)
    move(this.mark, this.letter, u, v)
    arrow(this.lead, [0, 0], this.noise)
    arrow(this.step, this.place(axes.map((d) => mean[d])), [u, v])
    this.sums.replaceChildren(...axes.map((d, k) => {
      const span = document.createElement("span")
      span.textContent = `z${d + 1} = ${number(mean[d], 3)} + ${sigma[d].toFixed(3)} · ` +
        `(${signed(this.noise[k])}) = ${number(this.z()[k], 3)}`
      return span
    }))
    this.root.dataset.noise = this.noise.join()
    this.root.dataset.z = this.z().join()
  }

  // The gradient of log p(x|z), once Python has said it: the same at z and at μ.
  pull() {
    const { gradient, noise, mean, axes } = this.data
    const known = gradient && String(noise.value) === String(this.noise)
    const starts = [this.place(this.z()), this.place(axes.map((d) => mean[d]))]
    this.pulls.forEach((line, i) => {
      if (known) arrow(line, starts[i], starts[i].map((v, k) => v + 1.3 * gradient[k]))
      else line.setAttribute("d", "")
    })
  }

  decode() {
    if (!this.decoder) return
    const { mean, axes } = this.data
    const code = Float32Array.from(mean)
    const place = this.z().join()
    this.z().forEach((v, k) => { code[axes[k]] = v })
    this.decoder.latest(code, ({ mean: picture }) => {
      put(this.canvas, picture)
      this.root.dataset.decoded = place
    })
  }

  get noise() {
    return this.synced.value
  }

  close() {
    clearTimeout(this.waiting)
    this.decoders.close()
  }
}

export default component(NoisePad, ".noise-pad")
