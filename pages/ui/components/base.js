// What every component of the app begins with.

const mounted = new WeakMap() // the element that Streamlit gives → what lives there

// Mounts a component under Streamlit, which only this function knows: one instance for each place
// on the page, told of every rerun. A class takes (element, data, send), where `send(name, value)`
// answers to Python; `update(data)` and `close()` are called on it. A page without Streamlit
// makes the instance itself.
export function component(Class, selector, setter = "setStateValue") {
  return ({ data: [data], parentElement, ...streamlit }) => {
    let place = mounted.get(parentElement)
    if (place) {
      place.send = streamlit[setter]
      place.instance.update(data)
    } else {
      place = { send: streamlit[setter] }
      const send = (name, value) => place.send(name, value)
      place.instance = new Class(parentElement.querySelector(selector), data, send)
      mounted.set(parentElement, place)
    }
    return () => {
      place.instance.close?.()
      mounted.delete(parentElement)
    }
  }
}

export function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  if (text !== undefined) made.textContent = text
  made.append(...children)
  return made
}

export function put(canvas, picture) {
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width
    canvas.height = picture.height
    canvas.classList.toggle("pixelated", picture.height <= 32)
  }
  canvas.getContext("2d").putImageData(picture, 0, 0)
}

export function numbers(text) {
  return new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)
}

// A colour or font of the page.
export function theme(element, name) {
  return getComputedStyle(element).getPropertyValue(`--st-${name}`).trim()
}

// The chart library, once for all components of the page.
export function loadPlotly(base) {
  globalThis.plotlyLoading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script")
    script.src = new URL(`${base}/live/plotly.min.js`, location.href).href
    script.onload = () => resolve()
    script.onerror = () => {
      globalThis.plotlyLoading = null
      reject(new Error("The chart library did not load; reload the page."))
    }
    document.head.append(script)
  })
  return globalThis.plotlyLoading
}
