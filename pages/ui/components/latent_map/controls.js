// What a visitor does to the map: pointer, keys, tools, the search field.

import { arrowKey, clamp } from "../base.js"
import { insidePolygon } from "./geometry.js"
import { Pinch } from "./pinch.js"

// In a frame of its own site Chromium says of raw moves where they are in the page around it.
const RAW = "onpointerrawupdate" in window && window === window.top
  ? "pointerrawupdate" : "pointermove"

const TWICE = 350 // ms within which a second click at the same place makes a double click
const NEAR = 10 // pixels within which it is the same place

export class Controls {
  constructor(map) {
    this.map = map
    this.tool = "pan"
    this.coarse = matchMedia("(pointer: coarse)").matches
    this.tools = map.root.querySelector(".map-tools")
    this.search = map.root.querySelector(".map-search")
    this.listenToPointer()
    this.pinch = new Pinch(this)
    this.on(map.stage, "keydown", (event) => this.key(event))
    this.on(map.stage, "blur", () => { map.screens.probe.hidden = true })
    this.on(this.search, "input", () => this.find(this.search.value))
    this.on(this.tools, "click", ({ target }) => this.press(target.dataset))
    this.on(this.tools, "change", ({ target }) => {
      if (target.dataset.layer) map.layers.toggle(target.dataset.layer, target.checked)
    })
  }

  on(target, name, handle, options = {}) {
    target.addEventListener(name, handle, { signal: this.map.stop.signal, ...options })
  }

