// ε in hand: two planes that show one draw, before and after z = μ + σ · ε, and its picture.

import { component } from "../base.js"

const EDGE = 3.7 // half a plane, in its own units

function shape(tag, attributes = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  if (text !== undefined) made.textContent = text
  return made
}

const dots = (points) => points.map(([x, y]) => `M${x.toFixed(3)} ${(-y).toFixed(3)}h0`).join("")
const clip = (v, reach) => Math.max(-reach, Math.min(reach, Math.round(v * 100) / 100))
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
    this.send = send
    this.space = root.querySelector(".noise-space")
    this.codes = root.querySelector(".noise-codes")
    this.canvas = root.querySelector("canvas")
    this.sums = root.querySelector(".noise-sums")
    this.status = root.querySelector(".noise-status")
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
      const place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
      this.move(noiseAt([(2 * place[0] - 1) * EDGE, (1 - 2 * place[1]) * EDGE]))
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
      this.release()
    }
    svg.onkeydown = (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }
      if (!way[event.key]) return
      event.preventDefault()
      const step = event.shiftKey ? 0.5 : 0.1
      this.move(this.noise.map((v, k) => v + step * way[event.key][k]))
      clearTimeout(this.waiting)
      this.waiting = setTimeout(() => this.release(), 250)
    }
  }

  async update(data) {
    const before = this.data
    this.data = data
    this.root.style.setProperty("--noise-aspect", `${data.shape[2]} / ${data.shape[1]}`)
    this.canvas.classList.toggle("pixelated", data.shape[1] <= 32)
    // Python's word counts where it is new; its echo of what was sent must not undo a later move.
    const known = String(before?.noise) === String(data.noise)
    if (String(this.sent) === String(data.noise)) this.sent = null
    else if (!this.noise || !(known || this.held || this.sent)) this.noise = data.noise
    this.build()
    this.show()
    this.pull()
    try {
      if (!this.decoder || before?.model !== data.model) {
        this.decoder?.close()
        this.decoder = null
        const root = new URL(data.base || "/", location.href).href.replace(/\/$/, "")
        const { openDecoder } = await import(`${root}/live/decoder.js`)
        const decoder = await openDecoder(root, data.model)
        if (this.closed || this.data.model !== data.model) return decoder.close()
        this.decoder = decoder
      }
      this.status.textContent = this.decoder.exact ? ""
        : "This browser cannot run the decoder, so the server decodes."
      this.decode()
      this.root.dataset.ready = data.model
    } catch (error) {
      this.status.textContent = error.message
    }
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
        rx: r * radius[0], ry: r * radius[1], stroke: colours.posterior, opacity: 1.1 - 0.28 * r })),
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
    this.noise = noise.map((v) => clip(v, this.data.reach))
    this.show()
    for (const line of this.pulls) line.setAttribute("d", "") // they belong to the old place
    this.decode()
  }

  show() {
    const { mean, sigma, axes } = this.data
    const [x, y] = this.noise
    const [u, v] = this.place(this.z())
    const put = (dot, text, px, py) => {
      dot.setAttribute("cx", px)
      dot.setAttribute("cy", -py)
      text.setAttribute("x", px + 0.24)
      text.setAttribute("y", -py - 0.2)
    }
    put(this.dot, this.label, x, y)
    put(this.mark, this.letter, u, v)
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

  // The slope of log p(x|z), once Python has said it: the same at z and at μ.
  pull() {
    const { slope, noise, mean, axes } = this.data
    const known = slope && String(noise) === String(this.noise)
    const starts = [this.place(this.z()), this.place(axes.map((d) => mean[d]))]
    this.pulls.forEach((line, i) => {
      if (known) arrow(line, starts[i], starts[i].map((v, k) => v + 1.3 * slope[k]))
      else line.setAttribute("d", "")
    })
  }

  decode() {
    if (!this.decoder) return
    const { mean, axes } = this.data
    const code = Float32Array.from(mean)
    this.z().forEach((v, k) => { code[axes[k]] = v })
    this.decoder.latest(code, ({ mean: picture }) => {
      this.canvas.width = picture.width
      this.canvas.height = picture.height
      this.canvas.getContext("2d").putImageData(picture, 0, 0)
      this.root.dispatchEvent(new CustomEvent("decoded"))
    })
  }

  release() {
    this.sent = this.noise
    this.send("noise", [...this.noise])
  }

  close() {
    this.closed = true
    clearTimeout(this.waiting)
    this.decoder?.close()
  }
}

export default component(NoisePad, ".noise-pad")
