// What every component of the app begins with.

const instances = new WeakMap()

// Makes one instance for each place on the page, and tells it of every rerun.
function component(Class, selector, setter = "setStateValue") {
  return ({ data: [data], parentElement, ...streamlit }) => {
    let instance = instances.get(parentElement)
    if (!instance) {
      instance = new Class(parentElement.querySelector(selector))
      instances.set(parentElement, instance)
    }
    instance.update(data, streamlit[setter])
    return () => {
      instance.close?.()
      instances.delete(parentElement)
    }
  }
}

function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  if (text !== undefined) made.textContent = text
  made.append(...children)
  return made
}

function put(canvas, picture) {
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width
    canvas.height = picture.height
    canvas.classList.toggle("pixelated", picture.height <= 32)
  }
  canvas.getContext("2d").putImageData(picture, 0, 0)
}

function numbers(text) {
  return new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)
}

// A colour or font of the page.
function theme(element, name) {
  return getComputedStyle(element).getPropertyValue(`--st-${name}`).trim()
}

// The chart library, once for all components of the page.
function loadPlotly(base) {
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
