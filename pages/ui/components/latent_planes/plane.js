// Planes under one pointer. Each decodes what lies under it; Python hears on release.

import { component, element, numbers, put } from "../base.js"
import { drawPanel, fit, oval } from "./draw.js"

const GRIP = 18 // pixels around a handle that take hold of it
const APART = 26 // pixels from the centre to a handle on the rim, at least

export class Planes {
  constructor(root, data, send) {
    this.root = root
    this.send = send
    this.place = root.querySelector(".plane-panels")
    this.draws = root.querySelector(".plane-draws")
    this.status = root.querySelector(".plane-status")
    this.decoders = new Map()
    this.resized = new ResizeObserver(() => this.paint())
    this.resized.observe(this.place)
    this.update(data)
  }

  async update(data) {
    const before = this.data
    this.data = data
    if (before?.token !== data.token) {
      this.at = data.at ? [...data.at] : null
      this.gaussian = data.gaussian ? [...data.gaussian] : null
    }
    for (const panel of data.panels) {
      panel.xy = numbers(panel.points)
      panel.classOf = numbers(panel.classes)
      if (panel.field) panel.fieldValues = numbers(panel.field.values)
    }
    if (before?.layout !== data.layout) this.build(before)
    this.paint()
    try {
      await this.open()
      if (this.closed || this.data !== data) return
      this.moved()
      this.root.dataset.ready = data.layout
    } catch (error) {
      this.status.textContent = error.message
    }
  }

  async open() {
    const root = new URL(this.data.base || "/", location.href).href.replace(/\/$/, "")
    const { openDecoder } = await import(`${root}/live/decoder.js`)
    for (const { model } of this.data.panels) {
      if (!model || this.decoders.has(model)) continue
      const opening = openDecoder(root, model)
      this.decoders.set(model, opening)
      const decoder = await opening
      if (this.closed) decoder.close()
    }
    this.ready = new Map()
    for (const [model, opening] of this.decoders) this.ready.set(model, await opening)
    const exact = [...this.ready.values()].every((decoder) => decoder.exact)
    this.root.dataset.exact = exact
    this.status.textContent = exact ? ""
      : "This browser cannot run the decoder, so the server decodes."
  }

  build(before) {
    const { panels, noise } = this.data
    if (before?.panels.length === panels.length && this.views &&
        panels.every((p, i) => Boolean(p.model) === Boolean(before.panels[i].model))) {
      this.views.forEach((view, i) => { view.title.textContent = panels[i].title })
    } else {
      this.views = panels.map((panel, i) => {
        const still = element("canvas", { width: 1, height: 1 })
        const over = element("canvas", { width: 1, height: 1 })
        const stage = element("div", { className: "plane-stage", tabIndex: 0, role: "application",
          ariaLabel: `${panel.title}. Arrow keys move the mark${noise
            ? ", with Shift they widen or narrow the Gaussian" : ""}, Enter asks for the numbers.`,
        }, still, over)
        const picture = element("canvas", { width: 1, height: 1, role: "img",
          ariaLabel: `${panel.title}: decoded at the mark` })
        const caption = element("figcaption")
        const screen = element("figure", { className: "plane-screen" }, caption)
        if (panel.model) screen.prepend(picture)
        else stage.tabIndex = -1
        const title = element("h4", { text: panel.title })
        this.bind(stage, i)
        return { title, stage, still, over, picture, caption, screen }
      })
      this.place.replaceChildren(...this.views.map(({ title, stage, screen }) =>
        element("section", { className: "plane-panel" }, title,
          element("div", { className: "plane-body" }, stage, screen))))
    }
    this.root.querySelector(".plane-legend").replaceChildren(...this.data.legend.map((name, k) => {
      const swatch = element("span", { className: "plane-swatch" })
      swatch.style.background = this.data.palette[k % this.data.palette.length]
      return element("span", {}, swatch, name)
    }))
    this.draws.hidden = !noise
    if (noise && this.draws.childElementCount !== noise.length + 1) {
      this.draws.replaceChildren(element("span", { text: "Draws of q, decoded" }),
        ...noise.map((_, k) => element("canvas", { width: 1, height: 1, role: "img",
          ariaLabel: `Draw ${k + 1}, decoded` })))
    }
  }

