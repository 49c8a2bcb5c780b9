/**
 * Tokens and prices: what an estimate, a count and a price cost, and how long a count ever holds the event loop.
 */
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import path from "node:path"
import type { Outcome } from "../../engine/src/Call.ts"
import * as ModelCatalog from "../../engine/src/ModelCatalog.ts"
import { boundOf } from "../../engine/src/Prompt.ts"
import { TextCounter } from "../../engine/src/TextCounter.ts"
import { loadEncoding } from "../../engine/src/TokenCount.ts"
import { estimateText, Tokenizer } from "../../engine/src/Tokenizer.ts"
import { fromInclusive } from "../../engine/src/Usage.ts"
import { pathological } from "../engine/prompts.ts"
import { compare, type Entry } from "./measure.ts"
import { reply, requestOf, routed, success, target } from "./pipeline.ts"
import type { Options, Row, Table } from "./report.ts"
import { samePrompt } from "./workload.ts"

const plain = { disallowedSpecial: new Set<string>() }

/** About 44 tokens of a chat message, as the anchors of the goals were measured with. */
const sentence = samePrompt.slice(0, 200)

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const loading = await loadingTable()
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base")
  const tokenizer = await Effect.runPromise(
    Effect.provide(
      Tokenizer,
      Tokenizer.layer({ limits: () => ({ kind: "openai", contextWindow: 400_000, maxTokens: undefined }) })
    )
  )
  await Effect.runPromise(ModelCatalog.load)
  const request = requestOf(samePrompt)
  const ref = { kind: "openai", model: target.model }
  const open = tokenizer.stage(() => reply)
  const repeat = (work: () => unknown) => (count: number) => {
    for (let i = 0; i < count; i++) work()
  }
  const estimates: ReadonlyArray<Entry> = [
    { name: "gpt-tokenizer, 200 characters", run: repeat(() => countTokens(sentence, plain)) },
    { name: "estimate, 200 characters", run: repeat(() => estimateText(sentence)) },
    { name: "estimate, 800 characters", run: repeat(() => estimateText(samePrompt)) },
    { name: "bound of a request", run: repeat(() => boundOf(request)) },
    { name: "estimate of a request", run: repeat(() => tokenizer.estimate(request, ref)) },
    { name: "the stage: estimate, check, learn", run: (count) => Effect.runPromise(stageLoop(open, request, count)) }
  ]
  const usage = fromInclusive({ input: 1200, cacheRead: 1000, output: 300 })
  const nowMs = Date.now()
  const prices: ReadonlyArray<Entry> = [
    {
      name: "look a model up",
      run: repeat(() => ModelCatalog.lookup(ref)),
      goals: [{ kind: "at-most", value: 0.1 }]
    },
    {
      name: "price a call",
      run: repeat(() => ModelCatalog.price(usage, ref, nowMs)),
      goals: [{ kind: "at-most", value: 0.5 }]
    },
    {
      name: "price a call, price of the day",
      run: repeat(() => ModelCatalog.price(usage, { kind: "openai", model: "gpt-5.6-luna" }, nowMs)),
      goals: [{ kind: "at-most", value: 0.5 }]
    }
  ]
  return [
    loading,
    { title: "Estimates beside a tokenizer", unit: "µs", rows: await compare(estimates, options) },
    { title: "Models and prices", unit: "µs", rows: await compare(prices, options) },
    { title: "Exact counts of 210 kB of source code", unit: "µs", rows: await compare(await counts(), options) },
    await stretches(options)
  ]
}

const stageLoop = (
  open: ReturnType<Tokenizer["Service"]["stage"]>,
  request: ReturnType<typeof requestOf>,
  count: number
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const outcome: Outcome = success
      for (let i = 0; i < count; i++) {
        const call = routed(request)
        yield* open(call)
        call.journal.target = target
        yield* call.settlement.run(outcome)
      }
    })
  )

/** What the first exact count of a process pays, once. */
const loadingTable = async (): Promise<Table> => {
  const rssBefore = process.memoryUsage.rss()
  const before = process.threadCpuUsage()
  await Effect.runPromise(loadEncoding("o200k_base"))
  const { system, user } = process.threadCpuUsage(before)
  const megabytes = (process.memoryUsage.rss() - rssBefore) / 1e6
  return {
    title: "Loading o200k_base, once, at the first prompt near a limit",
    unit: "ms",
    rows: [{ name: "import and tables", value: (system + user) / 1000, note: `${megabytes.toFixed(0)} MB` }]
  }
}

const source = path.resolve(import.meta.dirname, "../../engine/src")

const counts = async (): Promise<ReadonlyArray<Entry>> => {
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base")
  const countSlice = await Effect.runPromise(loadEncoding("o200k_base"))
  const files = ["Errors.ts", "Request.ts", "Reply.ts", "Cache.ts"].map((file) =>
    readFileSync(path.join(source, file), "utf8")
  )
  const code = files.join("\n")
  const text = code.repeat(Math.ceil(210_000 / code.length)).slice(0, 210_000)
  return [
    {
      name: "gpt-tokenizer, in one stretch",
      run: (count) => {
        for (let i = 0; i < count; i++) countTokens(text, plain)
      }
    },
    {
      name: "Millrace, in slices",
      run: (count) => {
        for (let i = 0; i < count; i++) {
          const counter = new TextCounter([text], countSlice)
          while (!counter.done) counter.step()
        }
      }
    }
  ]
}

/**
 * The longest slice of CPU time between two turns of the event loop, while a large prompt is counted. What building the
 * prompt left behind is collected before.
 */
const stretches = async (options: Options): Promise<Table> => {
  const countSlice = await Effect.runPromise(loadEncoding("o200k_base"))
  const length = options.quick ? 50_000 : 1_000_000
  const rows: Array<Row> = []
  for (const [name, make] of Object.entries(pathological)) {
    if (options.only !== undefined && !name.includes(options.only)) continue
    const counter = new TextCounter([make(length)], countSlice)
    globalThis.gc?.()
    let longestMs = 0
    let totalMs = 0
    let slices = 0
    for (; !counter.done; slices++) {
      const before = process.threadCpuUsage()
      counter.step()
      const { system, user } = process.threadCpuUsage(before)
      longestMs = Math.max(longestMs, (system + user) / 1000)
      totalMs += (system + user) / 1000
    }
    const note = `${slices} slices, ${(totalMs / 1000).toFixed(2)} s in all`
    rows.push({ name, value: longestMs, goals: [{ kind: "at-most", value: 20 }], note })
  }
  const title = `Longest stretch of the event loop while a prompt of ${length.toLocaleString("en-US")} units is counted`
  return { title, unit: "ms", rows }
}
