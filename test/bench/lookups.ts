/**
 * The semantic cache as a stage: what it adds to a call that the exact cache has missed, lexically and by vectors.
 *
 * Prompts are the customer questions of banking77 (shared data), of which as many are stored as the table says; asked are
 * others of them, each once analysed and looked up like any prompt that comes. Vectors are random, since what is measured
 * is the index and not an embedder.
 */
import { Effect } from "effect"
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { gunzipSync } from "node:zlib"
import { cacheKey } from "../../engine/src/CacheKey.ts"
import type { Call } from "../../engine/src/Call.ts"
import { SemanticCache, type SemanticCacheOptions } from "../../engine/src/SemanticCache.ts"
import type { Open } from "../../engine/src/Stage.ts"
import { compare, type Entry } from "./measure.ts"
import { completion, reply, requestOf, routed, success, target } from "./pipeline.ts"
import type { Options, Table } from "./report.ts"

const file = path.resolve(import.meta.dirname, "../../../shared/data/prompts/banking77.jsonl.gz")

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  if (!existsSync(file)) throw new Error(`the prompts of this suite are not there: ${file}`)
  const prompts = gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { readonly text: string }).text)
  const tables: Array<Table> = []
  for (const size of options.quick ? [1000] : [1000, 10_000]) tables.push(await measure(size, prompts, options))
  return tables
}

const measure = async (size: number, prompts: ReadonlyArray<string>, options: Options): Promise<Table> => {
  // Apart by a stride, so that all intents are stored and asked for.
  const stored = Array.from({ length: size }, (_, i) => prompts[(i * 7919) % prompts.length]!)
  const asked = Array.from({ length: 500 }, (_, i) => prompts[((size + i) * 7919) % prompts.length]!)
  const entries: ReadonlyArray<Entry> = [
    { name: "off", run: looks(await filled({ mode: "off" }, stored), asked) },
    { name: "shadow, at the request", run: looks(await filled({ mode: "shadow" }, []), asked) },
    {
      name: "on, lexical: a question that was not asked before",
      run: looks(await filled({ mode: "on" }, stored), asked)
    },
    {
      name: "on, lexical: a question that is there in other letters",
      run: looks(
        await filled({ mode: "on" }, stored),
        stored.slice(0, 500).map((text) => text.toUpperCase())
      )
    },
    {
      name: "on, vectors of 384: a question that was not asked before",
      run: looks(await filled({ mode: "on", embedder: randomVector }, stored), asked)
    }
  ]
  const rows = await compare(entries, options, undefined, options.quick ? 5 : 11)
  return { title: `Semantic stage, ${size.toLocaleString("en-US")} stored questions, a lookup`, unit: "µs", rows }
}

const randomVector = () => Float32Array.from({ length: 384 }, () => Math.random() - 0.5)

/** The stage over an instant answer, with questions stored. */
const filled = async (options: Partial<SemanticCacheOptions>, stored: ReadonlyArray<string>): Promise<Open> => {
  const layer = SemanticCache.layer({
    mode: "on",
    embedder: "lexical",
    threshold: 0.85,
    maxWords: undefined,
    maxEntries: 100_000,
    timeoutMs: 300,
    judge: undefined,
    judgeBudget: 0,
    judgeTimeoutMs: 0,
    shadowSample: 0,
    content: false,
    answers: { get: () => ({ completion, target, ageMs: 0 }), has: () => true, evict: () => true },
    ...options
  })
  const cache = await Effect.runPromise(Effect.scoped(Effect.provide(SemanticCache, layer)))
  const open = cache.stage(() => Effect.never)(() => reply)
  for (const text of stored) {
    const call = missed(text)
    await Effect.runPromise(Effect.scoped(open(call)))
    await Effect.runPromise(call.settlement.run(success))
  }
  return open
}

/** A call as the exact cache hands it on. */
const missed = (text: string): Call => {
  const call = routed(requestOf(text))
  call.journal.cacheKey = cacheKey(call.request, [target])
  call.journal.cache = "miss"
  return call
}

const looks = (open: Open, prompts: ReadonlyArray<string>) => {
  // Making the call and its key is not what is measured.
  const calls = prompts.map(missed)
  let at = 0
  return (count: number) =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          for (let i = 0; i < count; i++) {
            const { journal, request, ...rest } = calls[at++ % calls.length]!
            yield* open({ ...rest, request, journal: { ...journal }, settlement: none })
          }
        })
      )
    )
}

/** Nothing is settled, so that what is asked isn't stored. */
const none = { add: () => {} } as unknown as Call["settlement"]
