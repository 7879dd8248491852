// A passive screen: the map paints into it while the pointer moves.
export default function ({ data: [data], parentElement }) {
  const figure = parentElement.querySelector(".live-picture")
  figure.dataset.view = data.view
  const words = figure.querySelector(".live-words")
  if (!figure.dataset.painted) words.textContent = data.invitation
}
