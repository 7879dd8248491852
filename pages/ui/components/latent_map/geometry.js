// From the picture to latents and back: pure functions, no document.

// Codes out of the block that Python sends, from a place on: 32 bits are numbers as they are, and
// 16 bits steps from the lowest value of each dimension.
export function unpackedCodes(block, start, count, dimensions, bits) {
  if (bits === 32) return new Float32Array(block, start, count * dimensions)
  const low = new Float32Array(block, start, dimensions)
  const step = new Float32Array(block, start + 4 * dimensions, dimensions)
  const packed = new Uint16Array(block, start + 8 * dimensions, count * dimensions)
  const codes = new Float32Array(packed.length)
  for (let n = 0; n < codes.length; n += dimensions) {
    for (let i = 0; i < dimensions; i++) codes[n + i] = low[i] + step[i] * packed[n + i]
  }
  return codes
}

const dot = (a, b) => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

// z(x, y) = origin + x·u + y·v with orthonormal u and v. What the plane does not show is
// taken from `origin`, or from a pinned code when one is kept.
export function linearFamily({ origin, u, v }, kept = null) {
  const project = (z) => {
    const offset = Float64Array.from(z, (value, i) => value - origin[i])
    return [dot(offset, u), dot(offset, v)]
  }
  let base = Float64Array.from(origin)
  if (kept) {
    const [x, y] = project(kept)
    base = Float64Array.from(kept, (value, i) => value - x * u[i] - y * v[i])
  }
  return {
    approximate: false,
    project,
    at(x, y) {
      const z = new Float32Array(base.length)
      for (let i = 0; i < z.length; i++) z[i] = base[i] + x * u[i] + y * v[i]
      return { z, presence: 1 }
    },
    // Axes of the two-sigma ellipse of a diagonal Gaussian, seen on the plane.
    ellipse(variance) {
      let [a, b, c] = [0, 0, 0]
      for (let i = 0; i < variance.length; i++) {
        a += variance[i] * u[i] * u[i]
        b += variance[i] * u[i] * v[i]
        c += variance[i] * v[i] * v[i]
      }
      const middle = (a + c) / 2
      const half = Math.hypot((a - c) / 2, b)
      return {
        major: 2 * Math.sqrt(Math.max(middle + half, 0)),
        minor: 2 * Math.sqrt(Math.max(middle - half, 0)),
        angle: Math.atan2(middle + half - a, b || 1e-30),
      }
    },
  }
}

// Places of a plane whose other dimensions are completed on a lattice, and between its places as
// the four around them say. Beyond it they are those of its edge.
export function completedFamily(linear, { u, v }, codes, side, [left, right, bottom, top]) {
  const dimensions = u.length
  const along = (value, low, high) => {
    const place = Math.min(Math.max((value - low) / (high - low), 0), 1) * (side - 1)
    const k = Math.min(Math.floor(place), side - 2)
    return [k, place - k, low + (high - low) * place / (side - 1)]
  }
  return {
    ...linear,
    at(x, y) {
      const [i, fx, nearX] = along(x, left, right)
      const [j, fy, nearY] = along(y, bottom, top)
      const corner = (dj, di) => ((j + dj) * side + i + di) * dimensions
      const [a, b, c, d] = [corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)]
      const z = new Float32Array(dimensions)
      for (let k = 0; k < dimensions; k++) {
        z[k] = (1 - fy) * ((1 - fx) * codes[a + k] + fx * codes[b + k])
          + fy * ((1 - fx) * codes[c + k] + fx * codes[d + k])
          + (x - nearX) * u[k] + (y - nearY) * v[k]
      }
      return { z, presence: 1 }
    },
  }
}

// A t-SNE map has no inverse: a place is decoded as the weighted mean of its nearest codes,
// and `presence` falls to 0 where nothing is near. With noise of a level, their noise is averaged,
// gets its usual length, and `at` gives noise for the flow instead of a code.
export function nearestFamily(grid, codes, dimensions, options = null) {
  const { noise, level } = options ?? { noise: null, level: null }
  const spacing = grid.spacing()
  const row = (i) => (noise ?? codes).subarray(i * dimensions, (i + 1) * dimensions)
  return {
    approximate: true,
    flow: noise && { level },
    at(x, y) {
      const near = grid.nearest(x, y, 12)
      const z = new Float32Array(dimensions)
      const width = 0.75 * Math.max(spacing, near[0].distance)
      let [total, length] = [0, 0]
      for (const { index, distance } of near) {
        const weight = Math.exp(-0.5 * (distance / width) ** 2)
        const code = row(index)
        for (let i = 0; i < dimensions; i++) z[i] += weight * code[i]
        total += weight
        if (noise) length += weight * Math.hypot(...code)
      }
      const scale = noise ? length / Math.max(Math.hypot(...z), 1e-12) : 1
      for (let i = 0; i < dimensions; i++) z[i] *= scale / total
      const away = near[0].distance / spacing
      return { z, presence: Math.max(0.12, Math.min(1, 1 - (away - 2) / 8)) }
    },
    project(z) {
      const near = nearestCodes(codes, dimensions, z, 5)
      let [x, y, total] = [0, 0, 0]
      for (const { index, distance } of near) {
        const weight = 1 / (distance * distance + 1e-9)
        x += weight * grid.x[index]
        y += weight * grid.y[index]
        total += weight
      }
      return [x / total, y / total]
    },
    ellipse: () => null,
  }
}

