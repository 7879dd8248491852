// Planes under one pointer. Each decodes what lies under it; Python hears on release.

import {
  Decoders, StatusLine, SyncedValue, arrowKey, clamp, component, element, numbers, put,
} from "../base.js"
import { tickLesson } from "../lesson_steps/ticks.js"
import { drawPanel, fit, oval } from "./draw.js"
import { Gap } from "./gap.js"

const GRIP = 18 // pixels around a handle that take hold of it
const APART = 26 // pixels from the centre to a handle on the rim, at least

export class Planes {
  constructor(root, data, send) {
    this.root = root
    // One of the two, as Python sends it: a place, or the mean and deviation of a Gaussian.
    this.synced = { at: new SyncedValue((message) => send("at", message)),
      gaussian: new SyncedValue((message) => send("gaussian", message)) }
    this.place = root.querySelector(".plane-panels")
    this.draws = root.querySelector(".plane-draws")
    this.status = new StatusLine(root.querySelector(".plane-status"))
    this.decoders = new Decoders(root, this.status)
    this.resized = new ResizeObserver(() => this.paint())
    this.resized.observe(this.place)
    this.update(data)
  }

  update(data) {
    const before = this.data
    this.data = data
    this.held = this.synced[data.gaussian ? "gaussian" : "at"]
    this.held.receive(data.gaussian ?? data.at)
    for (const panel of data.panels) {
      panel.xy = numbers(panel.points)
      panel.classOf = numbers(panel.classes)
      if (panel.field) panel.fieldValues = numbers(panel.field.values)
    }
    if (before?.layout !== data.layout) this.build(before)
    if (data.gap && before?.layout !== data.layout) this.gap = new Gap(data.gap)
    this.paint()
    this.status.watch(() => this.open(data))
  }

  async open({ base, panels, layout }) {
    const models = [...new Set(panels.map(({ model }) => model).filter(Boolean))]
    const decoders = await this.decoders.open(base, ...models)
    if (!decoders) return
    this.ready = new Map(models.map((model, i) => [model, decoders[i]]))
    this.moved()
    this.root.dataset.ready = layout
  }

