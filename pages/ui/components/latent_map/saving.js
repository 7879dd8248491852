// The map as a file: a picture of all that is on it, or its points as vectors.

import { theme } from "../base.js"

export class Saving {
  constructor(map) {
    this.map = map
  }

  async picture() {
    const { layers, legend, plot, points, root, stage } = this.map
    await this.map.drawing.charts()
    const [width, height] = [stage.clientWidth, stage.clientHeight]
    const url = await globalThis.Plotly.toImage(plot, {
      format: "png", width, height, scale: 2,
    })
    const image = new Image()
    image.src = url
    await image.decode()
    const colours = legend.picture()
    const above = colours?.height ?? 0
    const canvas = new OffscreenCanvas(2 * width, 2 * height + above)
    const context = canvas.getContext("2d")
    context.fillStyle = theme(root, "background-color")
    context.fillRect(0, 0, canvas.width, canvas.height)
    if (colours) context.drawImage(colours, 0, 0)
    for (const layer of [layers.under, image, points.canvas, layers.over]) {
      if (layer.width) context.drawImage(layer, 0, above, 2 * width, 2 * height)
    }
    this.download(await canvas.convertToBlob({ type: "image/png" }), "png")
  }

  // Points, axes and legend as vectors.
  async vectors() {
    await this.map.drawing.charts()
    const { legend, plot, points, root, stage, data } = this.map
    const placed = points.traces()
    const traces = plot.data.map((trace, k) => {
      const { cmin, cmax } = trace.marker
      const { x, y, shades, colour, opacity } = placed[k]
      const values = () => shades.map((share) => cmin + share * (cmax - cmin))
      return { ...trace, x, y, marker: {
        ...trace.marker, opacity, color: colour ?? values(),
        showscale: !colour && trace.showlegend,
      } }
    })
    const layout = {
      ...plot.layout, paper_bgcolor: theme(root, "background-color"),
      showlegend: legend.buttons.length > 1,
    }
    const url = await globalThis.Plotly.toImage({ data: traces, layout }, {
      format: "svg", width: stage.clientWidth, height: stage.clientHeight,
    })
    const text = decodeURIComponent(url.slice(url.indexOf(",") + 1))
    this.download(new Blob([text], { type: "image/svg+xml" }), "svg")
    this.map.status.say(`Saved ${data.count} points as ${data.model}-map.svg.`)
  }

  download(content, ending) {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(content)
    link.download = `${this.map.data.model}-map.${ending}`
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }
}
