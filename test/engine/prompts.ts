/**
 * Texts for the tests of the tokenizer: ordinary ones of several kinds, and real prompts where the shared data is there.
 */
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { gunzipSync } from "node:zlib"

const source = readFileSync(path.resolve(import.meta.dirname, "../../engine/src/Reply.ts"), "utf8")

/** Article 1 of the Universal Declaration of Human Rights, in the public domain. */
export const ordinary: ReadonlyArray<{ readonly name: string; readonly text: string }> = [
  {
    name: "English",
    text:
      "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and " +
      "should act towards one another in a spirit of brotherhood."
  },
  {
    name: "French",
    text:
      "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de " +
      "conscience et doivent agir les uns envers les autres dans un esprit de fraternité."
  },
  {
    name: "Ukrainian",
    text:
      "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю і повинні " +
      "діяти у відношенні один до одного в дусі братерства."
  },
  {
    name: "Chinese",
    text: "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。"
  },
  {
    name: "Japanese",
    text:
      "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。" +
      "人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。"
  },
  {
    name: "Hindi",
    text:
      "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है । उन्हें बुद्धि और " +
      "अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए ।"
  },
  {
    name: "Arabic",
    text: "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء."
  },
  { name: "TypeScript", text: source },
  {
    name: "JSON",
    text: JSON.stringify({ items: [{ id: 12345, name: "widget", price: 9.99, tags: ["new", "sale"] }] }, null, 2)
  }
]

const arena = path.resolve(import.meta.dirname, "../../../shared/data/prompts/arena-hard.jsonl.gz")

/** The 1,250 prompts of Arena-Hard; undefined where the shared data is absent. */
export const arenaPrompts: ReadonlyArray<string> | undefined = existsSync(arena)
  ? gunzipSync(readFileSync(arena))
      .toString()
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { readonly prompt: string }).prompt)
  : undefined

const random = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const filled = (length: number, unit: (below: (limit: number) => number) => string): string => {
  const below = random(length)
  const units: Array<string> = []
  for (let size = 0; size < length;) size += units[units.push(unit(below)) - 1]!.length
  return units.join("")
}

const oneOf =
  (text: string) =>
  (below: (limit: number) => number): string =>
    text[below(text.length)]!

/** Texts that stop tokenizers: pieces without an end, by length in UTF-16 units. */
export const pathological: { readonly [name: string]: (length: number) => string } = {
  "one letter": (length) => "a".repeat(length),
  spaces: (length) => " ".repeat(length),
  "line breaks": (length) => "\n".repeat(length),
  "mixed white space": (length) => filled(length, oneOf(" \t\n\r")),
  "one Chinese character": (length) => "汉".repeat(length),
  "Chinese without punctuation": (length) => filled(length, (below) => String.fromCharCode(0x4e00 + below(20_000))),
  "Korean without spaces": (length) => filled(length, (below) => String.fromCharCode(0xac00 + below(11_000))),
  "Thai without spaces": (length) => filled(length, (below) => String.fromCharCode(0x0e01 + below(46))),
  emoji: (length) => filled(length, (below) => String.fromCodePoint(0x1f300 + below(700))),
  "joined emoji": (length) => "👩‍👩‍👧".repeat(Math.ceil(length / 8)),
  "rare characters": (length) => filled(length, (below) => String.fromCodePoint(0x12000 + below(900))),
  "broken surrogates": (length) => "\ud800".repeat(length),
  "random letters": (length) => filled(length, oneOf("abcdefghijklmnopqrstuvwxyz")),
  "random capitals": (length) => filled(length, oneOf("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
  punctuation: (length) => filled(length, oneOf("!@#$%^&*()-_=+[]{};:,.<>?/|~")),
  "a ruler": (length) => "=".repeat(length),
  dashes: (length) => filled(length, oneOf("=-")),
  digits: (length) => filled(length, oneOf("0123456789")),
  apostrophes: (length) => "'".repeat(length),
  base64: (length) => filled(length, oneOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")),
  "special tokens": (length) => "<|endoftext|>".repeat(Math.ceil(length / 13)),
  "no-break spaces": (length) => "\u00a0".repeat(length)
}
