// Streamlit's drawer covers a narrow page and stays open when a page has been chosen in it.

import { component } from "../base.js"

const NARROW = "(max-width: 768px)" // from here on Streamlit's drawer lies over the page

export class Drawer {
  constructor(_root, data) {
    this.update(data)
  }

  // The first page closes nothing: somebody may have opened the drawer while it was loading.
  update({ page }) {
    const last = (globalThis.latentPage ??= page)
    globalThis.latentPage = page
    if (page !== last && matchMedia(NARROW).matches) {
      document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click()
    }
  }

  close() {}
}

export default component(Drawer, ".drawer")
