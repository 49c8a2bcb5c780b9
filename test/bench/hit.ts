/**
 * The same call again: an exact hit through the whole engine, beside the classic way to cache by hand.
 */
import { createHash, hash } from "node:crypto"
import { Effect } from "effect"
import { LRUCache } from "lru-cache"
import { compare, type Entry } from "./measure.ts"
import { generateCached } from "./peers/ai-sdk.ts"
import { aiEngine, engineService } from "./millrace.ts"
import type { Options, Table } from "./report.ts"
import { ask, samePrompt, wholeText } from "./workload.ts"

/** A cache by hand: the hash of the request's JSON is the key. */
const classic = (digest: (text: string) => string) => {
  const cache = new LRUCache<string, { readonly content: string }>({ max: 1000, ttl: 600_000 })
  return (ask: object): { readonly content: string } => {
    const key = digest(JSON.stringify(ask))
    const hit = cache.get(key)
    if (hit !== undefined) return hit
    const answer = { content: wholeText }
    cache.set(key, answer)
    return answer
  }
}

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const byHash = classic((text) => createHash("sha256").update(text).digest("hex"))
  const byOneShotHash = classic((text) => hash("sha256", text))
  const engine = await engineService(1)
  const promises = await aiEngine(1)
  const entries: ReadonlyArray<Entry> = [
    {
      name: "sha256(JSON) + lru-cache",
      run: (count) => {
        for (let i = 0; i < count; i++) byHash(ask(samePrompt))
      }
    },
    {
      name: "one-shot hash + lru-cache",
      run: (count) => {
        for (let i = 0; i < count; i++) byOneShotHash(ask(samePrompt))
      }
    },
    {
      name: "AI SDK + caching middleware",
      run: async (count) => {
        for (let i = 0; i < count; i++) await generateCached(samePrompt)
      }
    },
    {
      name: "Millrace, in fiber",
      run: (count) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let i = 0; i < count; i++) yield* engine.generateText(ask(samePrompt))
          })
        ),
      goals: [
        { kind: "at-most", value: 6 },
        { kind: "ratio-at-most", value: 2.5, of: "sha256(JSON) + lru-cache" },
        { kind: "ratio-at-most", value: 0.333, of: "AI SDK + caching middleware" }
      ]
    },
    {
      name: "Millrace, AIEngine",
      run: async (count) => {
        for (let i = 0; i < count; i++) await promises.generateText(ask(samePrompt))
      }
    }
  ]
  return [
    {
      title: `Exact cache hit, request of ${JSON.stringify(ask(samePrompt)).length} bytes`,
      unit: "µs",
      rows: await compare(entries, options)
    }
  ]
}
