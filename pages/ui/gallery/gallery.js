// Pictures to choose one from: each is a button, the choice goes to Python at once.
export default function ({ data: [data], parentElement, setStateValue }) {
  const list = parentElement.querySelector(".gallery")
  list.setAttribute("aria-label", data.label)
  list.style.setProperty("--gallery-tile", `${data.tile}px`)
  list.style.setProperty("--gallery-height", `${data.height}px`)
  const signature = JSON.stringify(data.items.map((item) => [item.key, item.url.length]))
  if (list.dataset.signature !== signature) {
    list.dataset.signature = signature
    list.replaceChildren(...data.items.map((item) => {
      const button = document.createElement("button")
      button.type = "button"
      button.role = "option"
      button.dataset.key = item.key
      const image = document.createElement("img")
      image.src = item.url
      image.alt = item.alt
      image.classList.toggle("pixelated", data.pixelated)
      const caption = document.createElement("span")
      caption.textContent = item.caption
      button.append(image, caption)
      return button
    }))
  }
  const mark = (chosen) => {
    for (const button of list.children) {
      button.setAttribute("aria-selected", String(button.dataset.key === String(chosen)))
    }
  }
  mark(data.chosen)
  list.onclick = (event) => {
    const button = event.target.closest("button")
    if (!button) return
    mark(button.dataset.key)
    setStateValue("chosen", button.dataset.key)
  }
}