  paint() {
    if (!this.data || !this.views || !this.place.clientWidth) return
    const text = getComputedStyle(this.root).color
    this.views.forEach((view, i) => {
      view.scale = drawPanel(this.data.panels[i], view.still, this.data.palette, text)
    })
    this.mark()
  }

  // Where the pointer stands in each plane's own units.
  codes() {
    if (this.gaussian) return this.views.map(() => this.gaussian.slice(0, 2))
    return this.views.map(({ scale }) => scale.at(...this.at))
  }

  mark() {
    const codes = this.codes()
    const colour = getComputedStyle(this.root).getPropertyValue("--st-primary-color")
    const text = getComputedStyle(this.root).color
    this.views.forEach(({ over, scale }, i) => {
      const { context, width, height } = fit(over)
      context.clearRect(0, 0, width, height)
      if (!this.data.panels[i].model && !this.data.panels[i].field) return
      const [x, y] = [scale.x(codes[i][0]), scale.y(codes[i][1])]
      if (this.gaussian) {
        const [mx, my, sx, sy] = this.gaussian
        for (const radius of [1, 2]) {
          oval(context, scale, { mean: [mx, my], sigma: [sx, sy], colour: this.data.colour,
            radius, dashed: radius === 2 }, 2.2)
        }
        const ground = getComputedStyle(this.root).getPropertyValue("--st-background-color")
        for (const [hx, hy] of this.handles(scale)) {
          for (const [radius, fill] of [[9, text], [7.5, ground], [5.5, this.data.colour]]) {
            context.fillStyle = fill
            context.beginPath()
            context.arc(hx, hy, radius, 0, 2 * Math.PI)
            context.fill()
          }
        }
        return
      }
      context.strokeStyle = text
      context.globalAlpha = 0.35
      context.beginPath()
      context.moveTo(x, 0); context.lineTo(x, height)
      context.moveTo(0, y); context.lineTo(width, y)
      context.stroke()
      context.globalAlpha = 1
      context.strokeStyle = colour
      context.lineWidth = 3
      context.beginPath()
      context.arc(x, y, 8, 0, 2 * Math.PI)
      context.stroke()
    })
    this.captions(codes)
  }

  captions(codes) {
    const { panels } = this.data
    this.views.forEach(({ caption }, i) => {
      const { model, note } = panels[i]
      const lines = note ? [note] : []
      if (model) lines.push(`z = (${codes[i].map((v) => v.toFixed(2)).join(", ")})`)
      if (this.gaussian) {
        lines.push(`σ = (${this.gaussian.slice(2).map((v) => v.toFixed(3)).join(", ")})`)
      }
      const spans = lines.map((text) => element("div", { text }))
      const { field, fieldValues } = panels[i]
      if (field) {
        const [u, v] = this.views[i].scale.part(codes[i])
        const rows = fieldValues.length / field.side
        const clip = (value, most) => Math.max(0, Math.min(most, Math.round(value)))
        const value = fieldValues[clip(v * (rows - 1), rows - 1) * field.side
          + clip(u * (field.side - 1), field.side - 1)]
        const swatch = element("span", { className: "plane-swatch" })
        swatch.style.background = field.colour
        spans.push(element("div", {}, swatch, `${field.label}: `,
          element("b", { text: value.toFixed(field.digits) })))
      }
      caption.replaceChildren(...spans)
    })
  }

