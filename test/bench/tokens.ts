/**
 * Tokens and prices: what an estimate, a count and a price cost, how far they are off, and how long a prompt ever holds
 * the event loop.
 */
import { Effect, Exit, Scope } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import type { Outcome } from "../../engine/src/Call.ts"
import * as ModelCatalog from "../../engine/src/ModelCatalog.ts"
import { boundOf } from "../../engine/src/Prompt.ts"
import { TextCounter } from "../../engine/src/TextCounter.ts"
import * as TokenThread from "../../engine/src/stores/TokenThread.ts"
import { type CountTexts, loadEncoding } from "../../engine/src/TokenCount.ts"
import { estimateText, Tokenizer } from "../../engine/src/Tokenizer.ts"
import { fromInclusive } from "../../engine/src/Usage.ts"
import { arenaPrompts, ordinary, pathological } from "../engine/prompts.ts"
import { compare, type Entry } from "./measure.ts"
import { reply, requestOf, routed, success, target } from "./pipeline.ts"
import { median, type Options, quantile, type Row, type Table } from "./report.ts"
import { samePrompt } from "./workload.ts"

const plain = { disallowedSpecial: new Set<string>() }

/** About 44 tokens of a chat message, as the anchors of the goals were measured with. */
const sentence = samePrompt.slice(0, 200)

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const scope = Scope.makeUnsafe()
  const count = await Effect.runPromise(Effect.provideService(TokenThread.make(), Scope.Scope, scope))
  // First, while no encoding is on this heap: collecting it would be a stretch of its own.
  const first = await firstCount(count)
  const held = await stretches(options, count)
  const loading = await loadingTable(first)
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
  const tables: ReadonlyArray<Table> = [
    loading,
    { title: "Estimates beside a tokenizer", unit: "µs", rows: await compare(estimates, options) },
    { title: "Models and prices", unit: "µs", rows: await compare(prices, options) },
    { title: "Exact counts of 210 kB of source code", unit: "µs", rows: await compare(await counts(), options) },
    await errorsTable(count, options),
    held
  ]
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return tables
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

/** Milliseconds of CPU time between two turns of the event loop while something runs, at most. */
const longestStretch = async (work: () => Promise<unknown>): Promise<number> => {
  let longestMs = 0
  let before = process.threadCpuUsage()
  let running = true
  const tick = () => {
    const { system, user } = process.threadCpuUsage(before)
    longestMs = Math.max(longestMs, (system + user) / 1000)
    before = process.threadCpuUsage()
    if (running) setImmediate(tick)
  }
  globalThis.gc?.()
  before = process.threadCpuUsage()
  setImmediate(tick)
  await work()
  running = false
  tick()
  return longestMs
}

/** What the first exact count of a process pays, once. */
const firstCount = async (count: CountTexts): Promise<Row> => {
  const rssBefore = process.memoryUsage.rss()
  const startedMs = performance.now()
  const value = await longestStretch(() => Effect.runPromise(count(["one word"], "o200k_base")))
  const latencyMs = performance.now() - startedMs
  const megabytes = (process.memoryUsage.rss() - rssBefore) / 1e6
  return {
    name: "in the thread",
    value,
    goals: [{ kind: "at-most", value: 20 }],
    note: `answered after ${latencyMs.toFixed(0)} ms, ${megabytes.toFixed(0)} MB`
  }
}

const loadingTable = async (first: Row): Promise<Table> => ({
  title: "Longest stretch of the event loop at the first count: start and import of o200k_base",
  unit: "ms",
  rows: [
    first,
    {
      name: "on the event loop",
      value: await longestStretch(() => Effect.runPromise(loadEncoding("o200k_base"))),
      note: "what the thread is for"
    }
  ]
})

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

/** Source code and prompts, as a request body of 10 MB would bring them. */
const mixed = (length: number): string => {
  const piece = [sentence, ...Object.values(pathological).map((make) => make(400))].join("\n")
  return piece.repeat(Math.ceil(length / piece.length)).slice(0, length)
}

