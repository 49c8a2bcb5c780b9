/**
 * Tokens of a text without a tokenizer: an estimate and an upper bound, both synchronous and cheap.
 *
 * The estimate walks the text once with a small automaton that adds up what words, numbers, punctuation, line breaks and
 * scripts cost in OpenAI's o200k_base. The costs of ASCII text were fitted to exact counts of the Arena-Hard prompts,
 * those of other scripts to translations of the Universal Declaration of Human Rights. Long texts are sampled, so no text
 * takes long. It never loads an encoding; other tokenizers are met by the ratio that `Tokenizer` learns.
 */

/** Texts up to this many UTF-16 units are read whole. */
const wholeMax = 2048
const sampleLength = 128
/** A sample begins and ends inside a piece; so much more than its share is counted for that. */
const cutPiece = 0.5

/** The text that is being read: an array of units is read faster than a string of unknown representation. */
const bytes = Buffer.alloc(wholeMax * 2)
const units = new Uint16Array(bytes.buffer, bytes.byteOffset, wholeMax)

/**
 * What a text consists of, first as tokens of o200k_base: all of it; words, digits, white space, marks; East Asian
 * characters, Greek and Cyrillic, other alphabets, other characters. Then as numbers: small letters, spaces after another
 * one, and letters that are rare in English (j, k, y, z), by which other languages in Latin script are told. Last, for prompts: 1 where there are tools, and their tokens.
 */
export type TextFeatures = Array<number>

export const featureCount = 14

/** Nothing yet. An array of -0 holds floats from the start, and is collected with the rest, which a typed array of this length is not. */
export const noFeatures = (): TextFeatures => [-0, -0, -0, -0, -0, -0, -0, -0, -0, -0, -0, -0, -0, -0]

/** Places of the features of tools. */
export const toolsFeature = 12
export const toolTokensFeature = 13

const scratch = noFeatures()

/** Estimated tokens of a text, 0 for the empty one. Reads at most 2,048 UTF-16 units of it. */
export const estimateText = (text: string): number => {
  if (text.length === 0) return 0
  scratch.fill(0)
  addFeatures(text, scratch)
  return Math.max(1, Math.round(scratch[0]!))
}

/** Adds what a text consists of; what was read is extrapolated to the whole. */
export const addFeatures = (text: string, features: TextFeatures): void => {
  const { length } = text
  sums.fill(0)
  letters = 0
  spacesInRuns = 0
  rareLetters = 0
  let end = 0
  let factor = 1
  if (length <= wholeMax) {
    bytes.write(text, "utf16le")
    end = scan(length)
  } else {
    const samples = wholeMax / sampleLength
    const stride = (length - sampleLength) / (samples - 1)
    factor = length / wholeMax
    end = -samples * cutPiece
    for (let i = 0; i < samples; i++) {
      const start = Math.floor(i * stride)
      bytes.write(text.slice(start, start + sampleLength), "utf16le")
      end += scan(sampleLength)
    }
  }
  let total = end
  for (let i = 0; i < sums.length; i++) total += sums[i]!
  features[0]! += factor * total
  features[1]! += factor * (sums[0]! + sums[1]!)
  features[2]! += factor * sums[2]!
  features[3]! += factor * (sums[3]! + sums[4]!)
  features[4]! += factor * (sums[5]! + sums[6]! + sums[7]!)
  features[5]! += factor * sums[eastAsian]!
  features[6]! += factor * sums[greekCyrillic]!
  features[7]! += factor * (sums[scriptColumn]! + sums[alphabetic]!)
  features[8]! += factor * sums[otherScript]!
  features[9]! += factor * letters
  features[10]! += factor * spacesInRuns
  features[11]! += factor * rareLetters
}

/** A text has at most as many tokens as UTF-8 bytes: every byte is a token of its own in the worst case. */
export const boundText = (text: string): number => Buffer.byteLength(text)

/** UTF-16 units whose bytes are counted for a bound, about 2 ms of work. What is beyond may have 3 bytes a unit. */
const measuredMax = 500_000

/** An upper bound for texts together, of whatever size. */
export const boundOfTexts = (texts: ReadonlyArray<string>): number => {
  let left = measuredMax
  let bound = 0
  for (const text of texts) {
    const { length } = text
    bound += length <= left ? Buffer.byteLength(text) : 3 * length
    left -= length <= left ? length : 0
  }
  return bound
}

type Class = "lower" | "upper" | "digit" | "space" | "break" | "apostrophe" | "ruler" | "mark" | "script"

const columns: ReadonlyArray<Class> = [
  "lower",
  "upper",
  "digit",
  "space",
  "break",
  "apostrophe",
  "ruler",
  "mark",
  "script"
]

const scriptColumn = columns.indexOf("script")

/** Where the tokens of the characters of scripts are summed up, after those of the columns. */
const eastAsian = columns.length
const greekCyrillic = eastAsian + 1
const alphabetic = eastAsian + 2
const otherScript = eastAsian + 3

/** Tokens by column and kind of script of the text that is being read, and what is counted in it. */
const sums = new Float64Array(otherScript + 1)
let letters = 0
let spacesInRuns = 0
let rareLetters = 0

