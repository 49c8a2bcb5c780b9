/**
 * A semantic cache over an exact one of a few lines and a provider that answers each prompt by itself, for tests.
 */
import { Clock, Effect } from "effect"
import { cacheKey } from "../../engine/src/CacheKey.ts"
import { type Call, makeCall, type Target } from "../../engine/src/Call.ts"
import type { EngineError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import { SemanticCache, type SemanticCacheOptions } from "../../engine/src/SemanticCache.ts"
import type { Open } from "../../engine/src/Stage.ts"
import { completionOf } from "../../engine/src/testing.ts"
import type { VectorStore } from "../../engine/src/VectorStore.ts"
import { makeRequest } from "../engine/requests.ts"

export const target: Target = { provider: "a", model: "m" }

interface Entry {
  readonly completion: Reply.Completion
  readonly storedAtMs: number
}

export interface Harness {
  /** Answers of the exact cache; tests may take some away. */
  readonly answers: Map<string, Entry>
  /** Texts of the calls that went below the semantic cache. */
  readonly below: Array<string>
  /** Calls that the semantic cache made of its own. */
  readonly own: Array<Request>
  readonly cache: SemanticCache["Service"]
  /** A prompt through both caches; settles before it returns. */
  readonly ask: (prompt: string, fields?: Partial<Request>) => Effect.Effect<Call, EngineError>
  /** Lets the shadow work until it has nothing more to do. */
  readonly settled: Effect.Effect<void>
}

export interface HarnessOptions extends Partial<Omit<SemanticCacheOptions, "shared">> {
  /** A place where prompts are shared with other harnesses. */
  readonly store?: VectorStore
  readonly ttlMs?: number
  /** The answer of the provider; the prompt, unless told. */
  readonly answer?: (prompt: string) => string | Reply.Completion
  /** What the calls of the semantic cache itself get: a verdict, a vector, a failure, or nothing ever. */
  readonly respond?: (request: Request) => Effect.Effect<Reply.Completion, EngineError>
}

const defaults: Omit<SemanticCacheOptions, "answers"> = {
  mode: "on",
  embedder: "lexical",
  threshold: 0.85,
  maxWords: undefined,
  maxEntries: 1000,
  timeoutMs: 300,
  judge: undefined,
  judgeBudget: 1,
  judgeTimeoutMs: 2000,
  shadowSample: 0,
  content: false
}

let ids = 0

export const promptOf = (request: Request): string => {
  const content = request.messages.at(-1)?.content ?? ""
  return typeof content === "string" ? content : content.map((part) => (part.type === "text" ? part.text : "")).join("")
}

/** Runs a test with a harness. */
export const withSemantic = <A, E>(
  options: HarnessOptions,
  use: (harness: Harness) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    const answers = new Map<string, Entry>()
    const below: Array<string> = []
    const own: Array<Request> = []
    const { answer = (prompt) => prompt, respond, store, ttlMs = 60_000, ...rest } = options
    const clock = yield* Clock.Clock
    const now = () => clock.currentTimeMillisUnsafe()
    const found = (key: string) => {
      const entry = answers.get(key)
      return entry !== undefined && now() - entry.storedAtMs < ttlMs ? entry : undefined
    }
    const layer = SemanticCache.layer({
      ...defaults,
      answers: {
        get: (key) => {
          const entry = found(key)
          return entry && { completion: entry.completion, target, ageMs: now() - entry.storedAtMs }
        },
        has: (key) => found(key) !== undefined,
        evict: (key) => answers.delete(key)
      },
      shared:
        store === undefined
          ? undefined
          : {
              store: Effect.succeed(store),
              answers: {
                pack: (key) => {
                  const entry = found(key)
                  const expiresAtMs = (entry?.storedAtMs ?? 0) + ttlMs
                  return entry && { text: JSON.stringify({ ...entry, tenant: "default" }), expiresAtMs }
                },
                unpack: (key, text) => void answers.set(key, JSON.parse(text) as Entry)
              }
            },
      ...rest
    })
    return yield* Effect.gen(function* () {
      const cache = yield* SemanticCache
      const ask: Open = (call) => {
        own.push(call.request)
        return respond === undefined ? Effect.never : Effect.map(respond(call.request), Reply.whole)
      }
      const looksUp = cache.stage(ask)((call) =>
        Effect.sync(() => {
          const prompt = promptOf(call.request)
          below.push(prompt)
          const said = answer(prompt)
          call.journal.target = target
          return Reply.whole(typeof said === "string" ? completionOf("m", said) : said)
        })
      )
      const open = cache.notes(looksUp)
      const send = Effect.fnUntraced(function* (prompt: string, fields: Partial<Request> = {}) {
        const id = `req_${ids++}`
        const request = makeRequest({ id, messages: [{ role: "user", content: prompt }], ...fields })
        const call = makeCall(request, clock)
        const { journal } = call
        journal.candidates = [target]
        if (request.cacheMode !== "bypass") {
          const key = cacheKey(request, journal.candidates)
          journal.cacheKey = key
          journal.cache = "miss"
          call.settlement.add((outcome) => {
            if (outcome._tag !== "Success" || journal.cache !== "miss") return
            answers.set(key, { completion: outcome.completion, storedAtMs: now() })
          })
        }
        const reply = yield* Effect.scoped(open(call))
        yield* call.settlement.run({ _tag: "Success", completion: yield* Reply.collect(reply) })
        return call
      })
      return yield* use({
        answers,
        below,
        own,
        cache,
        ask: send,
        settled: Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })
      })
    }).pipe(Effect.provide(layer))
  })

/** A vector for a request of embeddings. */
export const embedded = (vector: ReadonlyArray<number>): Reply.Completion => ({
  ...completionOf("e", ""),
  embeddings: [vector]
})
