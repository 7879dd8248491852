// What an independent classifier makes of an edit of one picture. The words are those of
// `pages/ui/concepts/verdict.py`, and a test holds one to the other.

const LEAST = 0.25 // strength from which a concept is meant to be seen

// What the classifier predicts: of classes the most probable one, of attributes each by itself.
function predicts(scores, name, exclusive) {
  return exclusive ? scores[name] === Math.max(...scores) : scores[name] > 0.5
}

// The attributes that an edit is meant to set, in order: key → { name, word, value, excluded }.
function intended({ targets }, values) {
  const wanted = new Map()
  targets.forEach((target, k) => {
    if (target.key === "" || Math.abs(values[k]) < LEAST) return
    wanted.set(target.key, { ...target, value: values[k] > 0 })
  })
  return [...wanted.values()]
}

// Kind ("good", "fair", "bad" or "open") and words. `judge` says what each slider is to change and
// what the classifier's names are called; `before` and `after` are its probabilities.
export function verdict(judge, values, before, after) {
  if (!values.some((value) => Math.abs(value) >= LEAST)) {
    return ["open", "No edit yet: move a slider away from zero."]
  }
  const quoted = (word) => `“${word}”`
  const all = intended(judge, values)
  const told = all.filter(({ name }) => name >= 0)
  if (!after || !told.length) {
    const why = !after ? "these images"
      : all.length ? `${all.map(({ word }) => quoted(word)).join(" and ")}, which it cannot tell`
        : "this concept, which is not a known attribute"
    return ["open", `No classifier covers ${why}.`]
  }
  const { exclusive, words } = judge
  const was = (name) => predicts(before, name, exclusive)
  const is = (name) => predicts(after, name, exclusive)
  const missed = told.find(({ name, value }) => is(name) !== value)
  const there = told.every(({ name, value }) => was(name) === value && is(name) === value)
  const aim = told.map(({ word, value }) => `${value ? "" : "no "}${quoted(word)}`).join(" and ")
  const allowed = new Set(all.flatMap(({ name, excluded }) => [name, ...excluded]))
  const flipped = words.filter((_, name) => !allowed.has(name) && was(name) !== is(name))
  const said = [
    missed ? `Failure: after the edit an independent classifier ${missed.value
      ? "does not predict" : "still predicts"} ${quoted(missed.word)}.`
      : there ? `No change: an independent classifier predicts ${aim} before the edit as well.`
        : `Success: after the edit an independent classifier predicts ${aim}.`,
  ]
  if (flipped.length) {
    said.push(`The prediction also changes for ${flipped.map(quoted).join(", ")}.`)
  }
  return [missed ? "bad" : flipped.length ? "fair" : "good", said.join(" ")]
}

// The names whose probability an edit changes most, those that it is meant to change first.
export function changes(judge, values, before, after, most) {
  const meant = new Set(intended(judge, values).map(({ name }) => name))
  return judge.words
    .map((word, name) => ({ word, before: before[name], after: after[name],
      meant: meant.has(name), change: Math.abs(after[name] - before[name]) }))
    .sort((a, b) => Number(b.meant) - Number(a.meant) || b.change - a.change)
    .slice(0, most)
}
