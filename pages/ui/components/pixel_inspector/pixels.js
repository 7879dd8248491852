// The same pixel of several pictures under one pointer; every number comes from Python.

import { SyncedValue, arrowKey, clamp, component, element, numbers } from "../base.js"

export class Pixels {
  constructor(root, data, send) {
    this.root = root
    this.at = new SyncedValue((message) => send("pixel", message))
    root.onkeydown = (event) => {
      const [right, up] = arrowKey(event) ?? [0, 0]
      if (event.key === "Enter") this.at.release()
      if (right || up) this.go([this.at.value[0] - up, this.at.value[1] + right])
    }
    this.update(data)
  }

  update(data) {
    this.data = data
    this.root.setAttribute("aria-label", data.alt)
    this.at.receive(data.at)
    this.readings = data.readings.map((reading) => ({
      ...reading,
      values: Object.fromEntries(Object.entries(reading.values).map(([k, v]) => [k, numbers(v)])),
    }))
    this.build()
    this.show()
  }

  build() {
    const [height, width] = this.data.size
    this.marks = []
    this.lines = []
    this.root.replaceChildren(...this.readings.map((reading) => {
      const pictures = reading.pictures.map(([name, packed]) => {
        const canvas = element("canvas", { width, height, role: "img",
          ariaLabel: `${reading.title}: ${name}` })
        const image = new ImageData(width, height)
        numbers(packed).forEach((value, i) => {
          const grey = Math.round(255 * value)
          image.data.set([grey, grey, grey, 255], 4 * i)
        })
        canvas.getContext("2d").putImageData(image, 0, 0)
        this.bind(canvas)
        const mark = element("div", { className: "mark" })
        this.marks.push(mark)
        const box = element("div", { style: "position: relative" }, canvas, mark)
        return element("figure", {}, box, element("figcaption", { text: name }))
      })
      const lines = element("div", { className: "lines" })
      this.lines.push(lines)
      return element("section", {}, element("h4", { text: reading.title }),
        element("div", { className: "pictures" }, ...pictures), lines,
        element("div", { className: "total", text: reading.total }))
    }))
  }

  bind(canvas) {
    const place = (event) => {
      const box = canvas.getBoundingClientRect()
      const [height, width] = this.data.size
      this.go([Math.floor(((event.clientY - box.top) / box.height) * height),
        Math.floor(((event.clientX - box.left) / box.width) * width)])
    }
    canvas.onpointermove = place
    canvas.onpointerdown = place
    canvas.onpointerup = () => this.at.release()
  }

  go([row, column]) {
    const [height, width] = this.data.size
    this.at.change([clamp(row, 0, height - 1), clamp(column, 0, width - 1)])
    this.show()
  }

  show() {
    const [height, width] = this.data.size
    const [row, column] = this.at.value
    const index = row * width + column
    for (const mark of this.marks) {
      Object.assign(mark.style, {
        left: `${(100 * column) / width}%`, top: `${(100 * row) / height}%`,
        width: `${100 / width}%`, height: `${100 / height}%`,
      })
    }
    this.readings.forEach((reading, k) => {
      this.lines[k].replaceChildren(...reading.lines.map((line) => element("div", {},
        ...line.split(/(\{\w+\})/).map((part) => {
          const name = part.match(/^\{(\w+)\}$/)?.[1]
          if (!name) return part
          const number = element("b", { text: reading.values[name][index].toFixed(2)
            .replace("-", "−") })
          if (reading.colours[name]) number.style.color = reading.colours[name]
          return number
        }))))
    })
    this.root.dataset.at = this.at.value.join(",")
  }
}

export default component(Pixels, ".pixels")
