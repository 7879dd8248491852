// The kernel's memory: what weights a file brings, where they lie, and the list of steps.

export const SLACK = 32 // floats that a last block of output channels may write beyond its row
const STEP_BYTES = 60 // sizeof(Step) in kernel.c

function halves() {
  const table = new Float32Array(65536)
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31
    const fraction = bits & 1023
    const size =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction
            ? NaN
            : Infinity
          : (1 + fraction / 1024) * 2 ** (exponent - 15)
    table[bits] = bits & 32768 ? -size : size
  }
  return table
}

/** Reads a safetensors file's F16 and F32 tensors: name → Float32Array. */
export function tensors(header, bytes, start) {
  const table = halves()
  return (name) => {
    const entry = header[name]
    if (!entry) throw new Error(`The file of weights has no tensor ${name}.`)
    const [from, to] = entry.data_offsets
    const part = bytes.slice(start + from, start + to)
    if (entry.dtype === "F32") return new Float32Array(part)
    if (entry.dtype !== "F16") throw new Error(`Tensor ${name} is ${entry.dtype}; expected F16.`)
    const packed = new Uint16Array(part)
    const values = new Float32Array(packed.length)
    for (let i = 0; i < values.length; i++) values[i] = table[packed[i]]
    return values
  }
}

/** What lies where in the kernel's memory, counted in floats, and the list of steps. */
export class Plan {
  constructor() {
    this.chunks = [] // [offset, Float32Array] to be copied into the memory
    this.steps = []
    this.used = 0
  }

  reserve(floats) {
    const at = this.used
    this.used += (floats + 3) & ~3
    return at
  }

  keep(data) {
    const at = this.reserve(data.length)
    this.chunks.push([at, data])
    return at
  }

  /** Adds a step whose weight of output channel j and input number k is `weight(j, k)`. */
  add(step, outputs, vectors, weight, bias) {
    const lanes = 4 * vectors
    const blocks = Math.ceil(outputs / lanes)
    const numbers = step.rows * step.depth
    const packed = new Float32Array(blocks * lanes * numbers)
    const shifts = new Float32Array(blocks * lanes)
    for (let j = 0; j < outputs; j++) {
      const block = Math.floor(j / lanes)
      const first = block * numbers * lanes + (j % lanes)
      for (let k = 0; k < numbers; k++) packed[first + k * lanes] = weight(j, k)
      shifts[j] = bias(j)
    }
    const [weightAt, biasAt] = [this.keep(packed), this.keep(shifts)]
    return this.steps.push({ ...step, weight: weightAt, bias: biasAt, blocks, vectors }) - 1
  }

  /** Adds a linear layer from one vector to another; gives the number of its step. */
  linear(tensor, name, from, to, inputs, outputs) {
    const [weight, bias] = [tensor(`${name}.weight`), tensor(`${name}.bias`)]
    if (weight.length !== inputs * outputs || bias.length !== outputs)
      throw new Error(`Layer ${name} has weights of another size.`)
    const step = { in: from, out: to, rows: 1, depth: inputs, inRow: 0, inStep: 0, slope: 1 }
    Object.assign(step, { height: 1, width: 1, outRow: 0, outStep: 0 })
    return this.add(step, outputs, 8, (j, k) => weight[j * inputs + k], (j) => bias[j])
  }

  /** Copies everything into the kernel's memory; gives what turns offsets into addresses. */
  load(kernel) {
    const base = (kernel.__heap_base.value + 15) & ~15
    const address = (offset) => base + 4 * offset
    const stepsAt = address(this.reserve((this.steps.length * STEP_BYTES) / 4))
    const missing = address(this.used) - kernel.memory.buffer.byteLength
    if (missing > 0) kernel.memory.grow(Math.ceil(missing / 65536))
    const memory = kernel.memory.buffer
    const floats = new Float32Array(memory, base)
    for (const [at, data] of this.chunks) floats.set(data, at)
    const view = new DataView(memory, stepsAt)
    this.steps.forEach((s, i) => {
      const pointers = [s.in, s.weight, s.bias, s.out].map(address)
      const sizes = [s.height, s.width, s.rows, s.depth, s.inRow, s.inStep, s.outRow, s.outStep]
      const numbers = [...pointers, ...sizes, s.blocks, s.vectors]
      numbers.forEach((value, j) => view.setInt32(i * STEP_BYTES + 4 * j, value, true))
      view.setFloat32(i * STEP_BYTES + STEP_BYTES - 4, s.slope, true)
    })
    const run = (first, count) => kernel.run(stepsAt + first * STEP_BYTES, count)
    return { memory, floats, address, run }
  }
}
