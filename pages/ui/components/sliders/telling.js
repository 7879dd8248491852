// What is said of the code where the sliders stand: what the classifier sees, what the edit did,
// and, once the visitor stays there, what only the server can tell.

import { addressOf, element, fetchFrom } from "../base.js"
import { seenIn } from "../seen.js"
import { changes, verdict } from "./verdict.js"

const OFTEN = 90 // milliseconds between two changes of words, which cost layout
const STAYED = 700 // milliseconds after which a visitor stays
const COMPARED = 4 // names whose probabilities are shown before and after

const percent = (share) => `${Math.round(100 * share)} %`

export class Telling {
  constructor(root) {
    this.root = root
    this.verdict = element("p", { className: "live-verdict", ariaLive: "polite" })
    this.table = element("div", { className: "live-changes" })
    this.words = element("p", { className: "live-words" })
    this.near = element("div", { className: "live-near" })
    root.append(this.verdict, this.table, this.words, this.near)
  }

  update(data) {
    this.data = data
    this.root.hidden = !data.tells
    if (!data.tells) return
    this.pixelated = data.shape[1] <= 32
    this.tellSoon()
  }

  // What the classifier saw in the picture before the edit.
  startFrom(scores) {
    this.before = scores
    this.tellSoon()
  }

  // The code that was decoded last, and what the classifier sees in its picture.
  move(values, start, z, scores, classifier) {
    if (!this.data.tells) return
    Object.assign(this, { values, start, z, scores, classifier, about: null })
    this.tellSoon()
    clearTimeout(this.staying)
    this.staying = setTimeout(() => this.ask(), STAYED)
  }

  tellSoon() {
    this.telling ??= setTimeout(() => { this.telling = null; this.tell() }, OFTEN)
  }

  tell() {
    const { data, z, start, scores, about } = this
    if (!data?.tells || !z) return
    const { judge, usual_distance: usual } = data.tells
    if (judge) this.compare(judge)
    const said = judge ? [] : [seenIn(scores, this.classifier)]
    if (judge) {
      const moved = Math.hypot(...Array.from(z, (value, k) => value - start[k]))
      const compared = usual === null ? "" : ` (usual between neighbours: ${usual.toFixed(2)})`
      said.push(`Distance in latent space ${moved.toFixed(2)}${compared}.`)
    }
    if (about?.judged) said.push(`This code is ${about.judged}.`)
    this.words.textContent = said.filter(Boolean).join(" ")
  }

  compare(judge) {
    const { values, before, scores } = this
    const known = before && scores
    const [kind, words] = known || !judge.covered ? verdict(judge, values, before, scores)
      : ["open", "The report says what the classifier sees: this browser cannot run it."]
    this.verdict.dataset.kind = kind
    if (this.verdict.textContent !== words) this.verdict.textContent = words // it is read aloud
    const rows = known ? changes(judge, values, before, scores, COMPARED) : []
    this.table.replaceChildren(...rows.flatMap(({ word, before: was, after: is, meant }) => [
      element("span", { text: word, className: meant ? "meant" : "" }),
      element("span", { className: "live-shares", style: `--was: ${was}; --is: ${is}` }),
      element("span", { text: `${percent(was)} → ${percent(is)}` }),
    ]))
  }

  // Asks for what the browser cannot know.
  async ask() {
    const { data: { base, tells }, z } = this
    if (!tells?.about || document.hidden) return
    try {
      const answer = await fetchFrom(base, tells.about, "", { method: "POST", body: z })
      const about = await answer.json()
      if (this.z !== z) return
      this.about = about
    } catch {
      return // the browser's own words stand
    }
    this.tell()
    if (tells.near) this.showNear(this.about.near ?? [])
  }

  showNear(near) {
    const { base, tells } = this.data
    const label = element("p", { text: near.length ? "Nearest real images in latent space:" : "" })
    this.near.replaceChildren(label, ...near.map(({ row, title, distance }) => {
      const image = element("img", { src: `${addressOf(base)}${tells.image}?row=${row}`,
        alt: `Real image ${title}, ${distance.toFixed(2)} away`, loading: "lazy" })
      image.classList.toggle("pixelated", this.pixelated)
      return element("figure", {}, image, element("figcaption", { text: title }))
    }))
  }

  close() {
    clearTimeout(this.staying)
    clearTimeout(this.telling)
  }
}
