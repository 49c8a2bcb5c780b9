/**
 * What the cache saves: a mixed workload of real prompts, with the repeats that they have, through the whole engine.
 *
 * Nobody publishes prompts with the times at which they came back, so the repeats are a model: 20,000 calls ask for the
 * prompts of four public sets (a support bot's, an assistant's, long tasks and prompt templates) with a popularity after
 * Zipf's law, s = 1, the exponent that web requests and searches are known for; each set has its share of the calls, and
 * each call the settings of its kind. One caller in ten writes defaults out or orders his fields otherwise. A simulated
 * provider answers by the length that the prompt's kind has; prices are those of gpt-5.4-mini. The calls are spread over
 * six hours of virtual time, with a time to live of an hour and room for 2,000 entries. Also shown: the same calls with
 * every prompt asked for equally often, which is the least that repeats can do.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { gunzipSync } from "node:zlib"
import { Engine } from "../../engine/src/Engine.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { AIRequest } from "../../engine/src/Request.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { StatusSource } from "../../engine/src/Status.ts"
import { fromInclusive } from "../../engine/src/Usage.ts"
import type { Options, Row, Table } from "./report.ts"

const folder = path.resolve(import.meta.dirname, "../../../shared/data/prompts")

interface Kind {
  readonly file: string
  /** Share of the calls. */
  readonly share: number
  readonly system: string
  /** Tokens of an answer. */
  readonly answerTokens: number
  readonly settings: Partial<AIRequest>
}

const kinds: ReadonlyArray<Kind> = [
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

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  if (!existsSync(folder)) throw new Error(`the prompts are not there: ${folder}`)
  const calls = options.quick ? 4000 : 20_000
  const prompts = kinds.map(({ file }) => promptsOf(path.join(folder, file)))
  const distinct = prompts.reduce((sum, set) => sum + set.length, 0)
  const rows: Array<Row> = []
  for (const [name, exponent, goals] of [
    ["by Zipf's law", 1, true],
    ["all alike", 0, false]
  ] as const) {
    const { hitRate, savedCost, savedTokens } = await measure(prompts, calls, exponent)
    const atLeast = (value: number) => (goals ? [{ kind: "at-least", value } as const] : undefined)
    rows.push({ name: `${name}: calls answered by the cache`, value: hitRate * 100, goals: atLeast(40) })
    rows.push({ name: `${name}: token cost saved`, value: savedCost * 100, goals: atLeast(30) })
    rows.push({ name: `${name}: tokens saved`, value: savedTokens * 100 })
  }
  const many = (value: number) => value.toLocaleString("en-US")
  return [{ title: `${many(calls)} calls over ${many(distinct)} prompts, exact cache alone`, unit: "%", rows }]
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

const measure = async (prompts: ReadonlyArray<ReadonlyArray<string>>, calls: number, exponent: number) => {
  const random = mulberry(42)
  const draw = prompts.map((set) => drawer(set, exponent, random))
  const provider = scriptedProvider(
    "openai",
    ({ request }) => {
      const prompt = JSON.stringify(request.messages)
      const kind = kinds[(request.metadata?.["kind"] as number | undefined) ?? 0]!
      const usage = fromInclusive({ input: Math.ceil(prompt.length / 4), output: kind.answerTokens })
      return Effect.succeed(Reply.whole({ ...completionOf("gpt-5.4-mini", "word ".repeat(kind.answerTokens)), usage }))
    },
    { model: "gpt-5.4-mini" }
  )
  const layer = Engine.layer(
    {
      providers: [{ name: "openai", apiKey: "sk-bench", model: "gpt-5.4-mini", rateLimits: { concurrent: 100 } }],
      cache: { maxSize: 2000, ttl: "1 hour" },
      logging: { level: "none" }
    },
    { providers: [provider] }
  )
  const status = await Effect.runPromise(
    Effect.gen(function* () {
      for (let i = 0; i < calls; i++) {
        const kind = kindAt(random())
        yield* Engine.generateText(requestOf(kind, draw[kind]!(), random))
        yield* TestClock.adjust((6 * 3_600_000) / calls)
      }
      return yield* (yield* StatusSource).get
    }).pipe(Effect.provide(layer), Effect.provide(TestClock.layer()))
  )
  const { costUsd, completionTokens, promptTokens, savedTokens, savedUsd } = status.totals
  return {
    hitRate: status.cache.hitRate ?? 0,
    savedCost: savedUsd / (savedUsd + costUsd),
    savedTokens: savedTokens / (savedTokens + promptTokens + completionTokens)
  }
}

/** A request of a kind; some callers say the same in other words of the API. */
const requestOf = (kind: number, prompt: string, random: () => number): AIRequest => {
  const { settings, system } = kinds[kind]!
  const request: AIRequest = {
    prompt,
    ...(system === "" ? {} : { system }),
    ...settings,
    metadata: { kind }
  }
  if (random() >= 0.1) return request
  const otherwise = Object.fromEntries(Object.entries(request).toReversed()) as AIRequest
  return { temperature: 1, ...otherwise, responseFormat: { type: "text" } }
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
const mulberry = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296
  }
}
