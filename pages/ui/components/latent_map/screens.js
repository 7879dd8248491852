// Where decoded pictures appear: beside the pointer, and enlarged next to the map.

import { put, screenOf } from "../base.js"
import { seenIn } from "../seen.js"
import { nearestCodes, zoneOf } from "./geometry.js"

const SIDE = 56 // pixels of the picture beside the pointer

export class Screens {
  constructor(map) {
    this.map = map
    this.tip = map.root.querySelector(".map-tip")
    this.tipPicture = map.root.querySelector(".map-tip-picture")
    this.tipReal = map.root.querySelector(".map-tip-real")
    this.probe = map.root.querySelector(".map-probe")
  }

  paint({ mean, deviation, ms }, presence, time) {
    put(this.tipPicture, mean, presence)
    screenOf(this.map.data.view)?.show({ mean, second: deviation, presence })
    this.map.root.dispatchEvent(new CustomEvent("decoded", {
      detail: { moved: time, painted: performance.now(), ms },
    }))
  }

  moveTip() {
    const { px, py } = this.map.place
    const [width, height] = [this.map.stage.clientWidth, this.map.stage.clientHeight]
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
    const { place, codes, data, family, decoder } = this.map
    if (!place?.z || !decoder || this.map.stop.signal.aborted) return
    const { dimensions, usual_distance: usual, zones, whole_space, decodes, view } = data
    const [{ distance }] = nearestCodes(codes, dimensions, place.z)
    this.showReal(this.map.pointAt(place))
    const [x, y] = [place.x, place.y].map((v) => v.toFixed(2))
    const alone = place.presence < 0.6 ? "; few codes are near" : ""
    const mean = `Weighted mean of the nearest codes${family.flow ? ", taken as noise" : ""}`
    const at = decodes ? "Decoded at" : "Image of the code nearest to"
    const where = family.approximate ? `${mean}${alone}`
      : `${at} (${x}, ${y})${whole_space ? "" : " of the plane"}`
    const compared = usual === null ? "" : ` (usual between neighbours: ${usual.toFixed(2)})`
    const zone = zones.length ? `: ${zoneOf(distance, zones)}` : "" // else a pin is judged
    screenOf(view)?.show({
      tag: !decodes ? "Nearest image"
        : family.approximate ? "Generated, approximate" : "Generated",
      words: `${where}. Distance to the nearest code ${distance.toFixed(2)}${compared}${zone}.` +
        [seenIn(place.scores, decoder.classifier), decoder.reason].filter(Boolean)
          .map((sentence) => ` ${sentence}`).join(""),
    })
  }

  async showReal(row) {
    this.hovered = row
    if (this.tipReal.hidden !== row < 0) {
      this.tipReal.hidden = row < 0
      this.moveTip()
    }
    if (row < 0) return
    this.tipReal.querySelector("span").textContent = this.map.names.of(row)
    const canvas = this.tipReal.querySelector("canvas")
    const { tiles } = this.map.layers
    await tiles.need([row])
    if (this.hovered !== row) return
    canvas.width = canvas.height = SIDE
    const context = canvas.getContext("2d")
    context.imageSmoothingEnabled = this.map.data.shape[1] > 32
    tiles.draw(context, row, 0, 0, SIDE)
  }
}
