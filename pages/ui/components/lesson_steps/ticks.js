// Which steps of the lecture this browser has seen done: kept in its storage, and told to all of
// the page by an event.

import { recall, remember } from "../base.js"

export const TICKS = "latent-lessons" // in the storage, and the event's name
export const ticked = (globalThis.latentLessons ??=
  new Set((recall(TICKS, "local") ?? "").split(" ").filter(Boolean)))

export function tickLesson(name) {
  if (ticked.has(name)) return
  ticked.add(name)
  remember(TICKS, [...ticked].join(" "), "local")
  window.dispatchEvent(new Event(TICKS))
}
