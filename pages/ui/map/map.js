// The live map: a Plotly scatter of codes whose every place is decoded under the pointer.

const instances = new WeakMap()
const RAW = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove"
const SNAP = 9 // pixels within which a click means the point, not the place
const CROWD = 160 // thumbnails appear when at most so many points are in view

let plotly = null
function loadPlotly(base) {
  plotly ??= globalThis.Plotly ? Promise.resolve() : new Promise((resolve, reject) => {
    const script = document.createElement("script")
    script.src = new URL(`${base}/live/plotly.min.js`, location.href).href
    script.onload = () => resolve()
    script.onerror = () => { plotly = null; reject(new Error("The chart library did not load.")) }
    document.head.append(script)
  })
  return plotly
}

const theme = (element, name) => getComputedStyle(element).getPropertyValue(`--st-${name}`).trim()

class LatentMap {
  constructor(root) {
    this.root = root
    for (const name of ["stage", "plot", "sheet", "overlay", "probe", "tip", "note", "status"]) {
      this[`${name}El`] = root.querySelector(`.map-${name}`)
    }
    this.tipPicture = root.querySelector(".map-tip-picture")
    this.tipReal = root.querySelector(".map-tip-real")
    this.search = root.querySelector(".map-search")
    this.tool = "pan"
    this.coarse = matchMedia("(pointer: coarse)").matches
    this.layers = { thumbnails: true, sheet: false }
    this.found = null
    this.stop = new AbortController()
    this.listen()
  }

  // Called on every rerun; only what changed is done again.
  async update(data, send) {
    this.send = send
    const before = this.data
    this.data = data
    this.stageEl.setAttribute("aria-label", data.description)
    const pixelated = data.shape[1] <= 32
    for (const c of this.root.querySelectorAll(".map-tip canvas")) {
      c.classList.toggle("pixelated", pixelated)
    }
    try {
      await loadPlotly(data.base)
      if (before?.model !== data.model) await this.open(data)
      if (this.data !== data) return // a newer rerun took over
      await this.draw()
      this.setFamily()
      this.drawOverlay()
      if (this.layers.sheet) this.drawSheet()
    } catch (error) {
      this.note(error.message)
    }
  }

  async open({ base, model, codes, dimensions, count }) {
    this.decoder?.close()
    this.decoder = null
    this.atlas = null
    const root = new URL(base || "/", location.href).href.replace(/\/$/, "")
    const [{ openDecoder }, answer] = await Promise.all([
      import(`${root}/live/decoder.js`), fetch(root + codes),
    ])
    if (!answer.ok) throw new Error("The codes of this model could not be fetched; reload the page.")
    const block = await answer.arrayBuffer()
    this.codes = new Float32Array(block, 0, count * dimensions)
    this.ids = new Int32Array(block, count * dimensions * 4, count)
    this.classOf = new Int32Array(block, count * (dimensions + 1) * 4, count)
    this.decoder = await openDecoder(root, model)
    this.note(this.decoder.exact ? "" : null)
    this.root.dataset.exact = this.decoder.exact
  }

