// The lecture's steps, and which of them this browser has seen done.

import { component, element } from "../base.js"
import { TICKS, tickLesson, ticked } from "./ticks.js"

export class LessonSteps {
  constructor(root, data) {
    this.root = root
    this.redraw = () => this.draw()
    window.addEventListener(TICKS, this.redraw)
    this.update(data)
  }

  update(data) {
    this.data = data
    if (data.ticked) tickLesson(data.ticked)
    this.draw()
  }

  draw() {
    const { steps, here, label, done } = this.data
    if (label) this.root.setAttribute("aria-label", label)
    this.root.replaceChildren(...steps.map(({ lesson, title }, i) => {
      const seen = ticked.has(lesson)
      const words = `${i + 1} · ${title}${seen ? ` · ${done}` : ""}`
      const step = element("li", { text: seen ? "✓" : String(i + 1), title: words,
        ariaLabel: words })
      step.toggleAttribute("data-done", seen)
      if (lesson === here) step.setAttribute("aria-current", "step")
      return step
    }))
  }

  close() {
    window.removeEventListener(TICKS, this.redraw)
  }
}

export default component(LessonSteps, ".lesson-steps")
