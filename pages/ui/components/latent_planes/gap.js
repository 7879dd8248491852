// Whether a pointer has crossed a gap: it came from codes, over places far from all of them, to
// other codes.

export class Gap {
  constructor({ panel, far }) {
    Object.assign(this, { panel, far })
    this.left = null // the last place among codes
    this.inside = false // since then it has been far from all codes
  }

  // Hears the next place of the pointer and says whether a crossing ends there.
  crossed([x, y], codes) {
    let nearest = Infinity
    for (let k = 0; k < codes.length; k += 2) {
      nearest = Math.min(nearest, Math.hypot(codes[k] - x, codes[k + 1] - y))
    }
    if (nearest > this.far) {
      this.inside = this.left !== null
      return false
    }
    const over = this.inside && Math.hypot(this.left[0] - x, this.left[1] - y) > this.far
    Object.assign(this, { left: [x, y], inside: false })
    return over
  }
}
