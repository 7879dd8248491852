// How the map is drawn: with plain axes at first, and by Plotly once that has been read.

import { fetchFrom, loadPlotly, theme } from "../base.js"
import { PlainAxes } from "./plain_axes.js"
import { PlotlyAxes } from "./plotly_axes.js"

const PAINTED = 150 // milliseconds in which what is drawn is painted, before Plotly is read

export class Drawing {
  constructor(map) {
    this.map = map
    map.axes = new PlotlyAxes(map.plot)
  }

  // Fetches the figure of the map, unless it is drawn already in these colours.
  async draw() {
    const { map } = this
    const { data } = map
    const { base, figure: address } = data
    const colours = theme(map.root, "background-color") + theme(map.root, "text-color")
    if (this.drawn === address && this.colours === colours) return
    const problem = "This map could not be loaded. Reload the page."
    const [figure] = await Promise.all([
      fetchFrom(base, address, problem).then((answer) => answer.json()),
      map.points.load(data),
    ])
    if (map.stop.signal.aborted) return
    map.view.style(figure.layout)
    map.points.read(figure.data, figure.layout.meta?.shades)
    map.legend.read(figure.data, figure.layout, this.drawn !== address)
    for (const { marker } of figure.data) marker.showscale = false // the legend is the map's own
    this.figure = figure
    if (globalThis.Plotly) await this.chart()
    else this.drawPlain()
    this.drawn = address
    this.colours = colours
    map.points.draw()
    map.legend.style()
    map.root.dataset.drawn = map.view.shown
  }

  drawPlain() {
    const { map } = this
    map.axes.close()
    map.axes = new PlainAxes(map.plot, this.figure.layout, () => {
      this.redraw()
      map.points.draw()
    })
  }

  // Plotly, which is read when what is drawn has been painted: it moves the map where
  // that is dragged. Reruns do not wait for it.
  charts() {
    const { map } = this
    this.charting ??= new Promise((done) => { setTimeout(done, globalThis.Plotly ? 0 : PAINTED) })
      .then(() => loadPlotly(map.data.base))
      .then(() => map.queue(() => this.takeOver()))
    return this.charting
  }

  async takeOver() {
    const { map } = this
    if (this.bound || !this.figure || map.stop.signal.aborted) return
    const { layout } = this.figure
    const [across, up] = map.axes.asked
    layout.xaxis.range = across
    layout.yaxis.range = up
    layout.dragmode = map.controls.dragmode
    await this.chart()
    map.points.draw()
    map.settle()
  }

  async chart() {
    const { map } = this
    const { data, layout } = this.figure
    await globalThis.Plotly.react(map.plot, data, layout, {
      displayModeBar: false, scrollZoom: true, responsive: true,
      doubleClick: false, doubleClickDelay: 0, // two clicks at two places were one for Plotly
    })
    if (this.bound) return
    if (map.axes instanceof PlainAxes) map.axes.close()
    map.axes = new PlotlyAxes(map.plot)
    this.bind()
  }

  // What lies over and under the points, when the view has moved.
  redraw() {
    const { controls, layers } = this.map
    controls.rect = null
    layers.drawOverlay()
    layers.paintSheet()
  }

  bind() {
    const { controls, layers, plot, points, view } = this.map
    this.bound = true
    plot.on("plotly_relayouting", () => {
      this.redraw()
      points.move()
    })
    plot.on("plotly_relayout", () => {
      this.redraw()
      points.move()
      view.store()
      clearTimeout(this.timer)
      this.timer = setTimeout(() => layers.drawBehind(), 250)
    })
    plot.on("plotly_afterplot", () => {
      this.redraw()
      points.draw()
    })
    plot.on("plotly_selected", (event) => controls.lassoed(event))
  }

  close() {
    clearTimeout(this.timer)
    this.map.axes.close()
  }
}
