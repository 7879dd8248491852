// A Plotly figure, redrawn in place.

import { component, element, loadPlotly, theme } from "../base.js"
import { listen } from "../feed.js"

const WEBGL = Boolean(document.createElement("canvas").getContext("webgl"))
const COARSE = matchMedia("(pointer: coarse)").matches

export class Chart {
  constructor(root, data) {
    this.root = root
    this.work = Promise.resolve()
    this.resized = new ResizeObserver(() => {
      if (this.drawn && root.clientWidth) globalThis.Plotly.Plots.resize(root) // not while hidden
        .catch(() => {}) // nor when it is hidden meanwhile
    })
    this.resized.observe(root)
    this.dark = matchMedia("(prefers-color-scheme: dark)")
    this.restyle = () => setTimeout(() => this.draw(), 300) // once the page has its new colours
    this.dark.addEventListener("change", this.restyle)
    this.update(data)
  }

  update(data) {
    const { base, feed, part, now, height } = data
    if (this.data?.feed !== feed || this.data?.part !== part) {
      this.end?.()
      this.end = feed ? listen(base, feed, part, (heard) => heard && this.show(heard)) : null
    }
    this.root.style.height = `${height}px`
    const same = now.figure === this.data?.now.figure // then what was heard since is newer
    this.data = data
    this.show(same ? this.now : now)
  }

  show(now) {
    this.now = now
    this.root.setAttribute("aria-label", now.alt)
    this.work = this.work.then(() => loadPlotly(this.data.base)).then(() => this.draw())
      .catch((error) => this.note(error.message))
  }

  async draw() {
    if (this.closed) return
    const { data, layout } = JSON.parse(this.now.figure)
    if (!WEBGL) data.forEach((trace) => { trace.type = trace.type.replace("gl", "") })
    await globalThis.Plotly.react(this.root, data, {
      ...layout, template: { layout: this.theme() }, autosize: true,
      dragmode: COARSE ? false : layout.dragmode ?? "zoom", // a finger scrolls the page
    }, { displayModeBar: false, scrollZoom: false })
    this.drawn = true
    this.root.dataset.drawn = Number(this.root.dataset.drawn ?? 0) + 1
  }

  // What the figure leaves open.
  theme() {
    const [text, line, ground] = ["text-color", "border-color", "background-color"]
      .map((name) => theme(this.root, name))
    const axis = {
      gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, ticks: "",
      title: { font: { size: 12 }, standoff: 8 },
    }
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, family: theme(this.root, "font"), size: 12 },
      colorway: this.data.colours,
      xaxis: { ...axis, showgrid: false, zeroline: false }, yaxis: axis,
      hoverlabel: { bgcolor: ground, bordercolor: line, font: { color: text } },
      annotationdefaults: { font: { size: 14 } },
      shapedefaults: { line: { color: text } },
      legend: { bgcolor: "rgba(0,0,0,0)" },
    }
  }

  note(message) {
    this.root.replaceChildren(element("p", { className: "chart-note", text: message }))
  }

  close() {
    this.closed = true
    this.end?.()
    this.resized.disconnect()
    this.dark.removeEventListener("change", this.restyle)
    if (this.drawn) globalThis.Plotly.purge(this.root)
  }
}

export default component(Chart, ".chart")
