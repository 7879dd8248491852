// Pictures to choose one from, or to tick several: each is a button, Python hears at once.

import { component, element } from "../base.js"

export class Gallery {
  constructor(root, data, send) {
    this.list = root
    this.sent = [] // what Python has not confirmed yet
    root.onclick = (event) => {
      const key = event.target.closest("button")?.dataset.key
      if (!key) return
      if (!this.data.multiple) this.chosen = [key]
      else if (this.chosen.includes(key)) this.chosen = this.chosen.filter((other) => other !== key)
      else this.chosen = [...this.chosen, key]
      this.mark()
      this.sent.push(JSON.stringify(this.chosen))
      send("chosen", this.chosen)
    }
    this.update(data)
  }

  update(data) {
    this.data = data
    const { list, sent } = this
    list.setAttribute("aria-label", data.label)
    list.setAttribute("aria-multiselectable", String(data.multiple))
    list.style.setProperty("--gallery-tile", `${data.tile}px`)
    list.style.setProperty("--gallery-height", `${data.height}px`)
    const signature = JSON.stringify(data.items.map((item) => [item.key, item.url.length]))
    if (this.signature !== signature) {
      this.signature = signature
      list.replaceChildren(...data.items.map((item) => this.button(item)))
    }
    // What Python says may be an echo of a click that others have followed since.
    const echo = sent.indexOf(JSON.stringify(data.chosen))
    const late = echo >= 0 && echo < sent.length - 1
    this.chosen = late ? JSON.parse(sent.at(-1)) : data.chosen
    if (!late) sent.splice(0, sent.length, JSON.stringify(this.chosen))
    this.mark()
  }

  button({ key, url, alt, caption }) {
    const image = element("img", { src: url, alt })
    image.classList.toggle("pixelated", this.data.pixelated)
    const button = element("button", { type: "button", role: "option" }, image,
      element("span", { text: caption }))
    button.dataset.key = key
    return button
  }

  mark() {
    for (const button of this.list.children) {
      button.setAttribute("aria-selected", String(this.chosen.includes(button.dataset.key)))
    }
  }
}

export default component(Gallery, ".gallery")
