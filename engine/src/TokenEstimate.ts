/**
 * Tokens of a text without a tokenizer: an estimate and an upper bound, both synchronous and cheap.
 *
 * The estimate walks the text once and adds up what words, numbers, punctuation, line breaks and scripts cost in
 * OpenAI's o200k_base. The costs of ASCII text were fitted to exact counts of the Arena-Hard prompts, those of other
 * scripts to translations of the Universal Declaration of Human Rights. Long texts are sampled, so no text takes long.
 * It never loads an encoding; other tokenizers are met by the ratio that `Tokenizer` learns.
 */

/** Texts up to this many UTF-16 units are read whole. */
const wholeMax = 8192
const sampleLength = 512

/** The text that is being read: an array of units is read faster than a string of unknown representation. */
const bytes = Buffer.alloc(wholeMax * 2)
const units = new Uint16Array(bytes.buffer, bytes.byteOffset, wholeMax)

/** Estimated tokens of a text, 0 for the empty one. Reads at most 8,192 UTF-16 units of it. */
export const estimateText = (text: string): number => {
  const { length } = text
  if (length === 0) return 0
  if (length <= wholeMax) {
    bytes.write(text, "utf16le")
    return Math.max(1, Math.round(scan(length)))
  }
  const samples = wholeMax / sampleLength
  const stride = (length - sampleLength) / (samples - 1)
  let tokens = 0
  for (let i = 0; i < samples; i++) {
    const start = Math.floor(i * stride)
    bytes.write(text.slice(start, start + sampleLength), "utf16le")
    tokens += scan(sampleLength)
  }
  return Math.round((tokens * length) / wholeMax)
}

/** A text has at most as many tokens as UTF-8 bytes: every byte is a token of its own in the worst case. */
export const boundText = (text: string): number => Buffer.byteLength(text)

const Other = 0
const Lower = 1
const Upper = 2
const Digit = 3
const Space = 4
const Break = 5
const Mark = 6

/** Class of each UTF-16 unit; everything beyond ASCII is `Other`. */
const classes = new Uint8Array(65_536)
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code)
  classes[code] = /[a-z]/.test(char)
    ? Lower
    : /[A-Z]/.test(char)
      ? Upper
      : /[0-9]/.test(char)
        ? Digit
        : /[\r\n]/.test(char)
          ? Break
          : /\s/.test(char)
            ? Space
            : Mark
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

/** Costs of non-ASCII units by blocks of 16. */
const unitTokens = Float64Array.from({ length: 4096 }, (_, block) => {
  const script = scriptUnits.find(([first, last]) => block * 16 >= first - 15 && block * 16 <= last)
  return script === undefined ? rareUnit : script[2]
})

/** What stands directly before a word. */
const Nothing = 0
const OneSpace = 1
const OneMark = 2
const Apostrophe = 3
const Letter = 4

/** Tokens of the first units of the text that is being read. */
const scan = (end: number): number => {
  let tokens = 0
  let i = 0
  let before = Nothing
  while (i < end) {
    const from = i
    const code = units[i++]!
    switch (classes[code]) {
      case Other:
        tokens += unitTokens[code >> 4]!
        before = Letter
        continue
      case Lower:
        while (i < end && classes[units[i]!] === Lower) i++
        tokens += wordTokens(i - from, before)
        break
      case Upper: {
        while (i < end && classes[units[i]!] === Upper) i++
        const capitals = i - from
        while (i < end && classes[units[i]!] === Lower) i++
        const length = i - from
        tokens +=
          capitals > 1
            ? 0.86 + 0.26 * (length - 2)
            : wordTokens(length, before) + 0.1 * Math.min(Math.max(length - 4, 0), 8)
        break
      }
      case Digit:
        while (i < end && classes[units[i]!] === Digit) i++
        tokens += Math.ceil((i - from) / 3) * 1.02
        break
      case Space: {
        while (i < end && classes[units[i]!] === Space) i++
        const length = i - from
        const next = i < end ? classes[units[i]!]! : Digit
        if (next === Break) break
        if (length > 1 || next === Digit) tokens += 0.92 + 0.01 * (length - 1)
        before = next === Digit ? Nothing : OneSpace
        continue
      }
      case Break:
        while (i < end && classes[units[i]!] === Break) i++
        tokens += 1.2 + 0.06 * (i - from - 1)
        break
      default: {
        let changes = 0
        while (i < end && classes[units[i]!] === Mark) {
          if (units[i] !== units[i - 1]) changes++
          i++
        }
        const length = i - from
        const next = i < end ? classes[units[i]!]! : Break
        if (length === 1 && before !== OneSpace && (next === Lower || next === Upper)) {
          before = code === 39 && before === Nothing && isLetterAt(from - 1) ? Apostrophe : OneMark
          continue
        }
        tokens += 1 + 0.4 * Math.max(changes - 1, 0) + 0.02 * (length - 1)
        while (i < end && classes[units[i]!] === Break) i++
      }
    }
    before = Nothing
  }
  return tokens
}

const isLetterAt = (index: number): boolean => {
  const found = index < 0 ? Other : classes[units[index]!]
  return found === Lower || found === Upper
}

/** Tokens of an ASCII word, by its length and by what it is joined to. */
const wordTokens = (length: number, before: number): number => {
  switch (before) {
    case OneSpace:
      return 1.03 + 0.4 * Math.max(length - 12, 0)
    case Nothing:
      return 0.95 + 0.5 * Math.max(length - 9, 0)
    case Letter:
      return 0.1 + 0.1 * length
    case Apostrophe:
      return length <= 2 ? 0 : 1.15
    default:
      return 1.15 + 0.32 * Math.max(length - 7, 0)
  }
}
