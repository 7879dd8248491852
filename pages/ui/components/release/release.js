// Tells Python where sliders were let go. What shows them stands elsewhere on the page, so the run
// that this starts draws nothing of it anew.

import { component } from "../base.js"
import { released } from "./released.js"

export class Release {
  constructor(_root, data, send) {
    this.send = send
    this.update(data)
  }

  update({ key }) {
    if (this.key === key) return
    this.close()
    this.key = key
    released.listen(key, (message) => this.send("values", message))
  }

  close() {
    if (this.key) released.forget(this.key)
  }
}

export default component(Release, ".release")
