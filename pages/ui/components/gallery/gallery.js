// Pictures to choose one from, or to tick several: each is a button, Python hears at once.

import { SyncedValue, component, element } from "../base.js"

export class Gallery {
  constructor(root, data, send) {
    this.list = root
    this.chosen = new SyncedValue((message) => send("chosen", message))
    root.onclick = (event) => {
      const key = event.target.closest("button")?.dataset.key
      if (!key) return
      const { value } = this.chosen
      if (!this.data.multiple) this.chosen.change([key])
      else if (value.includes(key)) this.chosen.change(value.filter((other) => other !== key))
      else this.chosen.change([...value, key])
      this.mark()
      this.chosen.release()
    }
    this.update(data)
  }

  update(data) {
    this.data = data
    const { list } = this
    this.chosen.receive(data.chosen)
    list.setAttribute("aria-label", data.label)
    list.setAttribute("aria-multiselectable", String(data.multiple))
    list.style.setProperty("--gallery-tile", `${data.tile}px`)
    list.style.setProperty("--gallery-height", `${data.height}px`)
    const signature = JSON.stringify(data.items.map((item) => [item.key, item.url.length]))
    if (this.signature !== signature) {
      this.signature = signature
      list.replaceChildren(...data.items.map((item) => this.button(item)))
    }
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
      button.setAttribute("aria-selected", String(this.chosen.value.includes(button.dataset.key)))
    }
  }
}

export default component(Gallery, ".gallery")
