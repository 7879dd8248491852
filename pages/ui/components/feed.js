// What is new of something that many watch: one stream for all parts of a page that show it.

import { addressOf } from "./base.js"

const feeds = (globalThis.latentFeeds ??= new Map())
const AGAIN = 5_000 // milliseconds after which one that was refused is asked for again

// Hears of a part whenever it changes, and of null where the stream is refused. Gives a function
// that ends it. A page that is out of sight does not listen.
export function listen(base, feed, part, hear) {
  const ear = { part, hear }
  if (!feeds.has(feed)) feeds.set(feed, openFeed(`${addressOf(base)}${feed}`))
  const open = feeds.get(feed)
  open.ears.add(ear)
  return () => {
    open.ears.delete(ear)
    if (open.ears.size || feeds.get(feed) !== open) return
    feeds.delete(feed)
    open.close()
  }
}

function openFeed(url) {
  const ears = new Set()
  let source = null
  let timer = null
  const close = () => {
    clearTimeout(timer)
    source?.close()
    source = null
  }
  const open = () => {
    source = new EventSource(url)
    source.onmessage = ({ data }) => {
      const parts = JSON.parse(data)
      for (const { part, hear } of ears) if (part in parts) hear(parts[part])
    }
    source.onerror = () => {
      if (source?.readyState !== EventSource.CLOSED) return // it tries again by itself
      close()
      for (const { hear } of ears) hear(null)
      timer = setTimeout(seen, AGAIN)
    }
  }
  const seen = () => {
    close()
    if (!document.hidden) open()
  }
  document.addEventListener("visibilitychange", seen)
  seen()
  return {
    ears,
    close() {
      document.removeEventListener("visibilitychange", seen)
      close()
    },
  }
}
