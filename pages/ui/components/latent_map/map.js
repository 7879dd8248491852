// The live map: a Plotly scatter of codes whose every place is decoded under the pointer.

import { component, loadPlotly, theme } from "../base.js"
import { Grid, insidePolygon, linearFamily, nearestFamily, typed } from "./geometry.js"
import { Layers } from "./layers.js"
import { Screens } from "./screens.js"

const RAW = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove"
const WEBGL = Boolean(document.createElement("canvas").getContext("webgl"))
const SNAP = 9 // pixels within which a click means the point, not the place

export class LatentMap {
  constructor(root, data, send) {
    this.root = root
    this.send = send
    for (const name of ["stage", "plot", "note", "status"]) {
      this[`${name}El`] = root.querySelector(`.map-${name}`)
    }
    this.search = root.querySelector(".map-search")
    this.tool = "pan"
    this.coarse = matchMedia("(pointer: coarse)").matches
    this.layers = new Layers(this)
    this.screens = new Screens(this)
    this.found = null
    this.work = Promise.resolve()
    this.stop = new AbortController()
    this.listen()
    this.update(data)
  }

  // Called on every rerun. Runs follow one another, and only what changed is done again.
  update(data) {
    this.data = data
    this.stageEl.setAttribute("aria-label", data.description)
    for (const canvas of this.root.querySelectorAll(".map-tip canvas")) {
      canvas.classList.toggle("pixelated", data.shape[1] <= 32)
    }
    this.work = this.work.then(() => this.refresh()).catch((error) => this.note(error.message))
  }

  async refresh() {
    const { data } = this
    await loadPlotly(data.base)
    if (this.opened !== data.codes) await this.open(data)
    if (this.data !== data || this.stop.signal.aborted) return // a newer rerun takes over
    await this.draw()
    this.setFamily()
    this.layers.drawOverlay()
    this.showPlaced()
    if (this.layers.shown.sheet) this.layers.drawSheet()
  }

  // Moves the view to what Python placed, where that lies out of sight.
  showPlaced() {
    const pin = this.data.pins.at(-1)
    const known = this.lastPin
    this.lastPin = pin?.label ?? null
    if (!pin || known === undefined || known === pin.label) return
    const [x, y] = this.layers.positionOf(pin)
    const sees = (axis, at) => (axis.range[0] - at) * (axis.range[1] - at) <= 0
    const [xa, ya] = this.axes()
    if (!sees(xa, x) || !sees(ya, y)) this.show(x, y)
  }

  async open(data) {
    const { base, model, codes, dimensions, count } = data
    this.decoder?.close()
    this.decoder = null
    const root = new URL(base || "/", location.href).href.replace(/\/$/, "")
    const [{ openDecoder }, answer] = await Promise.all([
      import(`${root}/live/decoder.js`), fetch(root + codes),
    ])
    if (!answer.ok) throw new Error("The codes of this model could not be fetched; reload the page.")
    const block = await answer.arrayBuffer()
    const decoder = await openDecoder(root, model)
    if (this.stop.signal.aborted) {
      decoder.close()
      return
    }
    this.decoder = decoder
    this.opened = codes
    this.codes = new Float32Array(block, 0, count * dimensions)
    this.ids = new Int32Array(block, count * dimensions * 4, count)
    this.classOf = new Int32Array(block, count * (dimensions + 1) * 4, count)
    this.note("")
    this.root.dataset.exact = this.decoder.exact
  }

