// A pin that was clicked on a map: the map says what is to be seen. Python shows all other pins.

import { component, element, offerScreen, put } from "../base.js"

export class PinView {
  constructor(root, data) {
    this.root = root
    this.count = 0
    this.shown = null
    this.update(data)
  }

  // Where Python shows the last pin that it has heard of, this gives way, unless it is newer.
  update(data) {
    this.close()
    this.data = data
    this.withdraw = offerScreen(`${data.view}-pin`, this)
    if (!data.server || data.heard < this.count) return
    this.root.hidden = true
    this.root.replaceChildren()
    this.shown = null
  }

  // Shows what was asked for with so many changes of the pins; false where Python shows more.
  // Pictures are [caption, what it shows, draw], where `draw` paints a canvas, or an ImageData.
  show(asked, { real, tag, title, pictures, words, nats, note, near, z, own }) {
    const { server, heard, image, place, terms } = this.data
    if (server && asked.count <= heard) return false // decoded so late that Python was first
    this.count = Math.min(asked.count, Number.MAX_SAFE_INTEGER)
    this.shown = asked
    const open = this.root.querySelector("details")?.open
    this.root.replaceChildren(
      element("h4", {}, element("span", { className: real ? "real" : "", text: tag }),
        ` ${title}`),
      element("div", { className: "pictures" }, ...pictures.map((shown) => this.figure(shown))),
      element("p", { text: `${words} ${real ? image : place}`.trim() }),
      ...(real && terms.length ? [
        element("dl", {}, ...terms.map((term) => this.number(term, nats))),
        element("p", { text: note }),
      ] : []),
      element("p", { text: "Nearest real images in the latent space" }),
      element("div", { className: "pictures near" }, ...near.map((shown) => this.figure(shown))),
      element("details", { open }, element("summary", { text: "Code z" }),
        element("code", { text: z.map((number) => number.toFixed(3)).join("  ") })),
    )
    this.root.toggleAttribute("data-own", own)
    this.root.hidden = false
    return true
  }

  figure([caption, alt, picture]) {
    const canvas = element("canvas", { role: "img", ariaLabel: alt })
    if (typeof picture === "function") picture(canvas)
    else put(canvas, picture)
    return element("figure", {}, canvas, element("figcaption", { text: caption }))
  }

  number({ name, about, link }, nats) {
    return element("div", {},
      element("dt", {}, element("a", { text: name, title: about, href: link, target: "_blank" })),
      element("dd", { text: nats[name] ?? "…" }))
  }

  close() {
    this.withdraw?.()
  }
}

export default component(PinView, ".pin-view")
