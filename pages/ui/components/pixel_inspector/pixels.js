// The same pixel of several pictures under one pointer; every number comes from Python.

import { component, element, numbers } from "../base.js"

export class Pixels {
  constructor(root, data, send) {
    this.root = root
    this.send = send
    root.onkeydown = (event) => {
      const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }
      if (event.key === "Enter") this.send("pixel", [...this.at])
      if (!move[event.key]) return
      event.preventDefault()
      event.stopPropagation()
      this.go(this.at.map((v, k) => v + move[event.key][k]))
    }
    this.update(data)
  }

  update(data) {
    this.data = data
    this.at = data.at
    this.readings = data.readings.map((reading) => ({
      ...reading,
      values: Object.fromEntries(Object.entries(reading.values).map(([k, v]) => [k, numbers(v)])),
    }))
    this.build()
    this.go(this.at)
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
    canvas.onpointerup = () => this.send("pixel", [...this.at])
  }

  go([row, column]) {
    const [height, width] = this.data.size
    this.at = [Math.max(0, Math.min(height - 1, row)), Math.max(0, Math.min(width - 1, column))]
    const index = this.at[0] * width + this.at[1]
    for (const mark of this.marks) {
      Object.assign(mark.style, {
        left: `${(100 * this.at[1]) / width}%`, top: `${(100 * this.at[0]) / height}%`,
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
    this.root.dataset.at = this.at.join(",")
  }
}

export default component(Pixels, ".pixels")
