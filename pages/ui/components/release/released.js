// From what a visitor lets go of to the component `release` that tells Python: by keys, for both
// are bundles of their own. The newest message waits until there is one.

export const released = (globalThis.latentReleased ??= {
  places: new Map(),
  waiting: new Map(),

  say(key, message) {
    const tell = this.places.get(key)
    if (tell) tell(message)
    else this.waiting.set(key, message)
  },

  listen(key, tell) {
    this.places.set(key, tell)
    if (!this.waiting.has(key)) return
    tell(this.waiting.get(key))
    this.waiting.delete(key)
  },

  forget(key) {
    this.places.delete(key)
  },
})