// The k codes nearest to z in the latent space itself, by a plain scan.
export function nearestCodes(codes, dimensions, z, k = 1) {
  const best = []
  const count = codes.length / dimensions
  let limit = Infinity
  for (let n = 0, at = 0; n < count; n++, at += dimensions) {
    let sum = 0
    for (let i = 0; i < dimensions && sum < limit; i++) {
      const d = codes[at + i] - z[i]
      sum += d * d
    }
    if (sum >= limit) continue
    let place = best.length
    while (place > 0 && best[place - 1].distance > sum) place--
    best.splice(place, 0, { index: n, distance: sum })
    if (best.length > k) best.pop()
    if (best.length === k) limit = best[k - 1].distance
  }
  for (const entry of best) entry.distance = Math.sqrt(entry.distance)
  return best
}

// What a place at a distance from the nearest code counts as: Python sends the zones, each as the
// distance where it ends, null for the last one, and what it is called.
export function zoneOf(distance, zones) {
  return zones.find(([end]) => end === null || distance <= end)[1]
}

// A grid of cells over 2-D positions, so that 200,000 points are searched as fast as 500. The rows
// in cell c are `rows` from `starts[c]` to `starts[c + 1]`.
export class Grid {
  constructor(x, y) {
    this.x = x
    this.y = y
    const ends = (values) => {
      let [low, high] = [Infinity, -Infinity]
      for (const value of values) {
        if (value < low) low = value
        if (value > high) high = value
      }
      return [low, high]
    }
    const [[left, right], [bottom, top]] = [ends(x), ends(y)]
    Object.assign(this, { left, right, bottom, top })
    this.side = Math.max(1, Math.ceil(Math.sqrt(x.length / 2)))
    this.cell = Math.max((right - left) / this.side, (top - bottom) / this.side) || 1
    this.starts = new Uint32Array((this.side + 1) ** 2 + 2)
    const cells = new Uint32Array(x.length)
    for (let i = 0; i < x.length; i++) {
      cells[i] = this.key(this.column(x[i]), this.row(y[i]))
      this.starts[cells[i] + 2]++
    }
    for (let c = 2; c < this.starts.length; c++) this.starts[c] += this.starts[c - 1]
    this.rows = new Uint32Array(x.length)
    for (let i = 0; i < x.length; i++) this.rows[this.starts[cells[i] + 1]++] = i
  }

  column(x) { return Math.min(this.side, Math.max(0, Math.floor((x - this.left) / this.cell))) }

  row(y) { return Math.min(this.side, Math.max(0, Math.floor((y - this.bottom) / this.cell))) }

  key(column, row) { return column * (this.side + 1) + row }

  in(column, row) {
    const cell = this.key(column, row)
    return this.rows.subarray(this.starts[cell], this.starts[cell + 1])
  }

  nearest(x, y, k, wanted = null) {
    const [column, row] = [this.column(x), this.row(y)]
    const best = []
    for (let ring = 0; ring <= this.side; ring++) {
      for (let i = column - ring; i <= column + ring; i++) {
        const edge = Math.abs(i - column) === ring
        for (let j = row - ring; j <= row + ring; j += edge ? 1 : 2 * ring || 1) {
          if (i < 0 || j < 0 || i > this.side || j > this.side) continue
          for (const index of this.in(i, j)) {
            if (wanted && !wanted[index]) continue
            const distance = Math.hypot(this.x[index] - x, this.y[index] - y)
            if (best.length === k && distance >= best[k - 1].distance) continue
            let place = best.length
            while (place > 0 && best[place - 1].distance > distance) place--
            best.splice(place, 0, { index, distance })
            if (best.length > k) best.pop()
          }
        }
      }
      // Whatever lies in a farther ring is at least `ring` cells away.
      if (best.length === k && best[k - 1].distance <= ring * this.cell) break
    }
    return best
  }

  // The wanted rows whose position lies in a rectangle; null if they are more than `most`.
  inside(left, right, bottom, top, wanted, most) {
    const found = []
    for (let i = this.column(left); i <= this.column(right); i++) {
      for (let j = this.row(bottom); j <= this.row(top); j++) {
        for (const n of this.in(i, j)) {
          const [x, y] = [this.x[n], this.y[n]]
          if (!wanted[n] || x < left || x > right || y < bottom || y > top) continue
          if (found.length === most) return null
          found.push(n)
        }
      }
    }
    return found
  }

  // Median distance of a point to its nearest neighbour, over a sample.
  spacing() {
    const step = Math.max(1, Math.floor(this.x.length / 400))
    const distances = []
    for (let i = 0; i < this.x.length; i += step) {
      const pair = this.nearest(this.x[i], this.y[i], 2)
      if (pair.length === 2) distances.push(pair[1].distance)
    }
    distances.sort((a, b) => a - b)
    return distances[distances.length >> 1] || 1
  }
}

// Is (x, y) inside the closed polygon? By the parity of crossings.
export function insidePolygon(x, y, xs, ys) {
  let inside = false
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
    if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) {
      inside = !inside
    }
  }
  return inside
}
