// What the plotting area looks like, and the view that outlives a rerun.

import { recall, remember, theme } from "../base.js"

export class View {
  constructor(map) {
    this.map = map
  }

  // Gives a layout the colours of the page and the view.
  style(layout) {
    const text = theme(this.map.root, "text-color")
    const line = theme(this.map.root, "border-color")
    Object.assign(layout, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
      font: { color: text, family: theme(this.map.root, "font"), size: 12 },
      hovermode: false, dragmode: this.map.controls.dragmode,
    })
    for (const axis of [layout.xaxis, layout.yaxis]) {
      Object.assign(axis, { gridcolor: line, zerolinecolor: line, linecolor: line })
    }
    this.keep(layout)
    layout.newselection = { line: { color: theme(this.map.root, "primary-color"), width: 2 } }
  }

  // The view outlives a rerun and a visit to another page, while the map shows the same thing.
  keep({ uirevision, xaxis, yaxis }) {
    const stored = JSON.parse(recall("latent-map") || "{}")
    const { axes } = this.map
    this.whole = [xaxis.range, yaxis.range]
    let view = null
    if (axes.ready && this.shown === uirevision) view = axes.ranges
    else if (stored.uirevision === uirevision) view = [stored.x, stored.y]
    if (view) [xaxis.range, yaxis.range] = view
    this.shown = uirevision
  }

  // What the map opens with.
  reset() {
    this.map.axes.show(...this.whole)
  }

  store() {
    const [x, y] = this.map.axes.ranges
    remember("latent-map", JSON.stringify({ uirevision: this.shown, x, y }))
  }
}
