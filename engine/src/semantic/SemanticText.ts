/**
 * A prompt as tokens: words, numbers and things that must be equal to the character (code, links, ids, quoted text).
 *
 * `tokenise` reads a bounded text once, left to right. Contractions are written out, possessives and accents taken off,
 * typographic marks made plain. It knows no grammar: what a word means is found by those who read the tokens.
 */
import { contractions } from "./words/Forms.ts"

/** A word, a number, or something that is compared as it stands. */
export interface Token {
  readonly kind: "word" | "number" | "exact"
  /** Lower case for words; the value for numbers; the text itself for what is exact. */
  readonly text: string
  /** Written with a capital first (and not only because a sentence begins), or in capitals. */
  readonly capital: boolean
  readonly capitals: boolean
  /** Unit that was written together with a number, as in "10km" or "$5". */
  readonly unit: string | undefined
  /** The text stood in quotation marks. */
  readonly quoted: boolean
  /** A comma, a slash or the like stands before it. */
  readonly listed: boolean
  /** A sentence, or what follows a colon, begins with it. */
  readonly begins: boolean
  /** The word was a possessive: "France's". */
  readonly possessive: boolean
}

export interface Tokens {
  readonly tokens: ReadonlyArray<Token>
  /** Quoted text of more than three words, payloads after a colon included. */
  readonly quotes: ReadonlyArray<string>
  readonly code: ReadonlyArray<string>
  readonly links: ReadonlyArray<string>
}

const superscripts: Readonly<Record<string, string>> = { "²": "^2", "³": "^3", "¹": "^1", "⁰": "^0" }

/** Stands for what was taken out of a text; never in the text itself. */
const placeholder = "\ue000"

/** Plain marks instead of typographic ones; compatibility forms are folded. */
const plain = (text: string): string =>
  text
    .replace(/[²³¹⁰]/g, (mark) => superscripts[mark]!)
    .normalize("NFKC")
    .replaceAll(placeholder, " ")
    .replace(/(?<=[A-Za-z])[`´](?=[a-z]{1,2}\b)/g, "'")
    .replace(/[\u2018\u2019\u02bc\u2032]/g, "'")
    .replace(/[\u201c\u201d\u00ab\u00bb\u201e]/g, '"')
    .replace(/[\u2192\u27f6\u21d2]/g, " to ")
    .replace(/[\u2010\u2011\u2012\u2212]/g, "-")
    .replace(/[\u2013\u2014]/g, " - ")
    .replace(/[\u00bf\u00a1]/g, "")
    .replaceAll("\u2026", " ")
    .replace(/\*\*([^*]*)\*\*/g, "$1")

/** Takes code and quotations out of a text; each leaves a placeholder or, when it is short, its words. */
const takeOut = (text: string, code: Array<string>, quotes: Array<string>, short: Array<string>): string => {
  let rest = ""
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    if (char === "`") {
      const fence = text.startsWith("```", at) ? "```" : "`"
      const end = text.indexOf(fence, at + fence.length)
      const content = text.slice(at + fence.length, end < 0 ? undefined : end)
      if (/^[A-Za-z_][\w-]*$/.test(content)) rest += ` ${placeholder}${short.push(content) - 1} `
      else {
        code.push(
          content
            .replace(/^\w+\n/, "")
            .replace(/[ \t]+$/gm, "")
            .trim()
        )
        rest += " "
      }
      at = end < 0 ? text.length : end + fence.length
      continue
    }
    const opens =
      char === '"' ||
      (char === "'" &&
        /^'[\w$¿¡\u00c0-\u024f]/.test(text.slice(at, at + 2)) &&
        /(^|[\s([=:,>])$/.test(text.slice(Math.max(0, at - 1), at)))
    if (opens) {
      const end = closing(text, at, char)
      if (end > 0) {
        const content = text
          .slice(at + 1, end)
          .trim()
          .replace(/\s+/g, " ")
        if (content.split(" ").length <= 3) rest += ` ${placeholder}${short.push(content) - 1} `
        else {
          quotes.push(content)
          rest += " "
        }
        at = end + 1
        continue
      }
    }
    rest += char
    at++
  }
  return rest
}

/** Where a quotation that opens at `from` closes; -1 when it never does. */
const closing = (text: string, from: number, mark: string): number => {
  if (mark === '"') return text.indexOf('"', from + 1)
  for (let end = text.indexOf("'", from + 1); end > 0; end = text.indexOf("'", end + 1)) {
    if (!/[A-Za-z]/.test(text[end + 1] ?? " ")) return end
  }
  return -1
}

/** Words of a text that were joined by hyphens but are one: "re-encoding", "e-mail", "pre-tax". */
const joinedPrefixes = new Set(["re", "e", "pre", "non", "un", "co", "anti", "multi", "sub", "bi", "de", "inter"])

const units =
  /^(?:k|m|bn|b|km|cm|mm|mi|ft|kg|g|mg|lb|lbs|oz|ml|l|kb|mb|gb|tb|ms|s|sec|min|mins|h|hr|hrs|am|pm|px|mph|kmh|kw|kwh|v|w|hz|ghz|mhz|f|c|usd|eur|gbp)$/
const magnitudes: ReadonlyMap<string, number> = new Map([
  ["k", 1e3],
  ["m", 1e6],
  ["mn", 1e6],
  ["bn", 1e9],
  ["b", 1e9]
])
const currencies: ReadonlyMap<string, string> = new Map([
  ["$", "dollar"],
  ["€", "euro"],
  ["£", "pound"],
  ["¥", "yen"],
  ["₹", "rupee"]
])

/** The tokens of a text; the caller bounds its length. */
export const tokenise = (text: string): Tokens => {
  const code: Array<string> = []
  const quotes: Array<string> = []
  const links: Array<string> = []
  const short: Array<string> = []
  const tokens: Array<Token> = []
  const rest = takeOut(plain(text), code, quotes, short)
  let listed = false
  let sentence = true
  const push = (token: Partial<Token> & Pick<Token, "kind" | "text">): void => {
    tokens.push({
      capital: false,
      capitals: false,
      unit: undefined,
      quoted: false,
      possessive: false,
      begins: sentence,
      listed,
      ...token
    })
    listed = false
    sentence = false
  }
  const word = (surface: string): void => {
    const folded = surface.normalize("NFD").replace(/[\u0300-\u036f]/g, "")
    const lower = folded.toLowerCase()
    const written = contractions.get(lower)
    const capitals = folded.length > 1 && folded === folded.toUpperCase() && folded !== lower
    if (written !== undefined && !(capitals && folded.length === 2)) {
      for (const part of written.split(" ")) push({ kind: "word", text: part })
      return
    }
    const possessive = /'s?$/.test(lower) && lower.length > 2
    const bare = lower.replace(/'s?$/, "").replaceAll("'", "")
    if (bare === "") return
    push({ kind: "word", text: bare, capital: /^\p{Lu}/u.test(folded) && !sentence, capitals, possessive })
  }
  for (const chunk of rest.split(/\s+/)) {
    if (chunk === "") continue
    if (chunk.startsWith(placeholder)) {
      for (const part of short[Number.parseInt(chunk.slice(1), 10)]!.split(" ")) {
        if (part !== "") push({ kind: "word", text: part.toLowerCase().replace(/[.,!?]+$/, ""), quoted: true })
      }
      continue
    }
    if (/^(?:https?:\/\/|www\.)/i.test(chunk)) {
      links.push(chunk.replace(/[.,;:!?)\]>]+$/, ""))
      continue
    }
    const open = /^[([{<]*/.exec(chunk)![0].length
    const marks = /[.,;:!?)\]}>]*$/.exec(chunk)![0]
    const core = chunk.slice(open, chunk.length - marks.length)
    if (open > 0) listed = true
    if (core !== "") piece(core, push, word, () => (listed = true))
    else if (/[<>{}[\]]/.test(chunk)) push({ kind: "exact", text: chunk })
    if (/[,;:)\]]/.test(marks)) listed = true
    if (/[.!?:]/.test(marks)) sentence = true
  }
  return { tokens, quotes, code, links }
}

