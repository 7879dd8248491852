// What a plane shows that no pointer moves: tint, points, rings, ellipses.

import { clamp } from "../base.js"

function rgb(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16))
}

// From a place in the latent space to pixels, and back.
export class Scale {
  constructor([x0, x1, y0, y1], width, height) {
    Object.assign(this, { x0, x1, y0, y1, width, height })
  }
  x(v) { return ((v - this.x0) / (this.x1 - this.x0)) * this.width }
  y(v) { return (1 - (v - this.y0) / (this.y1 - this.y0)) * this.height }
  at(u, v) { return [this.x0 + u * (this.x1 - this.x0), this.y0 + v * (this.y1 - this.y0)] }
  part([x, y]) {
    return [(x - this.x0) / (this.x1 - this.x0), (y - this.y0) / (this.y1 - this.y0)]
  }
}

export function fit(canvas) {
  const ratio = devicePixelRatio || 1
  const { width, height } = canvas.parentElement.getBoundingClientRect()
  canvas.width = Math.max(1, Math.round(width * ratio))
  canvas.height = Math.max(1, Math.round(height * ratio))
  const context = canvas.getContext("2d")
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  return { context, width, height }
}

function tint(context, field, values, scale) {
  const { side, colour, low, high } = field
  const small = document.createElement("canvas")
  small.width = side
  small.height = values.length / side
  const picture = new ImageData(small.width, small.height)
  const [r, g, b] = rgb(colour)
  values.forEach((value, i) => {
    const part = clamp((value - low) / (high - low), 0, 1)
    const row = small.height - 1 - Math.floor(i / side)
    picture.data.set([r, g, b, Math.round(150 * part)], 4 * (row * side + (i % side)))
  })
  small.getContext("2d").putImageData(picture, 0, 0)
  context.imageSmoothingEnabled = true
  context.drawImage(small, 0, 0, scale.width, scale.height)
}

export function oval(context, scale, { mean, sigma, colour, radius, dashed }, width = 1.6) {
  context.beginPath()
  context.ellipse(scale.x(mean[0]), scale.y(mean[1]),
    Math.abs(scale.x(radius * sigma[0]) - scale.x(0)),
    Math.abs(scale.y(radius * sigma[1]) - scale.y(0)), 0, 0, 2 * Math.PI)
  context.setLineDash(dashed ? [5, 4] : [])
  context.strokeStyle = colour
  context.lineWidth = width
  context.stroke()
  context.setLineDash([])
}

export function drawPanel(panel, canvas, palette, text) {
  const { context, width, height } = fit(canvas)
  const scale = new Scale(panel.bounds, width, height)
  context.clearRect(0, 0, width, height)
  if (panel.field) tint(context, panel.field, panel.fieldValues, scale)
  context.globalAlpha = 0.3
  context.strokeStyle = text
  context.lineWidth = 1
  for (const [x, y] of [[0, null], [null, 0]]) {
    context.beginPath()
    if (x === null) { context.moveTo(0, scale.y(y)); context.lineTo(width, scale.y(y)) }
    else { context.moveTo(scale.x(x), 0); context.lineTo(scale.x(x), height) }
    context.stroke()
  }
  context.globalAlpha = 0.85
  for (let i = 0; i < panel.classOf.length; i++) {
    const k = panel.classOf[i]
    context.fillStyle = k < 0 ? "#8b93a3" : palette[k % palette.length]
    context.beginPath()
    context.arc(scale.x(panel.xy[2 * i]), scale.y(panel.xy[2 * i + 1]), 2.1, 0, 2 * Math.PI)
    context.fill()
  }
  context.globalAlpha = 1
  if (panel.rings) {
    for (const radius of [1, 2, 3]) {
      oval(context, scale, { mean: [0, 0], sigma: [1, 1], colour: "rgba(127,138,158,0.8)",
        radius, dashed: true }, 1)
    }
  }
  for (const ellipse of panel.ellipses) oval(context, scale, ellipse)
  context.fillStyle = text
  context.globalAlpha = 0.65
  context.font = "12px sans-serif"
  context.fillText(panel.names[0], width - 18, height - 6)
  context.fillText(panel.names[1], 6, 14)
  context.globalAlpha = 1
  return scale
}
