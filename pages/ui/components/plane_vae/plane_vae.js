// A VAE of points of a plane that is trained in the browser: the points and what becomes of them,
// their posteriors, and the terms of the objective with the log p(x) that they stay below.

import { arrowKey, clamp, component, recall, remember } from "../base.js"
import { tickLesson } from "../lesson_steps/ticks.js"
import { SHADES, drawPoints, drawPosteriors, drawTerms, number } from "./drawing.js"
import { PlaneVae, generator, points } from "./training.js"

const REACH = 3 // half the plane of the points
const LATENT = 3.6 // half the latent plane
const [COUNT, MOST, BATCH, DROP] = [400, 800, 128, 6] // points, and those that one stroke adds
const ENOUGH = 2500 // steps after which training stops by itself
const BUDGET = 30 // milliseconds of training at a time
const PICTURE = 90 // milliseconds between two pictures, which cost more than several steps
const LOOK = 600 // milliseconds between two sums over the lattice, at least
const SHARE = 0.2 // of the time that those sums may take from training
const [COLLAPSED, LEARNED] = [0.1, 0.5] // nats of KL
const RAISED = 2 // a β from which on it is seen what raising it does
const SETTLED = 500 // steps until that is seen
const KEPT = "latent-plane-points"

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length

export class Plane {
  constructor(root, data, send) {
    Object.assign(this, { root, send, told: 0 })
    const of = (name) => root.querySelector(`.plane-vae-${name}`)
    for (const name of ["run", "step", "anew", "clear", "codes", "curves", "numbers"]) {
      this[name] = of(name)
    }
    this.sliders = { beta: of("beta"), rate: of("rate") }
    this.status = of("status")
    this.cursor = [0, 0]
    this.shown = null // the point under the pointer
    this.bind()
    this.resized = new ResizeObserver(() => this.draw())
    this.resized.observe(root)
    this.visible = new IntersectionObserver((entries) => {
      this.away = !entries.at(-1).isIntersecting // the last is how it is now
    })
    this.visible.observe(root)
    this.update(data)
  }

  update(data) {
    const subject = `${data.shape}|${data.seed}`
    const fresh = subject !== this.subject
    Object.assign(this, { data, subject })
    const { words } = data
    this.sliders.beta.querySelector("input").disabled = data.held
    this.sliders.beta.toggleAttribute("data-held", data.held)
    this.step.textContent = words.step
    this.anew.textContent = words.anew
    this.clear.textContent = words.clear
    for (const [name, label] of Object.entries(this.sliders)) {
      label.querySelector("span").textContent = words[name]
    }
    const panels = [this.plane, this.codes, this.curves]
    ;["data", "codes", "curves"].forEach((name, k) => {
      panels[k].setAttribute("aria-label", words[`${name}_alt`])
      panels[k].nextElementSibling.textContent = words[name]
    })
    if (fresh) {
      this.settle("beta", data.beta)
      this.settle("rate", Math.log10(data.rate))
      this.x = this.own() ?? points(data.shape, COUNT, data.seed)
      this.restart(!matchMedia("(prefers-reduced-motion: reduce)").matches)
    } else this.draw()
  }

  get plane() { return this.root.querySelector(".plane-vae-data") }
  get beta() { return Number(this.sliders.beta.querySelector("input").value) }
  get rate() { return 10 ** Number(this.sliders.rate.querySelector("input").value) }

  settle(name, value) {
    const input = this.sliders[name].querySelector("input")
    if (value !== undefined) input.value = value
    const out = this.sliders[name].querySelector("output")
    out.textContent = name === "beta" ? number(this.beta, 1) : this.rate.toPrecision(2)
  }

  // What the visitor drew in this tab for this choice, if it was drawn.
  own() {
    try {
      const kept = JSON.parse(recall(KEPT))
      if (kept.subject !== this.subject || !kept.x.every(Number.isFinite)) return null
      return Float64Array.from(kept.x.slice(0, 2 * MOST))
    } catch {
      return null
    }
  }