  build(before) {
    const { panels, noise, words } = this.data
    if (before?.panels.length === panels.length && this.views &&
        panels.every((p, i) => Boolean(p.model) === Boolean(before.panels[i].model))) {
      this.views.forEach((view, i) => { view.title.textContent = panels[i].title })
    } else {
      this.views = panels.map((panel, i) => {
        const still = element("canvas", { width: 1, height: 1 })
        const over = element("canvas", { width: 1, height: 1 })
        const stage = element("div", { className: "plane-stage", tabIndex: 0, role: "application",
          ariaLabel: words.keys.replace("{title}", panel.title),
        }, still, over)
        const picture = element("canvas", { width: 1, height: 1, role: "img",
          ariaLabel: words.decoded.replace("{title}", panel.title) })
        const caption = element("figcaption")
        const screen = element("figure", { className: "plane-screen" }, caption)
        if (panel.model) screen.prepend(picture)
        else if (!panel.marked) stage.tabIndex = -1
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
      this.draws.replaceChildren(element("span", { text: words.draws }),
        ...noise.map((_, k) => element("canvas", { width: 1, height: 1, role: "img",
          ariaLabel: words.draw.replace("{number}", k + 1) })))
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

  // Mean and deviation, null where a place is held.
  get gaussian() {
    return this.data.gaussian ? this.held.value : null
  }

  // Where the pointer stands in each plane's own units.
  codes() {
    if (this.gaussian) return this.views.map(() => this.gaussian.slice(0, 2))
    return this.views.map(({ scale }) => scale.at(...this.held.value))
  }

  mark() {
    const codes = this.codes()
    const colour = getComputedStyle(this.root).getPropertyValue("--st-primary-color")
    const text = getComputedStyle(this.root).color
    this.views.forEach(({ over, scale }, i) => {
      const { context, width, height } = fit(over)
      context.clearRect(0, 0, width, height)
      const { model, field, marked } = this.data.panels[i]
      if (!model && !field && !marked) return
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
        const cell = (part, count) => clamp(Math.round(part * (count - 1)), 0, count - 1)
        const value = fieldValues[cell(v, rows) * field.side + cell(u, field.side)]
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
      delete stage.dataset.decoded // until what is shown belongs to where the mark is
      this.ready.get(this.data.panels[i].model)?.latest(Float32Array.from(codes[i]), (found) => {
        put(picture, found.mean)
        if (this.codes()[i].join() === codes[i].join()) stage.dataset.decoded = codes[i].join()
      })
    })
    if (!this.gaussian) return
    const { noise, panels } = this.data
    const [mx, my, sx, sy] = this.gaussian
    const drawn = this.gaussian.join()
    delete this.draws.dataset.decoded
    const flat = Float32Array.from(noise.flatMap(([a, b]) => [mx + sx * a, my + sy * b]))
    this.ready.get(panels[0].model)?.latestMany(flat, noise.length, (pictures) => {
      const canvases = this.draws.querySelectorAll("canvas")
      pictures.forEach((picture, k) => put(canvases[k], picture.mean))
      if (this.gaussian?.join() === drawn) this.draws.dataset.decoded = drawn
    })
  }

  bind(stage, i) {
    let [grip, begun, reach] = [0, 1, 1]
    const inside = (event) => {
      const box = stage.getBoundingClientRect()
      return [event.clientX - box.left, event.clientY - box.top]
    }
    const follow = (event) => {
      const [x, y] = inside(event)
      const { scale } = this.views[i]
      const part = [clamp(x / scale.width, 0, 1), clamp(1 - y / scale.height, 0, 1)]
      if (!this.gaussian) return this.move(part)
      if (grip === 0) return this.move([...scale.at(...part), ...this.gaussian.slice(2)])
      // In proportion to how far the handle is pulled from the centre.
      const [cx, cy] = this.handles(scale)[0]
      const away = grip === 1 ? x - cx : cy - y
      const sigma = Math.max(0.005, (begun * Math.max(away, 1)) / reach)
      this.move(this.gaussian.with(1 + grip, sigma))
    }
    stage.onpointerdown = (event) => {
      stage.setPointerCapture(event.pointerId)
      if (this.gaussian) {
        const [x, y] = inside(event)
        const places = this.handles(this.views[i].scale)
        const near = places.map(([hx, hy], k) => [Math.hypot(hx - x, hy - y), k])
          .sort((a, b) => a[0] - b[0])[0]
        grip = near[0] < GRIP ? near[1] : 0
        begun = this.gaussian[1 + grip]
        reach = grip === 1 ? places[1][0] - places[0][0] : places[0][1] - places[2][1]
      }
      follow(event)
    }
    stage.onpointermove = (event) => {
      if (event.buttons || (event.pointerType === "mouse" && !this.gaussian)) follow(event)
    }
    stage.onpointerup = () => this.held.release()
    stage.onkeydown = (event) => {
      const by = arrowKey(event)
      if (event.key === "Enter") this.held.release()
      if (!by) return
      const { scale } = this.views[i]
      if (!this.gaussian) {
        return this.move(this.held.value.map((v, k) => clamp(v + 0.01 * by[k], 0, 1)))
      }
      const [mx, my, sx, sy] = this.gaussian
      const [wider, taller] = by.map((b) => 1.1 ** b)
      this.move(event.shiftKey
        ? [mx, my, Math.max(0.005, sx * wider), Math.max(0.005, sy * taller)]
        : [mx + 0.01 * by[0] * (scale.x1 - scale.x0), my + 0.01 * by[1] * (scale.y1 - scale.y0),
          sx, sy])
    }
  }

  move(value) {
    this.held.change(value)
    const { gap } = this
    if (gap?.crossed(this.codes()[gap.panel], this.data.panels[gap.panel].xy)) {
      tickLesson(this.data.gap.lesson)
    }
    this.moved()
  }

  close() {
    this.resized.disconnect()
    this.decoders.close()
  }
}

export default component(Planes, ".planes")
