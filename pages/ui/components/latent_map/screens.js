// Where decoded pictures appear: beside the pointer, and enlarged next to the map.

import { nearestCodes } from "./geometry.js"

export class Screens {
  constructor(map) {
    this.map = map
    this.tip = map.root.querySelector(".map-tip")
    this.tipPicture = map.root.querySelector(".map-tip-picture")
    this.tipReal = map.root.querySelector(".map-tip-real")
    this.probe = map.root.querySelector(".map-probe")
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
    this.map.root.dispatchEvent(new CustomEvent("decoded", {
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
      this.viewEl = document.querySelector(`[data-view="${CSS.escape(this.map.data.view)}"]`)
    }
    return this.viewEl
  }

  moveTip() {
    const { px, py } = this.map.place
    const [width, height] = [this.map.stageEl.clientWidth, this.map.stageEl.clientHeight]
    const tipWidth = this.tipReal.hidden ? 120 : 230
    const left = px + 22 + tipWidth < width ? px + 22 : Math.max(4, px - 22 - tipWidth)
    const top = Math.min(Math.max(py - 130, 4), height - 125)
    this.tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`
    this.probe.style.transform = `translate(${px}px, ${py}px)`
  }

  // Words and the nearest real image follow ten times a second: they cost layout.
  tellSoon() {
    this.telling ??= setTimeout(() => { this.telling = null; this.tell() }, 90)
  }

  tell() {
    if (!this.map.place || this.map.stop.signal.aborted) return
    const { z, presence, x, y } = this.map.place
    const { dimensions, usualDistance, wholeSpace, zones } = this.map.data
    const [near] = nearestCodes(this.map.codes, dimensions, z)
    const [, zone] = zones.find(([limit]) => limit === null || near.distance <= limit)
    const usual = usualDistance === null ? ""
      : ` (usual between neighbours: ${usualDistance.toFixed(2)})`
    const row = this.map.pointAt(this.map.place)
    this.showReal(row)
    const view = this.view()
    if (!view) return
    view.dataset.painted = "true"
    view.querySelector(".live-tag").textContent =
      this.map.family.approximate ? "Generated, approximate" : "Generated"
    const where = this.map.family.approximate
      ? `Weighted mean of the nearest codes${presence < 0.6 ? "; there is little near here" : ""}.`
      : `Decoded at (${x.toFixed(2)}, ${y.toFixed(2)})${wholeSpace ? "" : ` of the plane`}.`
    view.querySelector(".live-words").textContent =
      `${where} Distance to the nearest code ${near.distance.toFixed(2)}${usual}: ${zone}.` +
      (this.map.decoder.exact ? "" : " This browser cannot run the decoder, so the server decodes.")
  }

  nameOf(row) {
    const label = this.map.data.classes[this.map.classOf[row]]
    return `Real #${this.map.ids[row]}${label === undefined ? "" : ` · ${label}`}`
  }

  async showReal(row) {
    this.hovered = row
    if (this.tipReal.hidden !== row < 0) {
      this.tipReal.hidden = row < 0
      this.moveTip()
    }
    if (row < 0) return
    this.tipReal.querySelector("span").textContent = this.nameOf(row)
    const canvas = this.tipReal.querySelector("canvas")
    const atlas = await this.map.layers.loadAtlas()
    if (!atlas || this.hovered !== row) return
    const { tile } = this.map.data.atlas
    canvas.width = canvas.height = tile
    this.map.layers.stamp(canvas.getContext("2d"), row, 0, 0, tile)
  }
}
