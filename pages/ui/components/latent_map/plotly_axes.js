// What Plotly keeps to itself: where its axes lie. All its private names stand in this file.

export class PlotlyAxes {
  constructor(chart) {
    this.chart = chart
  }

  get ready() {
    return Boolean(this.chart._fullLayout?.xaxis?.p2d)
  }

  // The plotting area, in pixels of the chart.
  get area() {
    const { xaxis, yaxis } = this.chart._fullLayout
    return { left: xaxis._offset, top: yaxis._offset, width: xaxis._length, height: yaxis._length }
  }

  // From and to, for each axis.
  get ranges() {
    const { xaxis, yaxis } = this.chart._fullLayout
    return [xaxis.range, yaxis.range]
  }

  // Pixels for one unit of each axis.
  get scale() {
    const { xaxis, yaxis } = this.chart._fullLayout
    return [Math.abs(xaxis._m), Math.abs(yaxis._m)]
  }

  get dragmode() {
    return this.chart._fullLayout.dragmode
  }

  show(across, up) {
    globalThis.Plotly.relayout(this.chart, { "xaxis.range": across, "yaxis.range": up })
  }

  drag(mode) {
    globalThis.Plotly.relayout(this.chart, { dragmode: mode })
  }

  resize() {
    globalThis.Plotly.Plots.resize(this.chart)
  }

  close() {
    if (this.ready) globalThis.Plotly.purge(this.chart)
  }

  toPixels(x, y) {
    const { xaxis, yaxis } = this.chart._fullLayout
    return [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)]
  }

  toData(px, py) {
    const { xaxis, yaxis } = this.chart._fullLayout
    return [xaxis.p2d(px - xaxis._offset), yaxis.p2d(py - yaxis._offset)]
  }
}
