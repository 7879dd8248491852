// Writes the page's address: a deliberate step is an entry of the history, all else replaces it.

import { component } from "../base.js"

// One for the whole page, whichever instance is told: what was written last, and at which arrival
// the visitor left by Back or Forward, after which older messages come too late. Other components
// write what a request of theirs has changed.
const history_ = (globalThis.latentAddress ??= { session: "", count: 0, arrivals: 0, left: 0 })
history_.write = writeAddress

if (!history_.listening) {
  history_.listening = true
  window.addEventListener("popstate", () => { history_.left = history_.arrivals })
}

export class Address {
  constructor(_root, data) {
    this.update(data)
  }

  update(data) {
    writeAddress(data)
  }
}

function writeAddress(said) {
  if (!said) return
  const { session, count, arrivals, query, push } = said
  if (session !== history_.session) {
    Object.assign(history_, { session, count: 0, arrivals: 0, left: 0 })
  }
  if (count <= history_.count || arrivals <= history_.left) return
  Object.assign(history_, { count, arrivals })
  const wanted = new URLSearchParams(query)
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (name.startsWith("embed")) wanted.append(name, value) // Streamlit's own
  }
  const search = wanted.size ? `?${wanted}` : ""
  if (search === location.search) return
  const url = location.pathname + search + location.hash
  if (push) window.history.pushState({}, "", url)
  else window.history.replaceState(window.history.state, "", url)
}

export default component(Address, ".address")
