// What Streamlit's page does before anything else of ours: it comes in its head.

// Where the server is: the page would look for it below its own address first, in vain.
globalThis.__streamlit = { BACKEND_BASE_URL: new URL("./", location.href).href }
