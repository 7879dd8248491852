// The page without a server: mounts the components with what they were sent when it was written,
// and answers what the browser can compute.

import { element } from "../components/base.js"
import { PinPanel } from "./pins.js"

const main = document.querySelector("main")
const note = document.querySelector(".site-note")

// One component, mounted as Streamlit mounts it.
class Part {
  constructor({ name, html, css, isolated, data }, place, answer) {
    Object.assign(this, { name, data, answer })
    this.host = element("div", { className: "site-part" })
    this.root = isolated ? this.host.attachShadow({ mode: "open" }) : this.host
    this.root.append(element("style", { text: css }))
    const parts = element("template")
    parts.innerHTML = html
    this.root.append(parts.content)
    place.append(this.host)
  }

  async open() {
    const { default: mount } = await import(`./parts/${this.name}.js`)
    this.mount = () => mount({
      data: [this.data],
      parentElement: this.root,
      setStateValue: (name, message) => this.answer(this, name, message),
    })
    this.mount()
  }

  update(data) {
    this.data = { ...this.data, ...data }
    this.mount()
  }
}

// A pin gets its number and its place beside the map; groups stay on the map.
function answerMap(panel) {
  let pinned = 0
  return (part, name, { value, count }) => {
    if (name !== "pinned") return
    const { pins, most_pins: most, view } = part.data
    const placed = value.map(({ kind, row, z }) => (
      { kind, row, z, label: String(++pinned), variance: null }))
    part.update({ pins: { ...pins, value: [...pins.value, ...placed].slice(-most), count } })
    panel.show(globalThis.latentMaps.get(view), placed.at(-1))
  }
}

async function open() {
  const embedded = new URLSearchParams(location.search).get("embed") === "true"
  document.documentElement.classList.toggle("site-embedded", embedded)
  const reply = await fetch("view.json")
  if (!reply.ok) throw new Error(`The web host answered ${reply.status} for view.json.`)
  const { parts } = await reply.json()
  const aside = element("aside")
  const panel = element("section", { className: "pin", ariaLive: "polite" })
  const opened = parts.map((part) => new Part(part,
    part.name === "live_picture" ? aside : main,
    part.name === "latent_map" ? answerMap(new PinPanel(panel)) : () => {}))
  if (aside.children.length) {
    aside.append(panel)
    main.append(aside)
  }
  await Promise.all(opened.map((part) => part.open()))
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
    () => opened.forEach((part) => part.mount()))
  note.remove()
}

open().catch((error) => { note.textContent = error.message })