/**
 * The longest stretch of CPU time between two turns of the event loop while a call with a large prompt is admitted near the
 * limit of its model: estimated, handed to the thread, counted and passed on. The text is flat, as a parsed body has it.
 */
const stretches = async (options: Options, count: CountTexts): Promise<Table> => {
  const length = options.quick ? 100_000 : 1_000_000
  const cases: ReadonlyArray<readonly [name: string, text: () => string]> = [
    ...Object.entries(pathological).map(([name, make]) => [name, () => make(length)] as const),
    ["10 MB of words", () => `${sentence} `.repeat(Math.ceil((10 * length) / sentence.length)).slice(0, 10 * length)],
    ["10 MB of everything", () => mixed(10 * length)]
  ]
  const rows: Array<Row> = []
  for (const [name, make] of cases) {
    if (options.only !== undefined && !name.includes(options.only)) continue
    const text = JSON.parse(JSON.stringify(make())) as string
    const limits = { kind: "openai", contextWindow: 4 * text.length, maxInputTokens: undefined, maxTokens: undefined }
    const layer = Tokenizer.layer({ limits: () => limits, count: Effect.succeed(count) })
    const tokenizer = await Effect.runPromise(Effect.provide(Tokenizer, layer))
    const request = requestOf(text)
    // A window that the estimate is near to, so that the call is counted.
    limits.contextWindow = Math.ceil(tokenizer.estimate(request, { kind: "openai", model: target.model }) * 1.1)
    const open = tokenizer.stage(() => reply)
    let outcome = "passed on"
    const startedMs = performance.now()
    const longestMs = await longestStretch(() =>
      Effect.runPromise(
        Effect.match(Effect.scoped(open(routed(request))), {
          onSuccess: () => {},
          onFailure: () => {
            outcome = "refused"
          }
        })
      )
    )
    const note = `${outcome} after ${((performance.now() - startedMs) / 1000).toFixed(2)} s`
    rows.push({ name, value: longestMs, goals: [{ kind: "at-most", value: 20 }], note })
  }
  const title = `Longest stretch of the event loop while a prompt of ${length.toLocaleString("en-US")} units is admitted`
  return { title, unit: "ms", rows }
}

/** How far counts and estimates are off, against gpt-tokenizer on the whole text. */
const errorsTable = async (count: CountTexts, options: Options): Promise<Table> => {
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base")
  const code = readdirSync(source).filter((file) => file.endsWith(".ts"))
  const samples: ReadonlyArray<readonly [name: string, texts: ReadonlyArray<string>]> = [
    ["Arena-Hard prompts", (arenaPrompts ?? []).filter((_, i) => !options.quick || i % 5 === 0)],
    ["source code", code.map((file) => readFileSync(path.join(source, file), "utf8"))],
    ["short texts of nine kinds", ordinary.map(({ text }) => text)]
  ]
  const rows: Array<Row> = []
  for (const [name, texts] of samples) {
    if (texts.length === 0) continue
    const counted: Array<number> = []
    const estimated: Array<number> = []
    let equal = 0
    for (const text of texts) {
      const exact = countTokens(text, plain)
      const { tokens } = await Effect.runPromise(count([text], "o200k_base"))
      if (tokens === exact) equal++
      counted.push(100 * (tokens / exact - 1))
      estimated.push(100 * Math.abs(estimateText(text) / exact - 1))
    }
    const of = `of ${texts.length} texts`
    rows.push({
      name: `${name}, count: largest error`,
      value: Math.max(...counted),
      goals: [{ kind: "at-most", value: 2 }],
      note: `${equal} ${of} equal, smallest ${Math.min(...counted).toFixed(1)} %`
    })
    rows.push({ name: `${name}, estimate: median error`, value: median(estimated), note: of })
    rows.push({ name: `${name}, estimate: error of nine in ten`, value: quantile(estimated, 0.9) })
  }
  return { title: "Errors against the exact count in o200k_base", unit: "%", rows }
}
