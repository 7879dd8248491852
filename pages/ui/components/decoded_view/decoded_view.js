// A passive screen: the map paints into it while the pointer moves.

import { component } from "../base.js"

export class DecodedView {
  constructor(root, data) {
    this.root = root
    this.update(data)
  }

  update(data) {
    this.root.dataset.view = data.view
    const words = this.root.querySelector(".live-words")
    if (!this.root.dataset.painted) words.textContent = data.invitation
  }
}

export default component(DecodedView, ".live-picture")