/** Class of an ASCII character; rulers are marks that come in rows. */
const asciiClass = (char: string): Class => {
  if (/[a-z]/.test(char)) return "lower"
  if (/[A-Z]/.test(char)) return "upper"
  if (/[0-9]/.test(char)) return "digit"
  if (/[\r\n]/.test(char)) return "break"
  if (/\s/.test(char)) return "space"
  return char === "'" ? "apostrophe" : /[-=*_#~.`]/.test(char) ? "ruler" : "mark"
}

/** Tokens of one UTF-16 unit of a script, from a first to a last code. What is not listed costs `rareUnit`. */
const scriptUnits: ReadonlyArray<readonly [first: number, last: number, tokens: number]> = [
  [0x0080, 0x024f, 0.8], // Latin with diacritics
  [0x0300, 0x036f, 0.5], // combining marks
  [0x0370, 0x03ff, 0.43], // Greek
  [0x0400, 0x052f, 0.34], // Cyrillic
  [0x0530, 0x058f, 0.33], // Armenian
  [0x0590, 0x05ff, 0.49], // Hebrew
  [0x0600, 0x06ff, 0.4], // Arabic
  [0x0900, 0x097f, 0.37], // Devanagari
  [0x0980, 0x09ff, 0.4], // Bengali
  [0x0a00, 0x0a7f, 0.65], // Gurmukhi
  [0x0a80, 0x0aff, 0.42], // Gujarati
  [0x0b80, 0x0bff, 0.39], // Tamil
  [0x0c00, 0x0c7f, 0.55], // Telugu
  [0x0c80, 0x0cff, 0.45], // Kannada
  [0x0d00, 0x0d7f, 0.39], // Malayalam
  [0x0d80, 0x0dff, 0.65], // Sinhala
  [0x0e00, 0x0e7f, 0.44], // Thai
  [0x0e80, 0x0eff, 1.9], // Lao
  [0x1000, 0x109f, 0.57], // Burmese
  [0x10a0, 0x10ff, 0.33], // Georgian
  [0x1780, 0x17ff, 0.64], // Khmer
  [0x1e00, 0x1eff, 0.8], // Vietnamese
  [0x2000, 0x206f, 0.9], // dashes, quotes
  [0x3000, 0x30ff, 0.8], // kana and their punctuation
  [0x3400, 0x9fff, 0.88], // Han
  [0xac00, 0xd7ff, 0.82], // Hangul
  [0xd800, 0xdfff, 0.9], // halves of emoji and rare characters
  [0xff00, 0xffef, 0.9] // full-width forms
]

const rareUnit = 2

/** Tokens of non-ASCII units, by blocks of 16. */
const scriptTokens = new Float64Array(4096).fill(rareUnit)
for (const [first, last, tokens] of scriptUnits) scriptTokens.fill(tokens, first >> 4, (last >> 4) + 1)

/** Kind of script of non-ASCII units, by blocks of 16. */
const scriptKinds = new Uint8Array(4096).fill(otherScript)
scriptKinds.fill(greekCyrillic, 0x370 >> 4, 0x590 >> 4)
scriptKinds.fill(alphabetic, 0x590 >> 4, 0x2000 >> 4)
scriptKinds.fill(eastAsian, 0x2e80 >> 4, 0xd800 >> 4)

/** What has been read of the piece that the automaton is in. */
interface State {
  readonly piece: "start" | "word" | "capitals" | "digits" | "space" | "break" | "script" | "apostrophe" | "marks"
  /** Units of the piece so far, up to the number from which they all cost the same. */
  readonly length: number
  /** What a word is joined to. */
  readonly joined: "nothing" | "space" | "mark" | "script"
  /** A word with a capital first, marks that are a ruler so far, line breaks that belong to the marks before them. */
  readonly marked: boolean
}

const state = (piece: State["piece"], length = 1, joined: State["joined"] = "nothing", marked = false): State => ({
  piece,
  length,
  joined,
  marked
})

type Step = readonly [next: State, tokens: number]

/** Tokens of an ASCII word by its length. */
const wordTokens = (length: number, joined: State["joined"], capital: boolean): number => {
  const cased = capital ? 0.1 * Math.min(Math.max(length - 4, 0), 8) : 0
  switch (joined) {
    case "space":
      return 1.03 + cased + 0.4 * Math.max(length - 12, 0)
    case "mark":
      return 1.15 + cased + 0.32 * Math.max(length - 7, 0)
    case "script":
      return 0.1 + 0.1 * length
    default:
      return 0.95 + cased + 0.5 * Math.max(length - 9, 0)
  }
}

const wordLengthMax = 14

/** Tokens of a piece that were held back until it was known what follows. */
const pending = ({ joined, length, piece }: State): number =>
  piece === "marks" && length === 1 && joined === "nothing" ? 1 : piece === "apostrophe" && length === 1 ? 1 : 0

const advance = (from: State, read: Class): Step => {
  switch (read) {
    case "script":
      return [state("script"), pending(from)]
    case "lower":
    case "upper":
      return advanceWord(from, read === "upper")
    case "digit": {
      if (from.piece === "digits" && from.length < 3) return [state("digits", from.length + 1), 0]
      const space = from.piece === "space" && from.length === 1 ? 0.92 : 0
      return [state("digits"), pending(from) + space + 1.02]
    }
    case "space":
      if (from.piece === "space") return [state("space", 2), from.length === 1 ? 0.93 : 0.01]
      return [state("space"), pending(from)]
    case "break": {
      if (from.piece === "break") return [from, from.marked ? 0 : 0.06]
      if (from.piece === "marks") return [state("break", 1, "nothing", true), pending(from)]
      const spaces = from.piece === "space" && from.length > 1 ? -0.92 : 0
      return [state("break"), pending(from) + spaces + 1.2]
    }
    default:
      return advanceMarks(from, read)
  }
}

const advanceWord = (from: State, capital: boolean): Step => {
  const { joined, length, marked, piece } = from
  if (piece === "word" && !capital) {
    const longer = Math.min(length + 1, wordLengthMax)
    const tokens = wordTokens(length + 1, joined, marked) - wordTokens(length, joined, marked)
    return [state("word", longer, joined, marked), tokens]
  }
  if (piece === "word" && marked && length === 1) return [state("capitals"), 0.86 - wordTokens(1, joined, true)]
  if (piece === "capitals" && !(capital && marked)) return [state("capitals", 1, "nothing", !capital), 0.26]
  if (piece === "apostrophe" && !capital && length < 3) return [state("apostrophe", length + 1), 0]
  const to =
    piece === "space"
      ? "space"
      : piece === "script"
        ? "script"
        : piece === "apostrophe" || (piece === "marks" && length === 1 && joined === "nothing")
          ? "mark"
          : "nothing"
  return [state("word", 1, to, capital), wordTokens(1, to, capital)]
}

const advanceMarks = ({ joined, length, marked, piece }: State, read: "apostrophe" | "ruler" | "mark"): Step => {
  const ruler = read === "ruler"
  if (piece === "marks") {
    const held = length === 1 && joined === "nothing" ? 1 : 0
    return [state("marks", 2, joined, ruler), held + (length === 1 || (marked && ruler) ? 0.02 : 0.42)]
  }
  if (piece === "apostrophe" && length === 1) return [state("marks", 2), 1.02]
  if (read === "apostrophe" && (piece === "word" || piece === "capitals")) return [state("apostrophe"), 0]
  return piece === "space" ? [state("marks", 1, "space", ruler), 1] : [state("marks", 1, "nothing", ruler), 0]
}

/**
 * What is known of each UTF-16 unit: its column in the lowest four bits, then 1 for a small letter and, 16 bits further, 1
 * for one that is rare in English. One table is read faster than three.
 */
const unitInfo = new Uint32Array(65_536).fill(scriptColumn)
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code)
  const isLetter = char >= "a" && char <= "z"
  unitInfo[code] =
    columns.indexOf(asciiClass(char)) + (isLetter ? 1 << 4 : 0) + (isLetter && "jkyz".includes(char) ? 1 << 20 : 0)
}

