// What Streamlit's page does before anything else of ours: it comes in its head.

// Where the server is: the page would look for it below its own address first, in vain.
globalThis.__streamlit = { BACKEND_BASE_URL: new URL("./", location.href).href }

// Runs the chart library while the server makes a page: nothing of it is needed until the page has
// come, but then at once. As soon as the page has asked, Streamlit waits, and so does the browser.
{
  const { send } = WebSocket.prototype
  WebSocket.prototype.send = function (...sent) {
    WebSocket.prototype.send = send
    setTimeout(() => {
      globalThis.plotlyLoading ??= new Promise((resolve, reject) => {
        const script = document.createElement("script")
        script.src = document.querySelector("link[href$='live/plotly.min.js']").href
        script.onload = () => resolve()
        script.onerror = () => {
          globalThis.plotlyLoading = null
          reject(new Error("The chart library could not be loaded. Reload the page."))
        }
        document.head.append(script)
      })
      globalThis.plotlyLoading.catch(() => {}) // a chart that needs it says so
    })
    return send.apply(this, sent)
  }
}
