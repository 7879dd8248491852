// The legend's entries: a click on one greys all others, a second one brings them back.

import { MISSING } from "./points.js"

const FAINT = 0.25 // how solid points are drawn that do not count

export class Legend {
  constructor(map) {
    this.map = map
    this.only = null // the entry that counts; null: all do
  }

  read(traces, fresh) {
    if (fresh) this.only = null
    this.entries = traces.map((trace) => trace.legendgroup || trace.name)
    this.colours = traces.map((trace) => trace.marker.color)
    this.styled = JSON.stringify([null, this.map.data.opacity]) // as the figure is
    this.readVisible()
  }

  // False, so that Plotly does not hide the entry.
  click(trace) {
    const entry = this.entries[trace]
    this.only = this.only === entry ? null : entry
    this.readVisible()
    this.style()
    this.map.layers.drawOverlay()
    this.map.status.say(this.only === null ? "All points count again."
      : "What is grey does not count now. Click the same entry again to undo this.")
    return false
  }

  counts(trace) {
    return this.only === null || this.entries[trace] === this.only
  }

  // What is grey is neither found nor lassoed nor drawn as a picture.
  readVisible() {
    const counted = this.entries.map((_, trace) => Number(this.counts(trace)))
    this.map.visible = this.map.points.traceOf.map((trace) => counted[trace])
  }

  style() {
    const { map } = this
    const opacity = map.layers.shown.sheet ? 0.75 : map.data.opacity
    const styled = JSON.stringify([this.only, opacity])
    if (!map.axes.ready || !this.entries || this.styled === styled) return
    this.styled = styled
    const each = this.colours.map((colour, trace) => (
      this.counts(trace) ? [opacity, colour] : [FAINT, MISSING]))
    if (map.drawing.bound) {
      globalThis.Plotly.restyle(map.plot, {
        "marker.opacity": each.map(([value]) => value), "marker.color": each.map((one) => one[1]),
      })
    }
    map.points.style(each.map(([solid, colour]) => (
      { opacity: solid, colour: typeof colour === "string" ? colour : null })))
  }
}
