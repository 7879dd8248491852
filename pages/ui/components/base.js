// What every component of the app begins with.

const mounted = new WeakMap() // the element that Streamlit gives → what lives there

// Mounts a component under Streamlit, which only this function knows: one instance for each place
// on the page, told of every rerun. A class takes (element, data, send), where `send(name, value)`
// answers to Python; `update(data)` and `close()` are called on it. A page without Streamlit
// makes the instance itself.
export function component(Class, selector) {
  return ({ data: [data], parentElement, setStateValue }) => {
    let place = mounted.get(parentElement)
    if (place) {
      place.send = setStateValue
      place.instance.update(data)
    } else {
      place = { send: setStateValue }
      const send = (name, value) => place.send(name, value)
      place.instance = new Class(parentElement.querySelector(selector), data, send)
      mounted.set(parentElement, place)
    }
    return () => {
      place.instance.close?.()
      mounted.delete(parentElement)
    }
  }
}

export function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  if (text !== undefined) made.textContent = text
  made.append(...children)
  return made
}

// Paints a picture; `presence` makes it pale where no data are near.
export function put(canvas, picture, presence = null) {
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width
    canvas.height = picture.height
    canvas.classList.toggle("pixelated", picture.height <= 32)
  }
  canvas.getContext("2d").putImageData(picture, 0, 0)
  if (presence !== null && canvas.style.opacity !== String(presence)) {
    canvas.style.opacity = presence
  }
}

export function numbers(text) {
  return new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)
}

// A colour or font of the page.
export function theme(element, name) {
  return getComputedStyle(element).getPropertyValue(`--st-${name}`).trim()
}

// The address of the app: where the page's own script comes from, for a proxy may take away a part
// of the path that the app never hears of. A page without Streamlit has a base path alone.
export function addressOf(base) {
  const script = document.querySelector('script[src*="static/js/"]')
  const address = script ? new URL("../..", script.src) : new URL(base || "/", location.href)
  return address.href.replace(/\/$/, "")
}

// What the browser keeps for a visitor: for this tab ("session"), or for good ("local"). In a
// frame of another site it may refuse; then nothing is kept.
export function recall(name, kind = "session") {
  try {
    return globalThis[`${kind}Storage`].getItem(name)
  } catch {
    return null
  }
}

export function remember(name, text, kind = "session") {
  try {
    globalThis[`${kind}Storage`].setItem(name, text)
  } catch {
    // refused, or full
  }
}

// The chart library, once for all components of the page.
export function loadPlotly(base) {
  globalThis.plotlyLoading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script")
    script.src = `${addressOf(base)}/live/plotly.min.js`
    script.onload = () => resolve()
    script.onerror = () => {
      globalThis.plotlyLoading = null
      reject(new Error("The chart library could not be loaded. Reload the page."))
    }
    document.head.append(script)
  })
  return globalThis.plotlyLoading
}

// Something else of the app's, by its address within it.
export async function fetchFrom(base, path, problem, options = {}) {
  const answer = await fetch(addressOf(base) + path, options)
  if (!answer.ok) throw new Error(problem)
  return answer
}

// The decoders that a component shows now. It says in `data-exact` whether the browser runs them;
// why it does not, and what fails later, stands in the status line. With `flow`, the flows of
// their learned distributions are opened as well; with `classifier`, those of their images.
export class Decoders {
  constructor(root, status = null, parts = {}) {
    Object.assign(this, { root, status, parts })
    this.openings = new Map() // model → Promise<Decoder>
  }

  // Opens those of these models and closes all others. Null where a newer call has taken over.
  async open(base, ...models) {
    this.wanted = models
    for (const model of [...this.openings.keys()]) if (!models.includes(model)) this.drop(model)
    const address = addressOf(base)
    const { openDecoder } = await import(`${address}/live/decoder.js`)
    if (this.wanted !== models) return null
    const opened = models.map((model) => {
      if (!this.openings.has(model)) {
        const progress = (part) => this.status?.say( // ten times, for it is read aloud
          `The decoder is being loaded: ${Math.floor(part * 10) * 10} %`)
        this.openings.set(model, openDecoder(address, model, { ...this.parts, progress }))
      }
      return this.openings.get(model)
    })
    let decoders
    try {
      decoders = await Promise.all(opened)
    } catch (error) {
      this.drop(...models) // the next rerun tries again
      throw error
    }
    if (this.wanted !== models) return null
    for (const decoder of decoders) decoder.onerror = (error) => this.status?.say(error.message)
    this.root.dataset.exact = decoders.every((decoder) => decoder.exact)
    const reasons = new Set(decoders.map(({ reason }) => reason).filter(Boolean))
    this.status?.say([...reasons].join(" "))
    return decoders
  }

  drop(...models) {
    for (const model of models) {
      this.openings.get(model)?.then((decoder) => decoder.close(), () => {})
      this.openings.delete(model)
    }
  }

  close() {
    this.wanted = null
    this.drop(...this.openings.keys())
  }
}

// The line below a component in which it says what a visitor should know.
export class StatusLine {
  constructor(element) {
    this.element = element
  }

  say(text) {
    if (this.element.textContent !== text) this.element.textContent = text // it is read aloud
  }

  // Does some work; says why where it fails.
  async watch(work) {
    try {
      await work()
    } catch (error) {
      this.say(error.message)
    }
  }
}

// A value that the visitor and Python may both change. Every change here is counted, the count
// goes along when Python is told, and Python gives back the last count that it heard: what belongs
// to an older one comes too late and changes nothing. With another subject Python's value counts.
export class SyncedValue {
  constructor(send) {
    this.send = send
    this.count = 0
  }

  // What Python says; false where it comes too late.
  receive({ value, count, subject = "" }) {
    if (subject === this.subject && count < this.count) return false
    Object.assign(this, { value, subject, count: Math.max(count, this.count) })
    return true
  }

  change(value) {
    this.value = value
    this.count++
  }

  // Tells Python, of the whole value or of the part of it that is new.
  release(value = this.value) {
    this.send({ value, count: this.count })
  }
}

// Screens of the page by name: one component shows in them what another one decodes. A screen has
// `show({ mean, second, presence, tag, words })`; what is left out stays as it is.
const screens = (globalThis.latentScreens ??= new Map())

// Makes a screen known; gives a function that takes it away again.
export function offerScreen(name, screen) {
  screens.set(name, screen)
  return () => { if (screens.get(name) === screen) screens.delete(name) }
}

export function screenOf(name) {
  return screens.get(name)
}

const ARROWS = new Map([
  ["ArrowLeft", [-1, 0]], ["ArrowRight", [1, 0]], ["ArrowUp", [0, 1]], ["ArrowDown", [0, -1]],
])

// The steps to the right and upwards that a key asks for, null for all but the arrows; the page
// around does not hear of them.
export function arrowKey(event) {
  const steps = ARROWS.get(event.key)
  if (!steps || event.altKey || event.ctrlKey || event.metaKey) return null
  event.preventDefault()
  event.stopPropagation()
  return steps
}

export const clamp = (value, low, high) => Math.max(low, Math.min(high, value))
