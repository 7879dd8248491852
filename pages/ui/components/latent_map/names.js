// What the images are called: their numbers, classes, and the files that they came from.

import { fetchFrom } from "../base.js"

export class Names {
  constructor(map) {
    this.map = map
    this.files = null
  }

  of(row) {
    const { ids, classOf, data: { first_train: first, classes } } = this.map
    const id = ids[row]
    const number = first !== null && id >= first ? `Train #${id - first}` : `Real #${id}`
    return [number, classes[classOf[row]], this.files?.[row]].filter(Boolean).join(" · ")
  }

  async load() {
    const { data: { base, names }, stop } = this.map
    if (this.url === names || stop.signal.aborted) return
    this.url = names
    this.files = null
    if (!names) return
    const problem = "The names of the files could not be loaded."
    const files = await (await fetchFrom(base, names, problem)).json()
    if (this.url === names) this.files = files
  }
}
