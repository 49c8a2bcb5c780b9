/**
 * Exact token counts in OpenAI's encodings, in slices that never take long.
 *
 * Byte-pair merging is quadratic in the length of a piece without a break, so a prompt of one letter or of Chinese without
 * punctuation could stop the process for seconds. `TextCounter` cuts texts where every encoding breaks anyway, which keeps
 * the count exact, and cuts longer pieces by force, which makes it an upper bound. Special tokens in a text count as the
 * ordinary text that they are. Encodings are large (over 60 MB) and are imported when they are first needed.
 */
import type { Encoding } from "./ModelCatalog.ts"
import { boundText } from "./TokenEstimate.ts"

/** A count of tokens, and whether the provider will count the same. */
export interface TokenCount {
  readonly tokens: number
  readonly exact: boolean
  /** Nothing was counted, because it can't be now. */
  readonly estimated?: true
}

/** Counts the tokens of a text that is known to be short and to have no long pieces. */
export type CountSlice = (text: string) => number

/** Units of work of one slice: an ASCII character is 1, any other 3, since it has more bytes to merge. */
const sliceWork = 2048
const asciiWork = 1
const otherWork = 3
/** Keeps very many short texts from becoming one long slice. */
const textWork = 16

/** UTF-16 units without a break after which a text is cut by force. */
const pieceMax = 512

/** A cut can spare the tokenizer a bad merge. Added for each, so that the sum stays above the true count. */
const cutTokens = 3

/** Counts texts one slice at a time. Each `step` works on about 2,048 characters. */
export class TextCounter {
  /** Tokens of what has been read. */
  tokens = 0
  /** True once a piece was cut by force: the count is an upper bound. */
  cut = false
  private readonly texts: ReadonlyArray<string>
  private readonly countSlice: CountSlice
  private index = 0
  private offset = 0

  constructor(texts: ReadonlyArray<string>, countSlice: CountSlice) {
    this.texts = texts
    this.countSlice = countSlice
  }

  /** True when everything has been read. */
  get done(): boolean {
    return this.index >= this.texts.length
  }

  /** UTF-16 units that have not been read. */
  get remaining(): number {
    let units = -this.offset
    for (let i = this.index; i < this.texts.length; i++) units += this.texts[i]!.length
    return this.done ? 0 : units
  }

  /** What has been found, with the rest extrapolated when not everything has been read. */
  get result(): TokenCount {
    if (this.done) return { tokens: this.tokens, exact: !this.cut }
    const { remaining } = this
    const read = this.texts.reduce((units, text) => units + text.length, 0) - remaining
    return { tokens: Math.round(this.tokens * (1 + remaining / Math.max(read, 1))), exact: false }
  }

  step(): void {
    let work = sliceWork
    while (work > 0 && this.index < this.texts.length) {
      const text = this.texts[this.index]!
      work = this.read(text, work) - textWork
      if (this.offset >= text.length) {
        this.index++
        this.offset = 0
      }
    }
  }

  /**
   * Reads a text from `offset` to its end, or to the last break before the work is used up; returns the work that is
   * left. A full slice of work holds a break or a forced cut, so every other step makes progress.
   */
  private read(text: string, work: number): number {
    const { length } = text
    let start = this.offset
    let boundary = start
    let previous = Number.NaN
    let i = start
    for (; i < length && work > 0; i++) {
      const code = text.charCodeAt(i)
      if (breaksBetween(previous, code)) boundary = i
      else if (i - boundary >= pieceMax && !isLowSurrogate(code)) {
        const slice = text.slice(start, i)
        this.tokens += Math.min(this.countSlice(slice) + cutTokens, boundText(slice))
        this.cut = true
        start = boundary = i
      }
      work -= code < 128 ? asciiWork : otherWork
      previous = code
    }
    const end = i === length ? length : boundary
    if (end > start) this.tokens += this.countSlice(text.slice(start, end))
    this.offset = end
    return i === length ? work : 0
  }
}

/**
 * Whether the split patterns of all encodings end a piece between two UTF-16 units: before a space after anything but
 * white space, and after a letter or digit before ASCII that can't belong to it (an apostrophe can).
 */
const breaksBetween = (previous: number, code: number): boolean => {
  if (code === 32) return isText(previous)
  if (previous < 128) {
    return isAsciiLetter(previous)
      ? code < 128 && code !== 39 && !isAsciiLetter(code)
      : isAsciiDigit(previous) && code < 128 && !isAsciiDigit(code)
  }
  return isIdeograph(previous) && (code < 128 ? code !== 39 && !isAsciiLetter(code) : isIdeographicMark(code))
}

/** Surely no white space. */
const isText = (code: number): boolean =>
  code < 128
    ? code > 32 && code !== 127
    : code > 0xa0 && code !== 0x1680 && (code < 0x2000 || code > 0x3000) && code !== 0xfeff

const isAsciiLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122

const isAsciiDigit = (code: number): boolean => code >= 48 && code <= 57

/** Letters of East Asian scripts that have no spaces between words. */
const isIdeograph = (code: number): boolean =>
  (code >= 0x4e00 && code <= 0x9fff) ||
  (code >= 0x3041 && code <= 0x3096) ||
  (code >= 0x30a1 && code <= 0x30fa) ||
  (code >= 0xac00 && code <= 0xd7a3)

/** Full stop, comma, brackets and the like in East Asian and full-width form. */
const isIdeographicMark = (code: number): boolean =>
  code === 0x3001 ||
  code === 0x3002 ||
  (code >= 0x3008 && code <= 0x3011) ||
  (code >= 0xff01 && code <= 0xff0f) ||
  code === 0xff1a ||
  code === 0xff1b ||
  code === 0xff1f

const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code <= 0xdfff

interface EncodingModule {
  readonly countTokens: (text: string, options: { readonly disallowedSpecial: Set<string> }) => number
  readonly setMergeCacheSize: (size: number) => void
}

/** Merges that an encoding remembers. More would cost as much in upkeep as they save, and long pieces take memory. */
const mergeCacheSize = 2000

/** Encodings with the same ranks and the same split pattern count ordinary text alike and share a module. */
const modules: { readonly [encoding in Encoding]: () => Promise<EncodingModule> } = {
  o200k_base: () => import("gpt-tokenizer/encoding/o200k_base"),
  o200k_harmony: () => import("gpt-tokenizer/encoding/o200k_base"),
  cl100k_base: () => import("gpt-tokenizer/encoding/cl100k_base"),
  p50k_base: () => import("gpt-tokenizer/encoding/p50k_base"),
  p50k_edit: () => import("gpt-tokenizer/encoding/p50k_base"),
  r50k_base: () => import("gpt-tokenizer/encoding/r50k_base"),
  gpt2: () => import("gpt-tokenizer/encoding/r50k_base")
}

/** The encoding's counter. The import takes over 100 ms in one stretch. */
export const importEncoding = async (encoding: Encoding): Promise<CountSlice> => {
  const module = await modules[encoding]()
  module.setMergeCacheSize(mergeCacheSize)
  const options = { disallowedSpecial: new Set<string>() }
  return (text) => module.countTokens(text, options)
}
