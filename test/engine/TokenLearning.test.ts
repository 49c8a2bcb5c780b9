/**
 * The law of the learning estimate: after fifty calls of a model whose tokenizer is another one, the median error is
 * under 3 %. Providers are simulated by real encodings, scaled and with a template of their own.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { countTokens as cl100k } from "gpt-tokenizer/encoding/cl100k_base"
import { countTokens as o200k } from "gpt-tokenizer/encoding/o200k_base"
import { countTokens as p50k } from "gpt-tokenizer/encoding/p50k_base"
import { countTokens as r50k } from "gpt-tokenizer/encoding/r50k_base"
import { Tokenizer } from "../../engine/src/Tokenizer.ts"
import { arenaPrompts } from "./prompts.ts"
import { makeRequest } from "./requests.ts"

const plain = { disallowedSpecial: new Set<string>() }

const providers: { readonly [name: string]: (text: string) => number } = {
  "o200k × 1.18 + 74": (text) => Math.round(1.18 * o200k(text, plain)) + 74,
  "cl100k × 1.13 + 30": (text) => Math.round(1.13 * cl100k(text, plain)) + 30,
  "p50k + 400": (text) => p50k(text, plain) + 400,
  "r50k × 1.13 + 30": (text) => Math.round(1.13 * r50k(text, plain)) + 30
}

/** The same order in every run. */
const shuffled = <A>(values: ReadonlyArray<A>, seed: number): ReadonlyArray<A> => {
  let state = seed
  const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0)
  return values
    .map((value) => [next(), value] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, value]) => value)
}

const cut = (text: string, step: number): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  for (let at = 0; at + 300 < text.length; at += step) pieces.push(text.slice(at, at + 300 + ((at * 7919) % 2300)))
  return pieces
}

const filesOf = (folder: string, ending: string): ReadonlyArray<string> =>
  readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => readFileSync(path.join(folder, file), "utf8"))

const code = filesOf(path.resolve(import.meta.dirname, "../../engine/src"), ".ts").flatMap((text) => cut(text, 2700))

/** Messages in some fifty languages, in JavaScript. */
const languages = filesOf(path.resolve(import.meta.dirname, "../node_modules/zod/v4/locales"), ".js").flatMap((text) =>
  cut(text, 600)
)

/** Long unbroken text is cut by force in a count; nobody is billed so. */
const prompts = (arenaPrompts ?? []).filter((prompt) => !/\S{1500}/.test(prompt))

const texts: { readonly [name: string]: ReadonlyArray<string> } = {
  prompts: shuffled(prompts, 1),
  code: shuffled(code, 2),
  "prompts and code": shuffled([...shuffled(prompts, 3).slice(0, 400), ...shuffled(code, 4).slice(0, 200)], 5),
  "fifty languages, in code": shuffled(languages, 6)
}

const calls = 400

/** Relative errors of the estimates from the 51st call on. */
const errorsOf = (samples: ReadonlyArray<string>, report: (text: string) => number) =>
  Effect.gen(function* () {
    const tokenizer = yield* Tokenizer
    const ref = { kind: "openai-compatible", model: "somebody-elses" }
    const errors: Array<number> = []
    for (const [index, text] of samples.slice(0, calls).entries()) {
      const measured = tokenizer.measure(makeRequest({ messages: [{ role: "user", content: text }] }), ref)
      const reported = report(text)
      if (index >= 50) errors.push(Math.abs(tokenizer.correct(ref, measured) / reported - 1))
      tokenizer.learn(ref, measured, reported)
    }
    return errors.toSorted((a, b) => a - b)
  }).pipe(
    Effect.provide(
      Tokenizer.layer({ limits: () => ({ kind: "openai-compatible", contextWindow: undefined, maxTokens: undefined }) })
    )
  )

describe("estimates of a model with a tokenizer of its own", () => {
  it.effect.skipIf(arenaPrompts === undefined)(
    "are within 3 % after fifty calls, at the median (../shared/data/prompts)",
    () =>
      Effect.gen(function* () {
        const medians = new Map<string, number>()
        const table: { [row: string]: { [column: string]: string } } = {}
        for (const [kind, samples] of Object.entries(texts)) {
          for (const [name, report] of Object.entries(providers)) {
            const errors = yield* errorsOf(samples, report)
            const at = (share: number) => errors[Math.floor(share * (errors.length - 1))]!
            medians.set(`${kind}: ${name}`, at(0.5))
            const shown = [at(0.5), at(0.9)].map((error) => (100 * error).toFixed(1))
            table[kind] = { ...table[kind], [name]: shown.join(" / ") }
          }
        }
        console.log("median / 9 of 10, %, calls 51–400")
        console.table(table)
        for (const [name, median] of medians) {
          // GPT-2's vocabulary, which nobody trains with any more, and fifty languages in turn are harder.
          const limit = name.includes("r50k") || name.includes("languages") ? 0.06 : 0.03
          expect(median, name).toBeLessThan(limit)
        }
      })
  )
})