  keep() {
    const x = Array.from(this.x, (v) => Math.round(v * 1e3) / 1e3)
    remember(KEPT, JSON.stringify({ subject: this.subject, x }))
  }

  restart(run) {
    this.vae = new PlaneVae(this.data.seed)
    this.order = generator(this.data.seed + 2)
    this.history = []
    this.before = this.raised = null
    this.until = ENOUGH
    this.look()
    this.go(run)
  }

  go(run) {
    this.running = run && this.x.length > 0
    this.run.textContent = this.running ? this.data.words.pause : this.data.words.train
    this.run.setAttribute("aria-pressed", this.running)
    this.root.dataset.running = this.running
    if (this.running && !this.frame) this.frame = requestAnimationFrame(() => this.tick())
    if (!this.running) this.look()
  }

  tick() {
    this.frame = null
    if (!this.running) return
    const start = performance.now()
    while (!this.away && !document.hidden && performance.now() - start < BUDGET) {
      this.learn()
      if (this.vae.steps >= this.until) {
        this.until += ENOUGH
        return this.go(false)
      }
    }
    if (start > this.lookAgain) this.look()
    else if (start - this.drawn > PICTURE) this.draw()
    this.frame = requestAnimationFrame(() => this.tick())
  }

  learn() {
    const count = this.x.length / 2
    const batch = new Float64Array(2 * Math.min(BATCH, count))
    for (let k = 0; k < batch.length; k += 2) {
      const row = Math.floor(count * this.order.uniform())
      batch[k] = this.x[2 * row]
      batch[k + 1] = this.x[2 * row + 1]
    }
    this.vae.step(batch, this.beta, this.rate)
  }

  // Sums over the latent plane: log p(x) of the points, and the density of the plane around them.
  look() {
    const start = performance.now()
    const { vae, x } = this
    const coarse = vae.lattice(0.2)
    const cells = Float64Array.from({ length: 2 * SHADES ** 2 }, (_, k) => {
      const cell = k % 2 ? SHADES - 1 - Math.floor((k >> 1) / SHADES) : (k >> 1) % SHADES
      return ((cell + 0.5) / SHADES) * 2 * REACH - REACH
    })
    this.density = vae.evidence(cells, coarse).map(Math.exp)
    if (x.length) {
      const { reconstruction, kl } = vae.terms(x)
      const evidence = mean(vae.evidence(x))
      const row = { step: vae.steps, reconstruction, kl, elbo: reconstruction - kl, evidence }
      if (this.history.at(-1)?.step === row.step) this.history.pop()
      this.history.push(row)
      this.compare(kl)
      // Seen to collapse, which is what the step is for.
      if (kl < COLLAPSED && this.history.some((other) => other.kl > LEARNED)) tickLesson("plane")
    }
    const end = performance.now()
    this.lookAgain = end + Math.max(LOOK, (end - start) * (1 / SHARE - 1))
    this.draw()
  }

  // Tells what raising β has done to the posteriors, once it is seen.
  compare(kl) {
    const { vae, x, beta } = this
    const { mean: means, sigma } = vae.encode(x)
    const size = mean(sigma)
    const centre = [0, 1].map((d) => mean(means.filter((_, k) => k % 2 === d)))
    const apart = Math.sqrt(mean(means.map((v, k) => (v - centre[k % 2]) ** 2)))
    if (beta < RAISED) {
      this.raised = null
      if (kl > LEARNED) this.before = { size, apart }
    } else if (this.before) {
      this.raised ??= vae.steps
      if (vae.steps - this.raised < SETTLED) return
      const { before } = this
      this.send("change", { count: ++this.told,
        value: { sigma: [before.size, size], apart: [before.apart, apart] } })
      this.before = null
    }
  }

  draw() {
    if (!this.vae) return
    this.drawn = performance.now()
    const codes = this.vae.encode(this.x)
    const decoded = this.vae.decode(codes.mean)
    const marked = this.root.getRootNode().activeElement === this.plane ? this.cursor : null
    const { x: points, shown, density, data: { colours, words } } = this
    drawPoints(this.plane, { points, decoded, density, shown, marked, reach: REACH, colours })
    drawPosteriors(this.codes, { points, codes, shown, reach: LATENT })
    drawTerms(this.curves, { rows: this.history, colours, words })
    this.write()
  }

