/**
 * One call in process with a provider that answers at once: what the pipeline itself costs. Every prompt is new, so
 * that every call goes through all stages.
 */
import { Effect } from "effect"
import { generate } from "./peers/ai-sdk.ts"
import { instantModel } from "./peers/effect-ai.ts"
import { compare, type Entry } from "./measure.ts"
import { aiEngine, engineService } from "./millrace.ts"
import type { Options, Table } from "./report.ts"
import { ask, uniquePrompt, wholeText } from "./workload.ts"

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const effectAi = await instantModel(1)
  const engine = await engineService(1)
  const promises = await aiEngine(1)
  const entries: ReadonlyArray<Entry> = [
    {
      name: "async function",
      run: async (count) => {
        for (let i = 0; i < count; i++) await provider(uniquePrompt())
      }
    },
    {
      name: "Effect.runPromise",
      run: async (count) => {
        for (let i = 0; i < count; i++) await Effect.runPromise(Effect.succeed(uniquePrompt()))
      }
    },
    {
      name: "effect/ai, in fiber",
      run: (count) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let i = 0; i < count; i++) yield* effectAi.generateText({ prompt: uniquePrompt() })
          })
        )
    },
    {
      name: "effect/ai, runPromise",
      run: async (count) => {
        for (let i = 0; i < count; i++) await Effect.runPromise(effectAi.generateText({ prompt: uniquePrompt() }))
      }
    },
    {
      name: "AI SDK generateText",
      run: async (count) => {
        for (let i = 0; i < count; i++) await generate(uniquePrompt())
      }
    },
    {
      name: "Millrace, in fiber",
      run: (count) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let i = 0; i < count; i++) yield* engine.generateText(ask(uniquePrompt()))
          })
        ),
      goals: [{ kind: "at-most", value: 12 }]
    },
    {
      name: "Millrace, AIEngine",
      run: async (count) => {
        for (let i = 0; i < count; i++) await promises.generateText(ask(uniquePrompt()))
      },
      goals: [
        { kind: "at-most", value: 16 },
        { kind: "ratio-at-most", value: 0.5, of: "AI SDK generateText" }
      ]
    }
  ]
  return [
    {
      title: "One call, instant provider, cache miss, all stages on",
      unit: "µs",
      rows: await compare(entries, options)
    }
  ]
}

/** The least that a call can be. */
const provider = (prompt: string): Promise<string> => Promise.resolve(prompt === "" ? "" : wholeText)
