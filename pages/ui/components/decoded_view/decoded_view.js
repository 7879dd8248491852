// An enlarged picture and words about it: a map shows in it what lies under the pointer.

import { component, offerScreen, put } from "../base.js"

export class DecodedView {
  constructor(root, data) {
    this.mean = root.querySelector(".live-mean")
    this.second = root.querySelector(".live-second")
    this.tag = root.querySelector(".live-tag")
    this.words = root.querySelector(".live-words")
    this.update(data)
  }

  update({ view, invitation }) {
    this.close()
    this.withdraw = offerScreen(view, this)
    if (!this.used) this.words.textContent = invitation
  }

  // What a screen can show: pictures, and words about them. What is not named stays.
  show({ mean, second, presence, tag, words }) {
    this.used = true
    if (mean) {
      put(this.mean, mean, presence)
      this.second.hidden = !second
      if (second) put(this.second.querySelector("canvas"), second)
    }
    if (words === undefined) return
    this.tag.textContent = tag
    this.words.textContent = words
  }

  close() {
    this.withdraw?.()
  }
}

export default component(DecodedView, ".live-picture")