/** The automaton as tables: a cell is the row of a state plus the column of a unit. A space after another sets bit 15. */
const compile = () => {
  const rows = new Map<string, { readonly row: number; readonly state: State }>()
  const rowOf = (entered: State): number => {
    const key = `${entered.piece} ${entered.length} ${entered.joined} ${entered.marked}`
    let found = rows.get(key)
    if (found === undefined) rows.set(key, (found = { row: rows.size * columns.length, state: entered }))
    return found.row
  }
  rowOf(state("start"))
  const next: Array<number> = []
  const tokens: Array<number> = []
  const rest: Array<number> = []
  for (const { row, state: from } of rows.values()) {
    columns.forEach((read, column) => {
      const [to, cost] = advance(from, read)
      next[row + column] = rowOf(to) + (read === "space" && from.piece === "space" ? 1 << 15 : 0)
      tokens[row + column] = cost
      rest[row + column] = pending(from) + (from.piece === "space" && from.length === 1 ? 0.92 : 0)
    })
  }
  return {
    next: Uint16Array.from(next),
    tokens: Float64Array.from(tokens),
    rest: Float64Array.from(rest)
  }
}

const automaton = compile()

/** Reads the first units into `sums` and what is counted; returns the tokens of the piece at the end. */
const scan = (end: number): number => {
  const { next, rest, tokens } = automaton
  let row = 0
  let runs = 0
  let small = 0
  for (let i = 0; i < end; i++) {
    const unit = units[i]!
    const info = unitInfo[unit]!
    const column = info & 15
    const cell = row + column
    sums[column]! += tokens[cell]!
    small += info >>> 4
    if (column === scriptColumn) sums[scriptKinds[unit >> 4]!]! += scriptTokens[unit >> 4]!
    const to = next[cell]!
    runs += to >>> 15
    row = to & 0x7fff
  }
  letters += small & 0xffff
  rareLetters += small >>> 16
  spacesInRuns += runs
  return rest[row]!
}
