// Files or a folder, sent one after another, straight to the server's disk.

import { StatusLine, addressOf, component } from "../base.js"

const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB`
  : `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`)

export class Uploader {
  constructor(root, data, send) {
    this.root = root
    this.send = send
    this.sent = 0
    this.field = root.querySelector(".uploader-field")
    this.bar = root.querySelector("progress")
    this.status = new StatusLine(root.querySelector(".uploader-status"))
    const [files, folder] = root.querySelectorAll("input")
    root.onclick = ({ target }) => {
      if (target.dataset.do === "files") files.click()
      if (target.dataset.do === "folder") folder.click()
      if (target.dataset.do === "cancel") this.cancel()
    }
    for (const input of [files, folder]) {
      input.onchange = () => {
        this.begin([...input.files].map((file) => [file, file.webkitRelativePath || file.name]))
        input.value = ""
      }
    }
    this.field.ondragover = (event) => {
      event.preventDefault()
      this.field.classList.add("over")
    }
    this.field.ondragleave = () => this.field.classList.remove("over")
    this.field.ondrop = (event) => this.dropped(event)
    this.update(data)
    for (const input of [files, folder]) if (input.files.length) input.onchange() // chosen before
  }

  update(data) {
    this.data = data
    this.root.querySelector(".uploader-label").textContent = data.label
    this.root.querySelector(".uploader-files").accept = data.accept
  }

  async dropped(event) {
    event.preventDefault()
    this.field.classList.remove("over")
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry())
    const lists = await Promise.all(entries.filter(Boolean).map((entry) => filesOf(entry)))
    this.begin(lists.flat())
  }

  async begin(files) {
    const wanted = files.filter(([, name]) => !name.split("/").some((part) => part[0] === "."))
    if (!wanted.length || this.running) return
    const total = wanted.reduce((sum, [file]) => sum + file.size, 0)
    if (total > this.data.largest) {
      this.status.say(`${size(total)} are more than the ${size(this.data.largest)} that can be ` +
        "uploaded. Import them on the server itself: python -m vae import.")
      return
    }
    this.running = true
    this.show(true)
    try {
      let done = 0
      for (const [file, name] of wanted) {
        await this.post(file, name, (part) => {
          this.bar.value = total ? (done + part) / total : 1
          this.status.say(`${size(done + part)} of ${size(total)}, ${name}`)
        })
        done += file.size
      }
      this.status.say(`${size(total)} uploaded.`)
      this.send("uploaded", {
        value: { token: this.data.token, files: wanted.length }, count: ++this.sent,
      })
    } catch (error) {
      this.status.say(error.message)
      await this.request("DELETE", null, null, () => {}).catch(() => {})
    } finally {
      this.running = false
      this.show(false)
    }
  }

  post(file, name, tell) {
    return this.request("POST", name, file, tell)
  }

  // fetch() tells no progress.
  request(method, name, body, tell) {
    const { base, token } = this.data
    const query = name === null ? "" : `?name=${encodeURIComponent(name)}`
    return new Promise((resolve, reject) => {
      const request = (this.current = new XMLHttpRequest())
      request.open(method, `${addressOf(base)}/live/uploads/${token}${query}`)
      request.setRequestHeader("X-Latent-Upload", "1")
      request.upload.onprogress = ({ loaded }) => tell(loaded)
      request.onabort = () => reject(new Error("Cancelled: nothing was kept."))
      request.onerror = () => reject(new Error("The upload broke off. Try again."))
      request.onload = () => {
        if (request.status === 200) resolve()
        else reject(new Error(problemOf(request) || "The server refused the upload."))
      }
      request.send(body)
    })
  }

  cancel() {
    this.current?.abort()
  }

  show(running) {
    this.root.querySelector(".uploader-progress").hidden = !running
    this.root.querySelector(".uploader-buttons").hidden = running
  }

  close() {
    this.cancel()
  }
}

function problemOf(request) {
  try {
    return JSON.parse(request.responseText).error
  } catch {
    return ""
  }
}

// All files below what was dropped, each with its path.
async function filesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject))
    return [[file, entry.fullPath.replace(/^\//, "")]]
  }
  const reader = entry.createReader()
  const found = []
  for (;;) { // it gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
    if (!some.length) return found
    for (const one of some) found.push(...await filesOf(one))
  }
}

export default component(Uploader, ".uploader")