  async draw() {
    const { figure } = this.data
    const dark = this.readTheme()
    if (this.drawn === figure && this.drawnTheme === dark) return
    const parsed = await this.fetchFigure(figure)
    for (const trace of parsed.data) {
      for (const name of ["x", "y", "customdata"]) trace[name] = typed(trace[name])
      if (!WEBGL) trace.type = "scatter"
      if (trace.marker?.color) trace.marker.color = typed(trace.marker.color)
    }
    if (this.drawn !== figure) {
      const count = this.ids.length
      const [x, y] = [new Float32Array(count), new Float32Array(count)]
      for (const trace of parsed.data) {
        trace.customdata.forEach((row, i) => { x[row] = trace.x[i]; y[row] = trace.y[i] })
      }
      this.grid = new Grid(x, y)
      this.traceRows = parsed.data.map((trace) => trace.customdata)
      this.found = null
    }
    const text = theme(this.root, "text-color")
    const line = theme(this.root, "border-color")
    const { layout } = parsed
    Object.assign(layout, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
      font: { color: text, family: theme(this.root, "font"), size: 12 },
      hovermode: false, dragmode: this.dragmode(),
    })
    for (const axis of [layout.xaxis, layout.yaxis]) {
      Object.assign(axis, { gridcolor: line, zerolinecolor: line, linecolor: line })
    }
    if (!this.bound) Object.assign(layout, this.storedView(layout))
    layout.newselection = { line: { color: theme(this.root, "primary-color"), width: 2 } }
    await globalThis.Plotly.react(this.plotEl, parsed.data, layout, {
      displayModeBar: false, scrollZoom: true, responsive: true, doubleClick: "reset",
    })
    this.drawn = figure
    this.drawnTheme = dark
    this.readVisible()
    if (!this.bound) this.bindPlot()
    this.root.dataset.ready = layout.uirevision
    this.markerOpacity()
  }

  // The view outlives a visit to another page, as long as the map shows the same thing.
  storedView({ uirevision, xaxis, yaxis }) {
    const stored = JSON.parse(sessionStorage.getItem("latent-map") || "{}")
    if (stored.uirevision !== uirevision) return {}
    return { xaxis: { ...xaxis, range: stored.x }, yaxis: { ...yaxis, range: stored.y } }
  }

  storeView() {
    const [xa, ya] = this.axes()
    const { uirevision } = this.plotEl.layout
    sessionStorage.setItem("latent-map", JSON.stringify({ uirevision, x: xa.range, y: ya.range }))
  }

  async fetchFigure(path) {
    const answer = await fetch(new URL(this.data.base + path, location.href))
    if (!answer.ok) throw new Error("This map could not be fetched; reload the page.")
    return answer.json()
  }

  readTheme() {
    return theme(this.root, "background-color") + theme(this.root, "text-color")
  }

  bindPlot() {
    this.bound = true
    const redraw = () => { this.rect = null; this.layers.drawOverlay(); this.layers.paintSheet() }
    this.plotEl.on("plotly_relayouting", redraw)
    this.plotEl.on("plotly_relayout", () => {
      redraw()
      this.storeView()
      clearTimeout(this.sheetTimer)
      if (this.layers.shown.sheet) this.sheetTimer = setTimeout(() => this.layers.drawSheet(), 250)
    })
    this.plotEl.on("plotly_afterplot", redraw)
    this.plotEl.on("plotly_restyle", () => { this.readVisible(); this.layers.drawOverlay() })
    this.plotEl.on("plotly_selected", (event) => this.lassoed(event))
  }

  // Legend entries filter: what they hide is neither found nor lassoed nor drawn as a picture.
  readVisible() {
    this.visible = new Uint8Array(this.ids.length)
    const traces = this.plotEl._fullData
    this.traceRows.forEach((rows, t) => {
      if (traces[t]?.visible === true) for (const row of rows) this.visible[row] = 1
    })
  }

  setFamily() {
    const { family, keep, pins, dimensions } = this.data
    const pinned = keep === "pinned" && pins.length ? pins[pins.length - 1].z : null
    this.family = family.kind === "linear"
      ? linearFamily(family, pinned)
      : nearestFamily(this.grid, this.codes, dimensions)
  }

  axes() {
    const full = this.plotEl._fullLayout
    return full?.xaxis?.p2d ? [full.xaxis, full.yaxis] : null
  }

  toPixels(x, y) {
    const [xa, ya] = this.axes()
    return [xa._offset + xa.d2p(x), ya._offset + ya.d2p(y)]
  }

  // Pointer position as pixels inside the stage; null outside the plotting area.
  locate(event) {
    const axes = this.axes()
    if (!axes) return null
    this.rect ??= this.stageEl.getBoundingClientRect()
    const px = event.clientX - this.rect.left - this.stageEl.clientLeft
    const py = event.clientY - this.rect.top - this.stageEl.clientTop
    const [xa, ya] = axes
    const [x, y] = [px - xa._offset, py - ya._offset]
    if (x < 0 || y < 0 || x > xa._length || y > ya._length) return null
    return { px, py, x: xa.p2d(x), y: ya.p2d(y) }
  }

  // Decodes a place. The newest wins; nothing queues.
  probe(place, time) {
    if (!this.family || !this.decoder) return
    const { z, presence } = this.family.at(place.x, place.y)
    this.place = { ...place, z, presence }
    this.screens.tip.hidden = false
    this.screens.moveTip()
    this.decoder.latest(z, (picture) => this.screens.paint(picture, presence, time))
    this.screens.tellSoon()
  }

  pointAt({ px, py, x, y }) {
    const [near] = this.grid.nearest(x, y, 1, this.visible)
    if (!near) return -1
    const [qx, qy] = this.toPixels(this.grid.x[near.index], this.grid.y[near.index])
    return Math.hypot(qx - px, qy - py) <= SNAP ? near.index : -1
  }

  markerOpacity() {
    const opacity = this.layers.shown.sheet ? 0.3 : this.data.opacity
    if (this.plotEl._fullData?.[0]?.marker.opacity !== opacity) {
      globalThis.Plotly.restyle(this.plotEl, { "marker.opacity": opacity })
    }
  }

  lassoed(event) {
    const group = this.tool
    if (!event || !["A", "B"].includes(group)) return
    const { lassoPoints } = event
    if (!lassoPoints?.x?.length) return
    const rows = []
    for (let row = 0; row < this.ids.length; row++) {
      if (this.visible[row] &&
        insidePolygon(this.grid.x[row], this.grid.y[row], lassoPoints.x, lassoPoints.y)) {
        rows.push(row)
      }
    }
    // Plotly marks its selection after this event; the rings of the groups replace that.
    setTimeout(() => {
      globalThis.Plotly.update(this.plotEl, { selectedpoints: [null] }, { selections: [] })
    })
    this.data.groups[group] = rows
    this.layers.drawOverlay()
    this.say(`Group ${group}: ${rows.length} images.`)
    this.send("grouped", { group, rows, model: this.data.model })
  }

  // A point near the click is pinned itself; otherwise the place is.
  pin(place) {
    if (!this.family || !this.decoder) return
    const { dimensions, model } = this.data
    const row = this.pointAt(place)
    const z = row < 0 ? this.family.at(place.x, place.y).z
      : this.codes.slice(row * dimensions, (row + 1) * dimensions)
    const kind = row < 0 ? "generated" : "real"
    this.data.pins = [...this.data.pins.slice(-7), { kind, row, z: Array.from(z), label: "" }]
    this.layers.drawOverlay()
    if (this.data.keep === "pinned") this.setFamily()
    this.say(row < 0 ? "Pinned a generated picture." : `Pinned ${this.screens.nameOf(row)}.`)
    this.send("pinned", { model, kind, row, z: Array.from(z), approximate: this.family.approximate })
  }

  say(text) { this.statusEl.textContent = text }

  note(text) {
    this.noteEl.hidden = !text
    this.noteEl.textContent = text || ""
  }

  dragmode() {
    if (this.tool === "A" || this.tool === "B") return "lasso"
    if (this.tool === "zoom") return "zoom"
    return this.coarse ? false : "pan"
  }

  zoom(factor, { x, y } = {}) {
    const axes = this.axes()
    if (!axes) return
    const change = {}
    for (const [name, axis, at] of [["xaxis", axes[0], x], ["yaxis", axes[1], y]]) {
      const [low, high] = axis.range
      const centre = at ?? (low + high) / 2
      change[`${name}.range`] = [centre - (centre - low) * factor, centre + (high - centre) * factor]
    }
    globalThis.Plotly.relayout(this.plotEl, change)
  }

  find(text) {
    const wanted = text.trim().toLowerCase()
    this.found = null
    if (wanted) {
      const label = this.data.classes.findIndex((name) => name.toLowerCase() === wanted)
      const id = Number(wanted.replace(/^#/, ""))
      const rows = []
      for (let row = 0; row < this.ids.length; row++) {
        if (wanted.startsWith("#") || label < 0 ? this.ids[row] === id
          : this.classOf[row] === label) rows.push(row)
      }
      this.found = rows
      if (rows.length === 1) this.show(this.grid.x[rows[0]], this.grid.y[rows[0]])
      this.say(rows.length === 0 ? `Nothing on this map is called “${text}”.`
        : rows.length === 1 ? `Found ${this.screens.nameOf(rows[0])}.` : `${rows.length} images found.`)
    } else this.say("")
    this.layers.drawOverlay()
  }

  show(x, y) {
    const [xa, ya] = this.axes()
    const [w, h] = [xa, ya].map((axis) => (axis.range[1] - axis.range[0]) / 2)
    globalThis.Plotly.relayout(this.plotEl, {
      "xaxis.range": [x - w, x + w], "yaxis.range": [y - h, y + h],
    })
  }

  listen() {
    const { signal } = this.stop
    const on = (target, name, handle, options = {}) =>
      target.addEventListener(name, handle, { signal, ...options })
    const moved = (event) => {
      if (this.pressed && !this.coarse && event.buttons) return
      const place = this.locate(event)
      if (place) this.probe(place, event.timeStamp)
      else this.screens.tip.hidden = true
    }
    on(this.stageEl, RAW, moved)
    on(this.stageEl, "pointerenter", () => { this.rect = null })
    on(this.stageEl, "pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") this.screens.tip.hidden = true
    })
    on(window, "scroll", () => { this.rect = null }, { capture: true, passive: true })
    on(window, "resize", () => { this.rect = null })
    on(this.stageEl, "pointerdown", (event) => {
      if (event.button !== 0 || !event.target.closest(".nsewdrag")) return
      this.rect = null
      this.pressed = { x: event.clientX, y: event.clientY, time: event.timeStamp }
      this.coarse = event.pointerType === "touch"
      this.setTool(this.tool)
      if (this.coarse) moved(event)
    }, { capture: true })
    on(window, "pointerup", (event) => {
      const pressed = this.pressed
      this.pressed = null
      if (!pressed || this.tool === "A" || this.tool === "B") return
      const still = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 5
      const place = still && event.timeStamp - pressed.time < 600 && this.locate(event)
      if (!place || event.timeStamp - (this.pinnedAt || -1000) < 350) return
      this.pinnedAt = event.timeStamp
      this.probe(place, event.timeStamp)
      this.pin(place)
    }, { capture: true })
    on(window, "pointercancel", () => { this.pressed = null }, { capture: true })
    on(this.stageEl, "keydown", (event) => this.key(event))
    on(this.stageEl, "blur", () => { this.screens.probe.hidden = true })
    on(this.search, "input", () => this.find(this.search.value))
    on(this.root.querySelector(".map-tools"), "click", (event) => {
      const { tool, do: action } = event.target.dataset
      if (tool) this.setTool(tool)
      if (action === "in") this.zoom(0.6)
      if (action === "out") this.zoom(1 / 0.6)
      if (action === "reset") {
        globalThis.Plotly.relayout(this.plotEl, { "xaxis.autorange": true, "yaxis.autorange": true })
      }
      if (action === "png") this.layers.save()
    })
    on(this.root.querySelector(".map-tools"), "change", ({ target }) => {
      if (!target.dataset.layer) return
      this.layers.shown[target.dataset.layer] = target.checked
      this.markerOpacity()
      this.layers.drawOverlay()
      if (this.layers.shown.sheet) this.layers.drawSheet()
      else this.layers.paintSheet()
    })
  }

  setTool(tool) {
    this.tool = tool
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", button.dataset.tool === tool)
    }
    this.stageEl.classList.toggle("probing", tool === "pan" || this.coarse)
    const dragmode = this.dragmode()
    if (this.axes() && this.plotEl._fullLayout.dragmode !== dragmode) {
      globalThis.Plotly.relayout(this.plotEl, { dragmode })
    }
  }

  key(event) {
    const axes = this.axes()
    if (!axes) return
    const [xa, ya] = axes
    const step = event.shiftKey ? 2 : 12
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step],
      ArrowDown: [0, step] }
    const move = moves[event.key]
    if (move) {
      let [px, py] = this.place ? this.toPixels(this.place.x, this.place.y)
        : [xa._offset + xa._length / 2, ya._offset + ya._length / 2]
      px = Math.max(xa._offset, Math.min(xa._offset + xa._length, px + move[0]))
      py = Math.max(ya._offset, Math.min(ya._offset + ya._length, py + move[1]))
      this.screens.probe.hidden = false
      this.probe({ px, py, x: xa.p2d(px - xa._offset), y: ya.p2d(py - ya._offset) }, event.timeStamp)
    } else if (event.key === "Enter" && this.place) this.pin(this.place)
    else if (event.key === "+" || event.key === "=") this.zoom(0.6, this.place)
    else if (event.key === "-") this.zoom(1 / 0.6, this.place)
    else return
    event.preventDefault()
  }

  close() {
    this.stop.abort()
    clearTimeout(this.sheetTimer)
    this.decoder?.close()
    clearTimeout(this.screens.telling)
    if (globalThis.Plotly && this.bound) globalThis.Plotly.purge(this.plotEl)
  }
}

export default component(LatentMap, ".latent-map", "setTriggerValue")
