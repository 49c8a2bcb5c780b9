/**
 * What the cache saves: a mixed workload of real prompts, with the repeats that they have, through the whole engine.
 *
 * 20,000 calls ask for the prompts of `prompts.ts`. A simulated provider answers by the length that the prompt's kind has;
 * prices are those of gpt-5.4-mini. The calls are spread over six hours of virtual time, with a time to live of an hour and
 * room for 2,000 entries. Also shown: the same calls with every prompt asked for equally often, which is the least that
 * repeats can do.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Engine } from "../../engine/src/Engine.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { StatusSource } from "../../engine/src/Status.ts"
import { fromInclusive } from "../../engine/src/Usage.ts"
import { kinds, readPrompts, requests } from "./prompts.ts"
import type { Options, Row, Table } from "./report.ts"

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const calls = options.quick ? 4000 : 20_000
  const prompts = readPrompts()
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

const measure = async (prompts: ReadonlyArray<ReadonlyArray<string>>, calls: number, exponent: number) => {
  const next = requests(prompts, exponent, 42)
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
        yield* Engine.generateText(next())
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