/** One run of characters without spaces and outer punctuation. */
const piece = (
  core: string,
  push: (token: Partial<Token> & Pick<Token, "kind" | "text">) => void,
  word: (surface: string) => void,
  list: () => void
): void => {
  if (/^[\p{L}'’]+$/u.test(core)) return word(core)
  const money = /^([$€£¥₹])?(\d[\d,]*(?:\.\d+)?)([a-z]{1,4})?(%|°[cfCF]?)?$/i.exec(core)
  if (money !== null && (money[3] === undefined || units.test(money[3].toLowerCase()))) return amount(money, push)
  const ordinal = /^(\d+)(?:st|nd|rd|th)$/i.exec(core)
  if (ordinal !== null) return push({ kind: "number", text: String(Number(ordinal[1])) })
  const compound = /^([$€£]?)(\d[\d,.]*)-([a-z]+)(?:-([a-z]+))?$/i.exec(core)
  if (compound !== null) {
    push({ kind: "number", text: numeral(compound[2]!), unit: currencies.get(compound[1]!) })
    word(compound[3]!)
    if (compound[4] !== undefined) word(compound[4])
    return
  }
  if (/^\p{L}+(?:-\p{L}+)+$/u.test(core)) {
    const [first, ...others] = core.split("-")
    if (joinedPrefixes.has(first!.toLowerCase())) return word(first! + others.join(""))
    if (others.length === 1 && others[0]!.toLowerCase() === "free") {
      word("without")
      return word(first!)
    }
    word(first!)
    for (const other of others) word(other)
    return
  }
  if (/^[\p{L}']+(?:\/[\p{L}']+){1,3}$/u.test(core)) {
    for (const part of core.split("/")) {
      word(part)
      list()
    }
    return
  }
  if (/^(?:[A-Za-z]\.)+[A-Za-z]$/.test(core)) return word(core.replaceAll(".", ""))
  if (core === "&") return word("and")
  if (/^[-–—•*·|/\\]+$/.test(core) && core.length < 3) return list()
  if (core === "#") return
  push({ kind: "exact", text: /[/\\=<>{}()[\]+*]/.test(core) ? core : core.toLowerCase().replace(/^#/, "") })
}

/** The value of digits with separators, without leading zeros and commas of thousands. */
const numeral = (digits: string): string => {
  const value = digits.replace(/[.,]+$/, "")
  if (/^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/.test(value)) return String(Number(value.replaceAll(",", "")))
  return /^\d+(?:\.\d+)?$/.test(value) && value.length < 16 && !/^0\d/.test(value) ? String(Number(value)) : value
}

const amount = (
  [, currency, digits, suffix, mark]: RegExpExecArray,
  push: (token: Partial<Token> & Pick<Token, "kind" | "text">) => void
): void => {
  const lower = suffix?.toLowerCase()
  const factor = lower === undefined || (suffix === "M" && currency === undefined) ? undefined : magnitudes.get(lower)
  const value = numeral(digits!)
  const scaled = factor === undefined ? value : String(Number(value) * factor)
  const degrees = mark !== undefined && mark.startsWith("°") ? `degree${mark.slice(1).toLowerCase()}` : undefined
  const unit =
    currency === undefined
      ? mark === "%"
        ? "percent"
        : (degrees ?? (factor === undefined ? lower : undefined))
      : currencies.get(currency)
  push({ kind: "number", text: scaled, unit })
}
