// The square between four corners: a sheet of pictures, and a mark on it that a pointer moves.

import { arrowKey, clamp } from "../base.js"
import { codesAt } from "./weightings.js"

export class Square {
  constructor(root, onmove, onrelease) {
    this.root = root
    this.mark = root.querySelector(".live-mark")
    this.canvas = root.querySelector("canvas")
    const follow = (event) => {
      const box = root.getBoundingClientRect()
      onmove([clamp((event.clientX - box.left) / box.width, 0, 1),
        clamp((event.clientY - box.top) / box.height, 0, 1)])
    }
    root.onpointerdown = (event) => {
      root.setPointerCapture(event.pointerId)
      follow(event)
    }
    root.onpointermove = (event) => {
      if (event.buttons || event.pointerType === "mouse") follow(event)
    }
    root.onpointerup = onrelease
    root.onkeydown = (event) => {
      if (event.key === "Enter") onrelease()
      const steps = arrowKey(event)
      if (!steps) return
      const [right, up] = steps
      onmove([clamp(this.at[0] + 0.02 * right, 0, 1), clamp(this.at[1] - 0.02 * up, 0, 1)])
    }
  }

  show(at) {
    this.at = at
    this.mark.style.left = `calc(${100 * at[0]}% - 10px)`
    this.mark.style.top = `calc(${100 * at[1]}% - 10px)`
  }

  async draw(decoder, data, flow) {
    const { shape: [, height, width], steps } = data
    const ticket = (this.ticket = {})
    const zs = []
    for (let j = 0; j < steps; j++) {
      for (let i = 0; i < steps; i++) {
        zs.push(codesAt(data, [i / (steps - 1), j / (steps - 1)])[0])
      }
    }
    const flat = new Float32Array(zs.length * zs[0].length)
    zs.forEach((z, i) => flat.set(z, i * z.length))
    const pictures = await decoder.decodeMany(flat, zs.length, { flow })
    if (ticket !== this.ticket) return
    this.canvas.width = steps * width
    this.canvas.height = steps * height
    this.canvas.classList.toggle("pixelated", height <= 32)
    const context = this.canvas.getContext("2d")
    pictures.forEach((picture, i) =>
      context.putImageData(picture.mean, (i % steps) * width, Math.floor(i / steps) * height))
  }
}
