// Pictures to choose one from, or to tick several: each is a button, Python hears at once.
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
  list.setAttribute("aria-multiselectable", String(data.multiple))
  // What Python says may be an echo of a click that others have followed since.
  const sent = list.sent ??= []
  const echo = sent.indexOf(JSON.stringify(data.chosen))
  const late = echo >= 0 && echo < sent.length - 1
  let chosen = late ? JSON.parse(sent.at(-1)) : data.chosen
  if (!late) sent.splice(0, sent.length, JSON.stringify(chosen))
  const mark = () => {
    for (const button of list.children) {
      button.setAttribute("aria-selected", String(chosen.includes(button.dataset.key)))
    }
  }
  mark()
  list.onclick = (event) => {
    const key = event.target.closest("button")?.dataset.key
    if (!key) return
    if (!data.multiple) chosen = [key]
    else if (chosen.includes(key)) chosen = chosen.filter((other) => other !== key)
    else chosen = [...chosen, key]
    mark()
    sent.push(JSON.stringify(chosen))
    setStateValue("chosen", chosen)
  }
}