  write() {
    const row = this.history.at(-1)
    this.root.dataset.points = this.x.length / 2
    const { words, colours } = this.data
    if (!row || !this.x.length) {
      this.numbers.replaceChildren()
      this.status.textContent = this.x.length ? "" : words.empty
      return
    }
    this.status.textContent = ""
    const parts = [["evidence", row.evidence], ["elbo", row.elbo],
      ["gap", row.evidence - row.elbo], ["reconstruction", row.reconstruction], ["kl", row.kl],
      ["deviation", this.vae.deviation]]
    this.numbers.replaceChildren(...parts.map(([name, value]) => {
      const cell = document.createElement("span")
      const bold = document.createElement("b")
      bold.textContent = number(value)
      bold.style.color = colours[{ gap: "posterior" }[name] ?? name] ?? "inherit"
      cell.append(`${words[name]} `, bold)
      return cell
    }))
    for (const [name, value] of parts) this.root.dataset[name] = value
    this.root.dataset.steps = this.vae.steps
  }

  // --- the visitor

  add(places) {
    const kept = [...this.x, ...places.flat()].slice(-2 * MOST)
    this.x = Float64Array.from(kept)
    this.keep()
    this.look()
  }

  drop([x, y]) {
    const { normal } = this.order
    this.add(Array.from({ length: DROP }, () => [x + 0.09 * normal(), y + 0.09 * normal()]
      .map((v) => clamp(v, -REACH, REACH))))
  }

  bind() {
    const place = (element, reach, event) => {
      const box = element.getBoundingClientRect()
      return [((event.clientX - box.left) / box.width) * 2 * reach - reach,
        reach - ((event.clientY - box.top) / box.height) * 2 * reach]
    }
    this.run.onclick = () => this.go(!this.running)
    this.step.onclick = () => {
      this.go(false)
      if (this.x.length) this.learn()
      this.look()
    }
    this.anew.onclick = () => this.restart(true)
    this.clear.onclick = () => {
      this.x = new Float64Array(0)
      this.shown = null
      this.keep()
      this.restart(false)
    }
    for (const [name, label] of Object.entries(this.sliders)) {
      label.querySelector("input").oninput = () => {
        this.settle(name)
        this.until = this.vae.steps + ENOUGH // a change is worth more steps
        if (this.x.length) this.go(true)
      }
    }
    const data = this.plane
    data.onpointerdown = (event) => {
      data.setPointerCapture(event.pointerId)
      this.drop(place(data, REACH, event))
    }
    data.onpointermove = (event) => {
      const at = place(data, REACH, event)
      if (event.buttons) return this.drop(at)
      this.point(this.x, at, 0.3)
    }
    this.codes.onpointermove = (event) =>
      this.point(this.vae.encode(this.x).mean, place(this.codes, LATENT, event), 0.4)
    data.onpointerleave = this.codes.onpointerleave = () => this.point([], [0, 0], 0)
    data.onfocus = data.onblur = () => this.draw()
    data.onkeydown = (event) => {
      const steps = arrowKey(event)
      if (steps) this.cursor = this.cursor.map((v, k) => clamp(v + 0.15 * steps[k], -REACH, REACH))
      else if (event.key !== "Enter" && event.key !== " ") return
      else {
        event.preventDefault()
        this.drop(this.cursor)
      }
      this.draw()
    }
  }

  // Marks the nearest of some places in both planes.
  point(places, [x, y], reach) {
    let [best, found] = [reach, null]
    for (let k = 0; k < places.length; k += 2) {
      const far = Math.hypot(places[k] - x, places[k + 1] - y)
      if (far < best) [best, found] = [far, k / 2]
    }
    if (found === this.shown) return
    this.shown = found
    if (!this.running) this.draw()
  }

  close() {
    this.running = false
    cancelAnimationFrame(this.frame)
    this.resized.disconnect()
    this.visible.disconnect()
  }
}

export default component(Plane, ".plane-vae")
