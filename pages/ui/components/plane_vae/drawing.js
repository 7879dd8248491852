// What the plane of a small VAE draws: points, posteriors, and the terms of the objective.

import { theme } from "../base.js"

export const SHADES = 40 // cells of the density along each side
const SHOWN_POSTERIORS = 200

export const number = (v, digits = 2) => v.toFixed(digits).replace("-", "−")

// The colour of a point follows its direction from the middle, in both planes.
const hue = (x, y) => `hsl(${(Math.atan2(y, x) * 180) / Math.PI + 200} 70% 50%)`

// A canvas of the size at which it is shown, and how places of a plane get there.
function surface(element, reach) {
  const ratio = devicePixelRatio || 1
  const [width, height] = [element.clientWidth, element.clientHeight]
  if (!width) return null
  element.width = width * ratio
  element.height = height * ratio
  const c = element.getContext("2d")
  c.setTransform(ratio, 0, 0, ratio, 0, 0)
  const at = (x, y) => [(0.5 + x / (2 * reach)) * width, (0.5 - y / (2 * reach)) * height]
  return { c, at, width, height, unit: width / (2 * reach), ink: theme(element, "text-color") }
}

function ring({ c, ink }, [u, v], radius) {
  c.strokeStyle = ink
  c.lineWidth = 2
  c.beginPath()
  c.arc(u, v, radius, 0, 7)
  c.stroke()
  c.lineWidth = 1
}

// Points, where the decoder puts them, and the model's density around them.
export function drawPoints(element, { points, decoded, density, shown, marked, reach, colours }) {
  const view = surface(element, reach)
  if (!view) return
  const { c, at, width, height } = view
  if (density) {
    const top = Math.max(...density, 1e-9)
    const small = new OffscreenCanvas(SHADES, SHADES) // enlarged smoothly
    const shades = small.getContext("2d")
    shades.fillStyle = colours.evidence
    density.forEach((value, k) => {
      shades.globalAlpha = 0.5 * Math.sqrt(value / top)
      shades.fillRect(k % SHADES, Math.floor(k / SHADES), 1, 1)
    })
    c.drawImage(small, 0, 0, width, height)
  }
  for (let k = 0; k < points.length; k += 2) {
    const [x, y] = [points[k], points[k + 1]]
    const [u, v] = at(x, y)
    const [s, t] = at(decoded[k], decoded[k + 1])
    c.strokeStyle = colours.reconstruction
    c.globalAlpha = 0.55
    c.beginPath()
    c.moveTo(u, v)
    c.lineTo(s, t)
    c.stroke()
    c.globalAlpha = 0.9
    c.fillStyle = hue(x, y)
    c.beginPath()
    c.arc(u, v, 2.6, 0, 7)
    c.fill()
    c.fillStyle = colours.reconstruction
    c.fillRect(s - 1.6, t - 1.6, 3.2, 3.2)
  }
  c.globalAlpha = 1
  if (shown !== null) {
    const k = 2 * shown
    ring(view, at(points[k], points[k + 1]), 7)
    ring(view, at(decoded[k], decoded[k + 1]), 5)
  }
  if (marked) ring(view, at(...marked), 4)
}

// Posteriors of the points, an ellipse of one standard deviation each, and the prior's circles.
export function drawPosteriors(element, { points, codes, shown, reach }) {
  const view = surface(element, reach)
  if (!view) return
  const { c, at, unit, ink } = view
  const { mean: centre, sigma } = codes
  const middle = at(0, 0)
  c.strokeStyle = ink
  c.setLineDash([3, 4])
  c.globalAlpha = 0.6
  for (const radius of [1, 2, 3]) {
    c.beginPath()
    c.arc(...middle, radius * unit, 0, 7)
    c.stroke()
  }
  c.setLineDash([])
  const every = Math.max(1, Math.ceil(points.length / 2 / SHOWN_POSTERIORS))
  for (let n = 0; n < points.length / 2; n++) {
    const [u, v] = at(centre[2 * n], centre[2 * n + 1])
    const colour = hue(points[2 * n], points[2 * n + 1])
    if (n % every === 0 || n === shown) {
      c.globalAlpha = n === shown ? 1 : 0.35
      c.strokeStyle = n === shown ? ink : colour
      c.lineWidth = n === shown ? 2.5 : 1
      c.beginPath()
      c.ellipse(u, v, sigma[2 * n] * unit, sigma[2 * n + 1] * unit, 0, 0, 7)
      c.stroke()
    }
    c.globalAlpha = 0.9
    c.fillStyle = colour
    c.fillRect(u - 1.3, v - 1.3, 2.6, 2.6)
  }
  c.globalAlpha = 1
  c.lineWidth = 1
}

// The terms step by step, the ELBO, and log p(x) above it.
export function drawTerms(element, { rows, colours, words }) {
  const view = surface(element, 1)
  if (!view || !rows.length) return
  const { c, width, height, ink } = view
  const names = ["evidence", "elbo", "reconstruction", "kl"]
  const value = (row, name) => (name === "kl" ? -row.kl : row[name])
  const settled = rows.slice(Math.min(2, rows.length - 1))
  const all = settled.flatMap((row) => names.map((name) => value(row, name)))
  const [low, high] = [Math.min(...all) - 0.3, Math.max(...all, 0.5) + 0.3]
  const last = Math.max(rows.at(-1).step, 500)
  const [left, bottom] = [34, 20]
  const x = (step) => left + (step / last) * (width - left - 8)
  const y = (v) => 8 + ((high - v) / (high - low)) * (height - bottom - 8)
  c.font = `12px ${theme(element, "font") || "sans-serif"}`
  c.save()
  c.beginPath()
  c.rect(left, 4, width - left, height - bottom)
  c.clip()
  const trace = (name) => rows.map((row) => [x(row.step), y(value(row, name))])
  c.globalAlpha = 0.18 // what lies between log p(x) and the ELBO
  c.fillStyle = colours.posterior
  c.beginPath()
  for (const [u, v] of [...trace("evidence"), ...trace("elbo").reverse()]) c.lineTo(u, v)
  c.fill()
  c.globalAlpha = 1
  for (const name of names) {
    c.strokeStyle = colours[name]
    c.lineWidth = name === "elbo" || name === "evidence" ? 2.5 : 1.5
    c.setLineDash(name === "evidence" ? [7, 4] : name === "kl" ? [2, 3] : [])
    c.beginPath()
    for (const [u, v] of trace(name)) c.lineTo(u, v)
    c.stroke()
  }
  c.setLineDash([])
  c.restore()
  c.lineWidth = 1
  c.fillStyle = ink
  const span = high - low
  const unit = span > 8 ? 4 : span > 4 ? 2 : 1
  c.textAlign = "right"
  for (let v = Math.ceil(low / unit) * unit; v <= high; v += unit) {
    c.fillText(number(v, 0), left - 6, y(v) + 4)
    c.globalAlpha = 0.15
    c.fillRect(left, y(v), width - left - 8, 1)
    c.globalAlpha = 1
  }
  c.fillText(`${words.steps}: ${rows.at(-1).step}`, width - 10, height - 6)
}