  // Its centre and its rim; the rim's stand off from the centre however narrow it is.
  handles(scale) {
    const [mx, my, sx, sy] = this.gaussian
    const [x, y] = [scale.x(mx), scale.y(my)]
    return [[x, y], [Math.max(scale.x(mx + sx), x + APART), y],
      [x, Math.min(scale.y(my + sy), y - APART)]]
  }

  moved() {
    this.mark()
    if (!this.ready) return
    const codes = this.codes()
    this.views.forEach(({ picture, stage }, i) => {
      this.ready.get(this.data.panels[i].model)?.latest(Float32Array.from(codes[i]), (found) => {
        put(picture, found.mean)
        stage.dataset.decoded = codes[i].join(",")
      })
    })
    if (!this.gaussian) return
    const { noise, panels } = this.data
    const [mx, my, sx, sy] = this.gaussian
    const flat = Float32Array.from(noise.flatMap(([a, b]) => [mx + sx * a, my + sy * b]))
    this.ready.get(panels[0].model)?.latestMany(flat, noise.length, (pictures) => {
      const canvases = this.draws.querySelectorAll("canvas")
      pictures.forEach((picture, k) => put(canvases[k], picture.mean))
    })
  }

  bind(stage, i) {
    let [held, begun, reach] = [0, 1, 1]
    const inside = (event) => {
      const box = stage.getBoundingClientRect()
      return [event.clientX - box.left, event.clientY - box.top]
    }
    const follow = (event) => {
      const [x, y] = inside(event)
      const { scale } = this.views[i]
      const clip = (v) => Math.max(0, Math.min(1, v))
      const part = [clip(x / scale.width), clip(1 - y / scale.height)]
      if (!this.gaussian) this.at = part
      else {
        const [zx, zy] = scale.at(...part)
        if (held === 0) this.gaussian.splice(0, 2, zx, zy)
        else {
          // In proportion to how far the handle is pulled from the centre.
          const [cx, cy] = this.handles(scale)[0]
          const away = held === 1 ? x - cx : cy - y
          this.gaussian[1 + held] = Math.max(0.005, (begun * Math.max(away, 1)) / reach)
        }
      }
      this.moved()
    }
    stage.onpointerdown = (event) => {
      stage.setPointerCapture(event.pointerId)
      if (this.gaussian) {
        const [x, y] = inside(event)
        const places = this.handles(this.views[i].scale)
        const near = places.map(([hx, hy], k) => [Math.hypot(hx - x, hy - y), k])
          .sort((a, b) => a[0] - b[0])[0]
        held = near[0] < GRIP ? near[1] : 0
        begun = this.gaussian[1 + held]
        reach = held === 1 ? places[1][0] - places[0][0] : places[0][1] - places[2][1]
      }
      follow(event)
    }
    stage.onpointermove = (event) => {
      if (event.buttons || (event.pointerType === "mouse" && !this.gaussian)) follow(event)
    }
    stage.onpointerup = () => this.release()
    stage.onkeydown = (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }
      const by = move[event.key]
      if (event.key === "Enter") this.release()
      if (!by) return
      event.preventDefault()
      event.stopPropagation()
      const { scale } = this.views[i]
      if (!this.gaussian) this.at = this.at.map((v, k) => Math.max(0, Math.min(1, v + 0.01 * by[k])))
      else if (event.shiftKey) {
        by.forEach((b, k) => { this.gaussian[2 + k] = Math.max(0.005, this.gaussian[2 + k] * 1.1 ** b) })
      } else {
        this.gaussian[0] += 0.01 * by[0] * (scale.x1 - scale.x0)
        this.gaussian[1] += 0.01 * by[1] * (scale.y1 - scale.y0)
      }
      this.moved()
    }
  }

  release() {
    if (this.gaussian) this.send("gaussian", [...this.gaussian])
    else this.send("at", [...this.at])
  }

  async close() {
    this.closed = true
    this.resized.disconnect()
    for (const opening of this.decoders.values()) (await opening).close()
  }
}

export default component(Planes, ".planes")
