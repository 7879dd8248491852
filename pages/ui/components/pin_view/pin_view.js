// What a map finds out about a pin by itself, shown from the click until Python has answered.

import { component, element, offerScreen, put } from "../base.js"

export class PinView {
  constructor(root, data) {
    this.root = root
    this.update(data)
  }

  // Python has answered to so many changes: its details are newer than what is shown here.
  update({ view, heard }) {
    this.close()
    this.withdraw = offerScreen(`${view}-pin`, this)
    this.heard = heard
    if (heard >= (this.count ?? 0)) {
      this.root.hidden = true
      this.root.replaceChildren()
    }
  }

  // Pictures are [caption, what it shows, draw], where `draw` paints a canvas, or an ImageData.
  show({ count, real, tag, title, pictures, words, near }) {
    if (count <= this.heard) return // decoded so late that Python was first
    this.count = count
    const figures = (shown) => shown.map(([caption, alt, picture]) => {
      const canvas = element("canvas", { role: "img", ariaLabel: alt })
      if (typeof picture === "function") picture(canvas)
      else put(canvas, picture)
      return element("figure", {}, canvas, element("figcaption", { text: caption }))
    })
    this.root.replaceChildren(
      element("h4", {}, element("span", { className: real ? "real" : "", text: tag }), title),
      element("div", { className: "pictures" }, ...figures(pictures)),
      element("p", { text: words }),
      element("p", { text: "Its nearest images" }),
      element("div", { className: "pictures near" }, ...figures(near)),
    )
    this.root.hidden = false
  }

  close() {
    this.withdraw?.()
  }
}

export default component(PinView, ".pin-view")