  listenToPointer() {
    const { map } = this
    const { stage } = map
    const moved = (event) => {
      if (this.pinch.takes(event)) return
      if (this.pressed && !this.coarse && event.buttons) return
      const place = this.locate(event)
      if (place) map.probe(place, event.timeStamp)
      else map.leave()
    }
    this.on(stage, RAW, moved)
    this.on(stage, "pointerenter", () => { this.rect = null })
    this.on(stage, "pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") map.leave()
    })
    this.on(window, "scroll", () => { this.rect = null }, { capture: true, passive: true })
    this.on(window, "resize", () => { this.rect = null })
    this.on(stage, "pointerdown", (event) => {
      if (event.button !== 0 || !event.target.closest(".nsewdrag")) return
      this.rect = null
      if (this.pinch.begins(event)) { this.pressed = null; return }
      this.pressed = { x: event.clientX, y: event.clientY, time: event.timeStamp }
      this.coarse = event.pointerType === "touch"
      this.setTool(this.tool)
      if (this.coarse) moved(event)
      const place = this.group ? null : this.locate(event)
      if (place) map.pinning.press(place)
    }, { capture: true })
    this.on(window, "pointerup", (event) => {
      if (this.pinch.ends(event)) return
      const pressed = this.pressed
      this.pressed = null
      if (!pressed || this.group) return
      const still = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 5
      const place = still && event.timeStamp - pressed.time < 600 && this.locate(event)
      if (!place) return
      const { last } = this
      this.last = { ...place, time: event.timeStamp }
      if (last && event.timeStamp - last.time < TWICE
        && Math.hypot(place.px - last.px, place.py - last.py) < NEAR) {
        map.view.reset()
        return
      }
      map.pinning.pin(place, event.timeStamp) // whose picture goes before the pointer's
      const known = map.place?.px === place.px && map.place.py === place.py
      if (!known) map.probe(place, event.timeStamp)
    }, { capture: true })
    this.on(window, "pointercancel", (event) => {
      this.pinch.ends(event)
      this.pressed = null
    }, { capture: true })
    this.on(document, "fullscreenchange", () => {
      if (!document.fullscreenElement) this.fill(false)
    })
  }

  // Pointer position as pixels inside the stage; null outside the plotting area.
  locate(event) {
    const { stage, axes } = this.map
    if (!axes.ready) return null
    this.rect ??= stage.getBoundingClientRect()
    const px = event.clientX - this.rect.left - stage.clientLeft
    const py = event.clientY - this.rect.top - stage.clientTop
    const { left, top, width, height } = axes.area
    if (px < left || py < top || px > left + width || py > top + height) return null
    const [x, y] = axes.toData(px, py)
    return { px, py, x, y }
  }

  // The group that dragging makes, null for all other tools.
  get group() {
    return this.tool === "A" || this.tool === "B" ? this.tool : null
  }

  get dragmode() {
    if (this.group) return "lasso"
    if (this.tool === "zoom") return "zoom"
    return this.coarse ? false : "pan"
  }

  lassoed(event) {
    const { group, map } = this
    const { x, y } = event?.lassoPoints ?? {}
    if (!group || !x?.length) return
    const rows = []
    for (let row = 0; row < map.data.count; row++) {
      if (map.visible[row] && insidePolygon(map.grid.x[row], map.grid.y[row], x, y)) {
        rows.push(row)
      }
    }
    // Plotly marks its selection after this event; the rings of the groups replace that.
    setTimeout(() => {
      globalThis.Plotly.update(map.plot, { selectedpoints: [null] }, { selections: [] })
    })
    map.groups.change({ ...map.groups.value, [group]: rows })
    map.layers.drawOverlay()
    map.status.say(`Group ${group}: ${rows.length} images.`)
    map.groups.release({ model: map.data.model, group, rows })
  }

  setTool(tool) {
    const { root, axes } = this.map
    this.tool = tool
    for (const button of root.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", button.dataset.tool === tool)
    }
    if (axes.ready && axes.dragmode !== this.dragmode) axes.drag(this.dragmode)
  }

  press({ tool, do: action }) {
    if (tool) this.setTool(tool)
    if (action === "in") this.zoom(0.6)
    if (action === "out") this.zoom(1 / 0.6)
    if (action === "reset") this.showAll()
    if (action === "png") this.map.saving.picture()
    if (action === "svg") this.map.saving.vectors()
    if (action === "full") this.fill(!this.map.root.classList.contains("filling"))
  }

  // The map over the whole screen; over the whole page where the browser offers no more.
  fill(filling) {
    const { root, axes } = this.map
    if (root.classList.contains("filling") === filling) return
    root.classList.toggle("filling", filling)
    root.querySelector("[data-do=full]").setAttribute("aria-pressed", filling)
    if (filling) root.requestFullscreen?.().catch(() => {})
    else if (document.fullscreenElement) document.exitFullscreen()
    this.rect = null
    if (axes.ready) axes.resize()
  }

  // All points, those far out as well.
  showAll() {
    const { axes, grid } = this.map
    const around = (low, high) => {
      const margin = 0.05 * (high - low) || 1
      return [low - margin, high + margin]
    }
    if (!grid || !axes.ready) return
    axes.show(around(grid.left, grid.right), around(grid.bottom, grid.top))
  }

  // Zooms about a place, or about the middle.
  zoom(factor, { x, y } = {}) {
    if (!this.map.axes.ready) return
    this.view(([low, high], at) => {
      const centre = at ?? (low + high) / 2
      return [centre - (centre - low) * factor, centre + (high - centre) * factor]
    }, x, y)
  }

  // Moves a place to the middle.
  centre(x, y) {
    this.view(([low, high], at) => [at - (high - low) / 2, at + (high - low) / 2], x, y)
  }

  view(change, x, y) {
    const { axes } = this.map
    const [across, up] = axes.ranges
    axes.show(change(across, x), change(up, y))
  }

  key(event) {
    const { map } = this
    const { axes, place } = map
    if (!axes.ready) return
    const steps = arrowKey(event)
    if (steps) {
      const [right, up] = steps.map((step) => step * (event.shiftKey ? 2 : 12))
      const { left, top, width, height } = axes.area
      const from = place ? axes.toPixels(place.x, place.y) : [left + width / 2, top + height / 2]
      const px = clamp(from[0] + right, left, left + width)
      const py = clamp(from[1] - up, top, top + height)
      const [x, y] = axes.toData(px, py)
      map.screens.probe.hidden = false
      map.probe({ px, py, x, y }, event.timeStamp)
    } else if (event.key === "Enter" && place) map.pinning.pin(place)
    else if (event.key === "+" || event.key === "=") this.zoom(0.6, place)
    else if (event.key === "-") this.zoom(1 / 0.6, place)
    else if (event.key === "Escape") this.fill(false)
    else return
    event.preventDefault()
  }

  // Rings around the images of a class, those whose files' names have a text, or one by its id.
  find(text) {
    const { map } = this
    const { ids, classOf, grid, data, status } = map
    const wanted = text.trim().toLowerCase()
    map.found = null
    if (wanted) {
      const label = data.classes.findIndex((name) => name.toLowerCase() === wanted)
      const [, train, digits] = /^(train )?#?(\d+)$/.exec(wanted) ?? []
      const id = digits === undefined ? NaN : Number(digits) + (train ? data.first_train : 0)
      const matches = (row) => {
        if (label >= 0) return classOf[row] === label
        const file = Number.isNaN(id) ? map.names.files?.[row].toLowerCase() : undefined
        return ids[row] === id || file?.includes(wanted)
      }
      const rows = []
      for (let row = 0; row < ids.length; row++) if (matches(row)) rows.push(row)
      map.found = rows
      if (rows.length === 1) this.centre(grid.x[rows[0]], grid.y[rows[0]])
      status.say(rows.length === 0 ? `No image, label or file on this map matches “${text}”.`
        : rows.length === 1 ? `Found ${map.names.of(rows[0])}.` : `${rows.length} images found.`)
    } else status.say("")
    map.layers.drawOverlay()
  }
}
