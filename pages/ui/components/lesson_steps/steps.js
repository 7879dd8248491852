// The lecture's steps, and which of them this browser has seen done.

import { component, element, recall, remember } from "../base.js"

const KEPT = "latent-lessons" // in the browser's storage, and an event of the page
const seen = (globalThis.latentLessons ??= new Set((recall(KEPT, "local") ?? "").split(" ")))

export class LessonSteps {
  constructor(root, data) {
    this.root = root
    this.redraw = () => this.draw()
    window.addEventListener(KEPT, this.redraw)
    this.update(data)
  }

  update(data) {
    this.data = data
    if (data.ticked && !seen.has(data.ticked)) {
      seen.add(data.ticked)
      remember(KEPT, [...seen].filter(Boolean).join(" "), "local")
      window.dispatchEvent(new Event(KEPT))
    }
    this.draw()
  }

  draw() {
    const { steps, here, label, done } = this.data
    if (label) this.root.setAttribute("aria-label", label)
    this.root.replaceChildren(...steps.map(({ lesson, title }, i) => {
      const ticked = seen.has(lesson)
      const words = `${i + 1} · ${title}${ticked ? ` · ${done}` : ""}`
      const step = element("li", { text: ticked ? "✓" : String(i + 1), title: words,
        ariaLabel: words })
      step.toggleAttribute("data-done", ticked)
      if (lesson === here) step.setAttribute("aria-current", "step")
      return step
    }))
  }

  close() {
    window.removeEventListener(KEPT, this.redraw)
  }
}

export default component(LessonSteps, ".lesson-steps")
