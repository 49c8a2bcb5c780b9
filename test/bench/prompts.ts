/**
 * Prompts of four public sets as applications ask them: a support bot's, an assistant's, long tasks and prompt templates.
 *
 * Nobody publishes prompts with the times at which they came back, so the repeats are a model: popularity follows Zipf's
 * law, s = 1, the exponent that web requests and searches are known for; each set has its share of the calls, and each call
 * the settings of its kind. One caller in ten writes defaults out or orders his fields otherwise.
 */
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { gunzipSync } from "node:zlib"
import type { AIRequest } from "../../engine/src/Request.ts"

const folder = path.resolve(import.meta.dirname, "../../../shared/data/prompts")

export interface Kind {
  readonly file: string
  /** Share of the calls. */
  readonly share: number
  readonly system: string
  /** Tokens of an answer. */
  readonly answerTokens: number
  readonly settings: Partial<AIRequest>
}

export const kinds: ReadonlyArray<Kind> = [
  {
    file: "banking77.jsonl.gz",
    share: 0.45,
    system: "You are the support assistant of a bank. Answer shortly and by the rules of the house.",
    answerTokens: 120,
    settings: { temperature: 0.2 }
  },
  {
    file: "clinc150.jsonl.gz",
    share: 0.3,
    system: "You are a voice assistant. Answer in one or two sentences.",
    answerTokens: 60,
    settings: {}
  },
  { file: "arena-hard.jsonl.gz", share: 0.2, system: "", answerTokens: 700, settings: { maxTokens: 2000 } },
  { file: "awesome-chatgpt-prompts.jsonl.gz", share: 0.05, system: "", answerTokens: 250, settings: { temperature: 1 } }
]

/** The prompts of each kind, every text once. */
export const readPrompts = (): ReadonlyArray<ReadonlyArray<string>> => {
  if (!existsSync(folder)) throw new Error(`the prompts are not there: ${folder}`)
  return kinds.map(({ file }) => promptsOf(path.join(folder, file)))
}

const promptsOf = (file: string): ReadonlyArray<string> => {
  const lines = gunzipSync(readFileSync(file)).toString("utf8").trim().split("\n")
  return [...new Set(lines.map((line) => textOf(JSON.parse(line) as { readonly [field: string]: unknown })))]
}

const textOf = (row: { readonly [field: string]: unknown }): string => {
  const text = row["prompt"] ?? row["text"] ?? row["question"] ?? row["utterance"]
  if (typeof text !== "string") throw new Error(`a prompt has fields ${Object.keys(row).join(", ")} alone`)
  return text
}

/** Draws requests, the same ones for a seed. `exponent` 0 asks for every prompt equally often. */
export const requests = (prompts: ReadonlyArray<ReadonlyArray<string>>, exponent: number, seed: number) => {
  const random = mulberry(seed)
  const draw = prompts.map((set) => drawer(set, exponent, random))
  return (): AIRequest & { readonly metadata: { readonly kind: number } } => {
    const kind = kindAt(random())
    return requestOf(kind, draw[kind]!(), random)
  }
}

/** A request of a kind; some callers say the same in other words of the API. */
const requestOf = (kind: number, prompt: string, random: () => number) => {
  const { settings, system } = kinds[kind]!
  const request = {
    prompt,
    ...(system === "" ? {} : { system }),
    ...settings,
    metadata: { kind }
  } satisfies AIRequest
  if (random() >= 0.1) return request
  const otherwise = Object.fromEntries(Object.entries(request).toReversed()) as unknown as typeof request
  return { temperature: 1, ...otherwise, responseFormat: { type: "text" as const } }
}

const kindAt = (value: number): number => {
  let sum = 0
  for (const [index, { share }] of kinds.entries()) if (value < (sum += share)) return index
  return kinds.length - 1
}

/** Draws prompts; the one in place n is asked for n^-exponent as often as the first. */
const drawer = (set: ReadonlyArray<string>, exponent: number, random: () => number) => {
  const order = set.map((text) => ({ text, at: random() })).toSorted((a, b) => a.at - b.at)
  const sums: Array<number> = []
  let sum = 0
  for (let i = 0; i < order.length; i++) sums.push((sum += (i + 1) ** -exponent))
  return (): string => {
    const wanted = random() * sum
    let low = 0
    let high = sums.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (sums[middle]! < wanted) low = middle + 1
      else high = middle
    }
    return order[low]!.text
  }
}

/** A small generator of random numbers with a seed: the same workload each time. */
export const mulberry = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296
  }
}
