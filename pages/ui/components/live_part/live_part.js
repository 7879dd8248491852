// A line of text or a picture that changes while others watch it, too, without a run of the page.

import { component, element } from "../base.js"
import { listen } from "../feed.js"

export class LivePart {
  constructor(root, data, send) {
    Object.assign(this, { root, send, endings: [] })
    this.update(data)
  }

  update(data) {
    if (this.data?.feed !== data.feed || this.data?.part !== data.part) {
      this.close()
      if (data.feed) {
        this.listen(data, data.part, (now) => now && this.draw(now))
        if (data.frame) this.listen(data, "frame", (frame) => this.compare(frame))
      }
    }
    const given = JSON.stringify(data.now)
    if (given !== this.given) this.draw(data.now) // else what was heard since is newer
    Object.assign(this, { data, given })
  }

  listen({ base, feed }, part, hear) {
    this.endings.push(listen(base, feed, part, hear))
  }

  // Python draws again what is no part of the stream.
  compare(frame) {
    if (frame !== this.data.frame) this.send("frame", { value: frame ?? "", count: Date.now() })
  }

  draw(now) {
    if (now.url) this.picture(now)
    else this.line(now)
  }

  line({ icon, strong, text, share }) {
    const line = element("p", { className: "live-line" })
    const drawn = { className: "live-icon", text: icon, ariaHidden: true }
    if (icon) line.append(element("span", drawn))
    line.append(element("strong", { text: strong }), text)
    const parts = [line]
    const bar = { max: 1, value: share ?? 0, ariaLabel: strong }
    if (share !== null) parts.push(element("progress", bar))
    this.root.replaceChildren(...parts)
  }

  // The same element as before: a new one would flicker.
  picture({ url, text }) {
    const [image, words] = this.pictured ??= [element("img"), element("figcaption")]
    image.src = url
    image.alt = words.textContent = text
    if (!image.isConnected) this.root.replaceChildren(element("figure", {}, image, words))
  }

  close() {
    for (const end of this.endings.splice(0)) end()
  }
}

export default component(LivePart, ".live-part")
