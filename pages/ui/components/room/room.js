// What ties a page to its room. The presenter's browser tells where it is: the address, the
// pointer and the pin on the map. A pupil's follows when asked, lets go at a touch, and answers.
// Keys of the presenter: P for large type without what is around the page, Page Down and Page Up
// for the next and the previous page, as a clicker sends them; F to lead, or to follow.

import { addressOf, component, element } from "../base.js"

const PAUSE = 80 // ms between two messages of the presenter
const maps = () => (globalThis.latentMaps ??= new Map())

// The path below which the app lies, "" at the root.
const folderOf = (base) => new URL(addressOf(base)).pathname.replace(/\/$/, "")

// An address without what the map shows by itself.
const bare = (address) => {
  const url = new URL(address, location.origin)
  if (maps().size) url.searchParams.delete("pins")
  return url.pathname + url.search
}

// Streamlit takes the address for one that the browser's own buttons went to.
const travel = (address) => {
  history.pushState({}, "", address)
  window.dispatchEvent(new PopStateEvent("popstate", { state: {} }))
}

// Tells the room where the presenter is: one message at a time, the latest one.
class Lead {
  constructor(base) {
    this.address = `${addressOf(base)}/live/room/lead`
    this.folder = folderOf(base)
    this.said = ""
    this.timer = setInterval(() => this.tell(), PAUSE)
  }

  point(view, { x, y }, id) {
    this.pointer = { view, x, y, id: id ?? null }
  }

  leave() {
    this.pointer = null
  }

  pinned(view, { row, z, approximate }) {
    this.count = (this.count ?? Date.now()) + 1
    this.pin = { view, count: this.count, row, z: Array.from(z), approximate }
  }

  async tell() {
    const map = maps().get("map")
    const here = location.pathname.slice(this.folder.length) || "/"
    const text = JSON.stringify({
      address: here + location.search,
      model: map?.data.model ?? null,
      pointer: map ? this.pointer ?? null : null,
      pin: map ? this.pin ?? null : null,
    })
    if (this.telling || text === this.said) return
    this.telling = true
    try {
      const answer = await fetch(this.address, { method: "POST", body: text })
      if (answer.ok) this.said = text
    } catch { /* the next message tries again */ } finally {
      this.telling = false
    }
  }

  close() {
    clearInterval(this.timer)
  }
}

// Hears what the room shares, and goes along while it follows.
class Follow {
  constructor(base, show) {
    this.live = `${addressOf(base)}/live/room`
    this.folder = folderOf(base)
    this.show = show
    this.stop = new AbortController()
    this.stream = new EventSource(this.live)
    this.stream.onmessage = ({ data }) => {
      this.shared = { ...this.shared, ...JSON.parse(data) } // what has changed
      this.show()
      this.go()
    }
    for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"]) {
      document.addEventListener(kind, (event) => this.touched(event),
        { capture: true, passive: true, signal: this.stop.signal })
    }
  }

  get following() {
    return sessionStorage.getItem("latent-follow") === "yes"
  }

  set following(follows) {
    sessionStorage.setItem("latent-follow", follows ? "yes" : "no")
    globalThis.latentArrived = this.pinned = null
    this.show()
    this.go()
  }

  // A touch of one's own lets go; the room's own buttons are none.
  touched(event) {
    if (!this.following || !event.isTrusted || event.target.closest?.(".room")) return
    if (event.key === "f") return // which says so itself
    this.following = false
  }

  go() {
    const lead = this.shared?.lead
    if (!lead || !this.following) return
    const address = this.folder + lead.address
    if (globalThis.latentArrived !== bare(address)) { // which outlives the page's components
      globalThis.latentArrived = bare(address)
      if (bare(location.href) !== bare(address)) travel(address)
    }
    const map = lead.pointer ? maps().get(lead.pointer.view) : null
    if (map?.data.model === lead.model) map.follow(lead.pointer, lead.pointer.id ?? undefined)
    if (!lead.pointer) maps().get("map")?.leave()
    const at = lead.pin && maps().get(lead.pin.view)
    if (at?.data.model === lead.model && this.pinned !== lead.pin.count) {
      this.pinned = lead.pin.count
      at.answer.showLed(lead.pin)
    }
  }

  async answer(question, option) {
    let voter = sessionStorage.getItem("latent-voter")
    if (!voter) {
      const bytes = crypto.getRandomValues(new Uint8Array(16))
      voter = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("")
      sessionStorage.setItem("latent-voter", voter)
    }
    const body = JSON.stringify({ number: question.number, option, voter })
    const reply = await fetch(`${this.live}/answer`, { method: "POST", body })
    if (reply.ok) this.answered = [question.number, option]
    this.show()
  }

  close() {
    this.stop.abort()
    this.stream.close()
  }
}

export class Room {
  constructor(root, data) {
    this.root = root
    this.update(data)
  }

  update(data) {
    this.data = data
    const { base, leads } = data
    this.stop ??= this.listen()
    if (this.leads === leads) return
    this.part?.close()
    this.leads = leads
    if (leads) this.lead(base)
    else this.part = new Follow(base, () => this.draw())
  }

  lead(base) {
    const button = element("button", { type: "button" })
    const lead = (on) => {
      this.part?.close()
      this.part = on ? new Lead(base) : null
      globalThis.latentLead = this.part
      button.textContent = on ? "The room may follow you" : "Lead the room"
      button.setAttribute("aria-pressed", on)
    }
    button.onclick = () => lead(!this.part)
    this.press = () => lead(!this.part)
    lead(true)
    this.root.replaceChildren(button)
    this.root.hidden = false
  }

  listen() {
    const stop = new AbortController()
    document.addEventListener("keydown", (event) => this.key(event), { signal: stop.signal })
    return stop
  }

  key(event) {
    const { target, key, altKey, ctrlKey, metaKey } = event
    const typing = target.closest?.("input, textarea, [role=combobox]")
    if (altKey || ctrlKey || metaKey || typing) return
    const view = document.documentElement.classList
    const steps = { PageDown: 1, PageUp: -1 }[key]
    if (key === "f") this.press?.()
    else if (!this.leads) return
    else if (key === "p") view.toggle("presenting")
    else if (steps && view.contains("presenting")) this.step(steps)
    else return
    event.preventDefault()
  }

  step(steps) {
    const { base, pages, page } = this.data
    const next = pages[pages.indexOf(page) + steps]
    if (next !== undefined) travel(`${folderOf(base)}/${next}`)
  }

  draw() {
    const { part, root } = this
    const { lead, question } = part.shared ?? {}
    const shown = []
    if (question) {
      const [number, chosen] = part.answered ?? []
      shown.push(element("div", { className: "question" },
        element("p", { text: question.text }),
        ...question.options.map((text, k) => {
          const button = element("button", { type: "button", text })
          button.setAttribute("aria-pressed", number === question.number && chosen === k)
          button.onclick = () => part.answer(question, k)
          return button
        })))
    }
    if (lead) {
      const follows = part.following
      const text = follows ? "Following the presenter" : "Follow the presenter"
      const button = element("button", { type: "button", text })
      button.title = follows ? "Touch the page anywhere to let go" : ""
      button.setAttribute("aria-pressed", follows)
      button.onclick = () => { part.following = !part.following }
      this.press = button.onclick
      shown.push(button)
    }
    root.hidden = !shown.length
    root.replaceChildren(...shown)
  }

  close() {
    this.stop?.abort()
    this.stop = null
    this.part?.close()
    if (this.leads) globalThis.latentLead = null
    this.part = null
  }
}

export default component(Room, ".room")