  async draw() {
    const { figure, view } = this.data
    const dark = this.readTheme()
    if (this.drawn === figure && this.drawnTheme === dark) return
    const parsed = JSON.parse(figure)
    for (const trace of parsed.data) {
      for (const name of ["x", "y", "customdata"]) trace[name] = typed(trace[name])
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
    layout.newselection = { line: { color: theme(this.root, "primary-color"), width: 2 } }
    await globalThis.Plotly.react(this.plotEl, parsed.data, layout, {
      displayModeBar: false, scrollZoom: true, responsive: true, doubleClick: "reset",
    })
    this.drawn = figure
    this.drawnTheme = dark
    this.readVisible()
    if (!this.bound) this.bindPlot()
    this.root.dataset.ready = view
    this.markerOpacity()
  }

  readTheme() {
    return theme(this.root, "background-color") + theme(this.root, "text-color")
  }

  bindPlot() {
    this.bound = true
    const redraw = () => { this.rect = null; this.drawOverlay(); this.paintSheet() }
    this.plotEl.on("plotly_relayouting", redraw)
    this.plotEl.on("plotly_relayout", () => {
      redraw()
      clearTimeout(this.sheetTimer)
      if (this.layers.sheet) this.sheetTimer = setTimeout(() => this.drawSheet(), 250)
    })
    this.plotEl.on("plotly_afterplot", redraw)
    this.plotEl.on("plotly_restyle", () => { this.readVisible(); this.drawOverlay() })
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
    this.moveTip()
    this.decoder.latest(z, (picture) => this.paint(picture, presence, time))
    this.tellSoon()
  }

  paint(picture, presence, time) {
    const view = this.view()
    for (const canvas of [this.tipPicture, view?.querySelector(".live-mean")]) {
      if (!canvas) continue
      if (canvas.width !== picture.mean.width || canvas.height !== picture.mean.height) {
        canvas.width = picture.mean.width
        canvas.height = picture.mean.height
        canvas.classList.toggle("pixelated", picture.mean.height <= 32)
      }
      canvas.getContext("2d").putImageData(picture.mean, 0, 0)
      if (canvas.style.opacity !== String(presence)) canvas.style.opacity = presence
    }
    if (view) this.paintDeviation(view, picture)
    this.root.dispatchEvent(new CustomEvent("decoded", {
      detail: { moved: time, painted: performance.now(), ms: picture.ms },
    }))
  }

  paintDeviation(view, picture) {
    const second = view.querySelector(".live-second")
    second.hidden = !picture.deviation
    view.dataset.painted = "true"
    if (!picture.deviation) return
    const canvas = second.querySelector("canvas")
    if (canvas.width !== picture.deviation.width) {
      canvas.width = picture.deviation.width
      canvas.height = picture.deviation.height
    }
    canvas.getContext("2d").putImageData(picture.deviation, 0, 0)
  }

  view() {
    if (!this.viewEl?.isConnected) {
      this.viewEl = document.querySelector(`[data-view="${CSS.escape(this.data.view)}"]`)
    }
    return this.viewEl
  }

  moveTip() {
    const { px, py } = this.place
    const [width, height] = [this.stageEl.clientWidth, this.stageEl.clientHeight]
    const tipWidth = this.tipReal.hidden ? 120 : 230
    const left = px + 22 + tipWidth < width ? px + 22 : px - 22 - tipWidth
    const top = Math.min(Math.max(py - 130, 4), height - 125)
    this.tipEl.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`
    this.probeEl.style.transform = `translate(${px}px, ${py}px)`
    if (this.tipEl.hidden) this.tipEl.hidden = false
  }

  // Words and the nearest real image follow ten times a second: they cost layout.
  tellSoon() {
    this.telling ??= setTimeout(() => { this.telling = null; this.tell() }, 90)
  }

  tell() {
    if (!this.place || this.stop.signal.aborted) return
    const { z, presence, x, y } = this.place
    const { dimensions, spacing, wholeSpace } = this.data
    const [near] = nearestCodes(this.codes, dimensions, z)
    const verdict = near.distance <= spacing.far ? "inside the data"
      : near.distance <= 2 * spacing.far ? "at the edge of the data" : "far from any data"
    const row = this.pointAt(this.place)
    this.showReal(row)
    const view = this.view()
    if (!view) return
    view.dataset.painted = "true"
    view.querySelector(".live-tag").textContent =
      this.family.approximate ? "Generated, approximate" : "Generated"
    const where = this.family.approximate
      ? `Weighted mean of the nearest codes${presence < 0.6 ? "; there is little near here" : ""}.`
      : `Decoded at (${x.toFixed(2)}, ${y.toFixed(2)})${wholeSpace ? "" : ` of the plane`}.`
    view.querySelector(".live-words").textContent =
      `${where} Distance to the nearest code ${near.distance.toFixed(2)} ` +
      `(usual between neighbours: ${spacing.usual.toFixed(2)}): ${verdict}.` +
      (this.decoder.exact ? "" : " This browser cannot run the decoder, so the server decodes.")
  }

  pointAt({ px, py, x, y }) {
    const [near] = this.grid.nearest(x, y, 1, this.visible)
    if (!near) return -1
    const [qx, qy] = this.toPixels(this.grid.x[near.index], this.grid.y[near.index])
    return Math.hypot(qx - px, qy - py) <= SNAP ? near.index : -1
  }

  nameOf(row) {
    const label = this.data.classes[this.classOf[row]]
    return `Real #${this.ids[row]}${label === undefined ? "" : ` · ${label}`}`
  }

  async showReal(row) {
    this.hovered = row
    this.tipReal.hidden = row < 0
    if (row < 0) return
    this.tipReal.querySelector("span").textContent = this.nameOf(row)
    const canvas = this.tipReal.querySelector("canvas")
    const atlas = await this.loadAtlas()
    if (!atlas || this.hovered !== row) return
    const { tile } = this.data.atlas
    canvas.width = canvas.height = tile
    this.stamp(canvas.getContext("2d"), row, 0, 0, tile)
  }

  stamp(context, row, x, y, size) {
    const { tile, columns } = this.data.atlas
    context.drawImage(this.atlas, (row % columns) * tile, Math.floor(row / columns) * tile,
      tile, tile, x, y, size, size)
  }

  loadAtlas() {
    const { base, atlas } = this.data
    this.atlasLoading = this.atlasUrl === atlas.url ? this.atlasLoading : null
    this.atlasUrl = atlas.url
    this.atlasLoading ??= new Promise((resolve) => {
      const image = new Image()
      image.onload = () => { this.atlas = image; resolve(image); this.drawOverlay() }
      image.onerror = () => resolve(null)
      image.src = new URL(base + atlas.url, location.href).href
    })
    return this.atlasLoading
  }

  fit(canvas) {
    const scale = window.devicePixelRatio || 1
    const [width, height] = [this.stageEl.clientWidth, this.stageEl.clientHeight]
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale)
      canvas.height = Math.round(height * scale)
    }
    const context = canvas.getContext("2d")
    context.setTransform(scale, 0, 0, scale, 0, 0)
    context.clearRect(0, 0, width, height)
    return context
  }

  // Pictures of real images, groups, what was searched for, pins and placed items.
  drawOverlay() {
    const axes = this.axes()
    if (!axes || !this.grid || !this.family) return
    const [xa, ya] = axes
    const context = this.fit(this.overlayEl)
    context.save()
    context.beginPath()
    context.rect(xa._offset, ya._offset, xa._length, ya._length)
    context.clip()
    const shown = this.grid.inside(xa.p2d(0), xa.p2d(xa._length), ya.p2d(ya._length), ya.p2d(0))
      .filter((row) => this.visible[row])
    if (this.layers.thumbnails && shown.length && shown.length <= CROWD) {
      if (this.atlas) this.drawThumbnails(context, shown)
      else this.loadAtlas()
    }
    const primary = theme(this.root, "primary-color")
    for (const [name, colour] of [["A", theme(this.root, "orange-color")],
      ["B", theme(this.root, "violet-color")]]) {
      this.ring(context, this.data.groups[name] || [], colour, 4.5)
    }
    if (this.found) this.ring(context, this.found, primary, 7)
    for (const pin of this.data.pins) this.drawPin(context, pin, primary)
    context.restore()
  }

  drawThumbnails(context, rows) {
    const size = Math.max(22, Math.min(56, 0.5 * Math.sqrt(
      (this.stageEl.clientWidth * this.stageEl.clientHeight) / rows.length)))
    context.imageSmoothingEnabled = this.data.shape[1] > 32
    context.strokeStyle = theme(this.root, "border-color")
    for (const row of rows) {
      const [x, y] = this.toPixels(this.grid.x[row], this.grid.y[row])
      this.stamp(context, row, x + 5, y - size - 5, size)
      context.strokeRect(x + 5, y - size - 5, size, size)
    }
  }

  ring(context, rows, colour, radius) {
    context.strokeStyle = colour
    context.lineWidth = 2
    context.beginPath()
    for (const row of rows) {
      const [x, y] = this.toPixels(this.grid.x[row], this.grid.y[row])
      context.moveTo(x + radius, y)
      context.arc(x, y, radius, 0, 2 * Math.PI)
    }
    context.stroke()
  }

  positionOf(pin) {
    return pin.row >= 0 ? [this.grid.x[pin.row], this.grid.y[pin.row]] : this.family.project(pin.z)
  }

  drawPin(context, pin, colour) {
    const [dx, dy] = this.positionOf(pin)
    const [x, y] = this.toPixels(dx, dy)
    const oval = pin.variance && this.family.ellipse(pin.variance)
    if (oval) {
      const [xa, ya] = this.axes()
      const [sx, sy] = [xa._m, ya._m].map(Math.abs)
      context.save()
      context.translate(x, y)
      context.scale(sx, -sy)
      context.rotate(oval.angle)
      context.beginPath()
      context.ellipse(0, 0, oval.major, oval.minor, 0, 0, 2 * Math.PI)
      context.restore()
      context.strokeStyle = colour
      context.lineWidth = 1.5
      context.stroke()
    }
    context.beginPath()
    context.arc(x, y, 6, 0, 2 * Math.PI)
    context.fillStyle = pin.kind === "real" ? colour : theme(this.root, "background-color")
    context.fill()
    context.lineWidth = 3
    context.strokeStyle = colour
    context.stroke()
    context.font = `600 12px ${theme(this.root, "font")}`
    context.lineWidth = 4
    context.strokeStyle = theme(this.root, "background-color")
    context.strokeText(pin.label, x + 10, y + 4)
    context.fillStyle = theme(this.root, "text-color")
    context.fillText(pin.label, x + 10, y + 4)
  }

  // Decoded pictures on a lattice, laid behind the points. Small batches let the pointer through.
  async drawSheet() {
    const ticket = (this.sheetTicket = {})
    const axes = this.axes()
    if (!axes || !this.decoder) return
    const [xa, ya] = axes
    const step = this.data.shape[1] <= 32 ? 40 : 56
    const [columns, rows] = [Math.ceil(xa._length / step), Math.ceil(ya._length / step)]
    const [channels, height, width] = this.data.shape
    const bitmap = new OffscreenCanvas(columns * width, rows * height)
    const context = bitmap.getContext("2d")
    const small = new OffscreenCanvas(width, height)
    const corner = [xa.p2d(0), ya.p2d(0), xa.p2d(columns * step), ya.p2d(rows * step)]
    const { dimensions } = this.data
    const batch = 8
    for (let start = 0; start < columns * rows; start += batch) {
      const count = Math.min(batch, columns * rows - start)
      const zs = new Float32Array(count * dimensions)
      const presences = []
      for (let k = 0; k < count; k++) {
        const [i, j] = [(start + k) % columns, Math.floor((start + k) / columns)]
        const at = this.family.at(xa.p2d((i + 0.5) * step), ya.p2d((j + 0.5) * step))
        zs.set(at.z, k * dimensions)
        presences.push(at.presence)
      }
      const pictures = await this.decoder.decodeMany(zs, count)
      if (ticket !== this.sheetTicket || !this.layers.sheet) return
      pictures.forEach((picture, k) => {
        small.getContext("2d").putImageData(picture.mean, 0, 0)
        context.globalAlpha = presences[k]
        context.drawImage(small, ((start + k) % columns) * width,
          Math.floor((start + k) / columns) * height)
      })
      this.sheet = { bitmap, corner }
      if (start % 32 === 0) this.paintSheet()
    }
    this.paintSheet()
  }

  paintSheet() {
    const context = this.fit(this.sheetEl)
    const axes = this.axes()
    if (!this.layers.sheet || !this.sheet || !axes) return
    const [xa, ya] = axes
    const [x0, y0, x1, y1] = this.sheet.corner
    const [left, top] = this.toPixels(x0, y0)
    const [right, bottom] = this.toPixels(x1, y1)
    context.beginPath()
    context.rect(xa._offset, ya._offset, xa._length, ya._length)
    context.clip()
    context.imageSmoothingEnabled = this.data.shape[1] > 32
    context.globalAlpha = 0.85
    context.drawImage(this.sheet.bitmap, left, top, right - left, bottom - top)
  }

  markerOpacity() {
    const opacity = this.layers.sheet ? 0.3 : this.data.opacity
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
    globalThis.Plotly.restyle(this.plotEl, { selectedpoints: [null] })
    globalThis.Plotly.relayout(this.plotEl, { selections: [] })
    this.data.groups[group] = rows
    this.drawOverlay()
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
    this.drawOverlay()
    if (this.data.keep === "pinned") this.setFamily()
    this.say(row < 0 ? "Pinned a generated picture." : `Pinned ${this.nameOf(row)}.`)
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
      if (rows.length === 1) this.show(rows[0])
      this.say(rows.length === 0 ? `Nothing on this map is called “${text}”.`
        : rows.length === 1 ? `Found ${this.nameOf(rows[0])}.` : `${rows.length} images found.`)
    } else this.say("")
    this.drawOverlay()
  }

  show(row) {
    const [xa, ya] = this.axes()
    const [x, y] = [this.grid.x[row], this.grid.y[row]]
    const [w, h] = [xa, ya].map((axis) => (axis.range[1] - axis.range[0]) / 2)
    globalThis.Plotly.relayout(this.plotEl, {
      "xaxis.range": [x - w, x + w], "yaxis.range": [y - h, y + h],
    })
  }

  async save() {
    const [width, height] = [this.stageEl.clientWidth, this.stageEl.clientHeight]
    const url = await globalThis.Plotly.toImage(this.plotEl, {
      format: "png", width, height, scale: 2,
    })
    const image = new Image()
    image.src = url
    await image.decode()
    const canvas = new OffscreenCanvas(2 * width, 2 * height)
    const context = canvas.getContext("2d")
    context.fillStyle = theme(this.root, "background-color")
    context.fillRect(0, 0, canvas.width, canvas.height)
    for (const layer of [this.sheetEl, image, this.overlayEl]) {
      if (layer.width) context.drawImage(layer, 0, 0, canvas.width, canvas.height)
    }
    const link = document.createElement("a")
    link.href = URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" }))
    link.download = `${this.data.model}-map.png`
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }

  listen() {
    const { signal } = this.stop
    const on = (target, name, handle, options = {}) =>
      target.addEventListener(name, handle, { signal, ...options })
    const moved = (event) => {
      if (this.pressed && !this.coarse && event.buttons) return
      const place = this.locate(event)
      if (place) this.probe(place, event.timeStamp)
      else this.tipEl.hidden = true
    }
    on(this.stageEl, RAW, moved)
    on(this.stageEl, "pointerenter", () => { this.rect = null })
    on(this.stageEl, "pointerleave", () => { this.tipEl.hidden = true })
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
      if (!place || event.timeStamp - (this.lastPin || -1000) < 350) return
      this.lastPin = event.timeStamp
      this.probe(place, event.timeStamp)
      this.pin(place)
    }, { capture: true })
    on(window, "pointercancel", () => { this.pressed = null }, { capture: true })
    on(this.stageEl, "keydown", (event) => this.key(event))
    on(this.stageEl, "blur", () => { this.probeEl.hidden = true })
    on(this.search, "input", () => this.find(this.search.value))
    on(this.root.querySelector(".map-tools"), "click", (event) => {
      const { tool, do: action } = event.target.dataset
      if (tool) this.setTool(tool)
      if (action === "in") this.zoom(0.6)
      if (action === "out") this.zoom(1 / 0.6)
      if (action === "reset") {
        globalThis.Plotly.relayout(this.plotEl, { "xaxis.autorange": true, "yaxis.autorange": true })
      }
      if (action === "png") this.save()
    })
    on(this.root.querySelector(".map-tools"), "change", ({ target }) => {
      if (!target.dataset.layer) return
      this.layers[target.dataset.layer] = target.checked
      this.markerOpacity()
      this.drawOverlay()
      if (this.layers.sheet) this.drawSheet()
      else this.paintSheet()
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
      this.probeEl.hidden = false
      this.probe({ px, py, x: xa.p2d(px - xa._offset), y: ya.p2d(py - ya._offset) }, event.timeStamp)
    } else if (event.key === "Enter" && this.place) this.pin(this.place)
    else if (event.key === "+" || event.key === "=") this.zoom(0.6, this.place)
    else if (event.key === "-") this.zoom(1 / 0.6, this.place)
    else return
    event.preventDefault()
  }

  close() {
    this.stop.abort()
    this.decoder?.close()
    clearTimeout(this.telling)
    if (globalThis.Plotly && this.bound) globalThis.Plotly.purge(this.plotEl)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  let map = instances.get(parentElement)
  if (!map) {
    map = new LatentMap(parentElement.querySelector(".latent-map"))
    instances.set(parentElement, map)
  }
  map.update(data, setTriggerValue)
  return () => {
    map.close()
    instances.delete(parentElement)
  }
}
