// Programs in the kernel's memory: constants, values and a table of steps, as a file brings them.

const STEP_BYTES = 128 // sizeof(Step) in kernel.c

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

/** The numbers of a tensor in a safetensors file, in an array of the given type. */
export function tensor({ header, bytes, start }, name, type) {
  const entry = header[name]
  if (!entry) throw new Error(`The file of weights has no tensor ${name}.`)
  const [from, to] = entry.data_offsets
  return new type(bytes.slice(start + from, start + to))
}

/** Loads files into the memory of one kernel: a program for each, and `spare` bytes behind. */
export function load(kernel, files, spare = 0) {
  const align = (bytes) => (bytes + 15) & ~15
  let top = align(kernel.__heap_base.value)
  const places = files.map((file) => {
    const steps = tensor(file, "steps", Int32Array)
    const base = top
    const stepsAt = align(base + 4 * file.info.memory)
    top = align(stepsAt + 4 * steps.length)
    return { file, steps, base, stepsAt }
  })
  const missing = top + spare - kernel.memory.buffer.byteLength
  if (missing > 0 && kernel.memory.grow(Math.ceil(missing / 65536)) < 0)
    throw new Error(`The browser has not ${Math.ceil(top / 1e6)} MB for the decoder.`)
  const table = halves()
  const programs = places.map(({ file, steps, base, stepsAt }) => {
    const { memory, code, output } = file.info
    const floats = new Float32Array(kernel.memory.buffer, base, memory)
    const packed = tensor(file, "halves", Uint16Array)
    for (let i = 0; i < packed.length; i++) floats[i] = table[packed[i]]
    floats.set(tensor(file, "floats", Float32Array), packed.length)
    new Int32Array(kernel.memory.buffer, stepsAt, steps.length).set(steps)
    const count = (4 * steps.length) / STEP_BYTES
    return {
      floats,
      output,
      last: base + 4 * output.at,
      run(numbers) {
        floats.set(numbers, code)
        kernel.run(base, stepsAt, count)
      },
    }
  })
  return { programs, spare: top }
}
