/**
 * Several keys of one provider: used in turn; one that is refused rests while the others go on, and nothing ever names it but
 * its place.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import fc from "fast-check"
import { decode } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import {
  ProviderAuthFailed,
  ProviderQuotaExceeded,
  ProviderRateLimited,
  ProviderServerError
} from "../../engine/src/Errors.ts"
import { ProviderKeys } from "../../engine/src/ProviderKeys.ts"
import { Retry } from "../../engine/src/Retry.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import { status } from "../support/engine.ts"
import { chatCompletion, sendJson, startUpstream, type TestUpstream } from "../support/upstream.ts"

const at = { provider: "a", model: "m", detail: "" }
const limited = (retryAfterMs?: number) =>
  new ProviderRateLimited({ ...at, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
const rejected = new ProviderAuthFailed({ ...at, upstreamStatus: 401 })
const keysOf = (count: number) =>
  new ProviderKeys(Array.from({ length: count }, (_, index) => Redacted.make(`canary-key-${index}`)))
const turns = (keys: ProviderKeys, nowMs: number, count: number) =>
  Array.from({ length: count }, () => keys.next(nowMs)!.index).join("")

describe("ProviderKeys", () => {
  it("takes keys in turn, and none where there is none", () => {
    expect(turns(keysOf(3), 0, 7)).toBe("0120120")
    expect(turns(keysOf(1), 0, 3)).toBe("000")
    expect(keysOf(0).next(0)).toBeUndefined()
    expect(keysOf(0).readyInMs(0)).toBe(0)
  })

  it("rests a limited key for its Retry-After, and a rejected one for five minutes", () => {
    const keys = keysOf(3)
    expect(keys.failed(1, limited(7000), 0)).toBe(true)
    expect(turns(keys, 6999, 4)).toBe("0202")
    expect(turns(keys, 7000, 3)).toBe("012")
    expect(keys.failed(0, rejected, 7000)).toBe(true)
    expect(keys.failed(2, new ProviderQuotaExceeded(at), 7000)).toBe(true)
    expect(keys.status(8000)).toEqual([
      { index: 0, state: "resting", reason: "rejected", restMs: 299_000 },
      { index: 1, state: "ready", reason: null, restMs: null },
      { index: 2, state: "resting", reason: "quota", restMs: 299_000 }
    ])
    expect(turns(keys, 306_999, 3)).toBe("111")
    expect(turns(keys, 307_000, 3)).toBe("201")
  })

  it("says that no other key is ready when the last one rests, and uses the one that is back first", () => {
    const keys = keysOf(2)
    expect(keys.failed(0, limited(9000), 0)).toBe(true)
    expect(keys.failed(1, limited(4000), 0)).toBe(false)
    expect(keys.readyInMs(1000)).toBe(3000)
    expect(turns(keys, 1000, 2)).toBe("11")
  })

  it("takes other failures for nothing that a key is to blame for", () => {
    const keys = keysOf(2)
    expect(keys.failed(0, new ProviderServerError(at), 0)).toBe(false)
    expect(keysOf(1).failed(0, rejected, 0)).toBe(false)
    expect(turns(keys, 0, 4)).toBe("0101")
  })

  it("takes a key back into the turn when it has worked, but not before a rate limit is over", () => {
    const keys = keysOf(2)
    keys.failed(0, rejected, 0)
    keys.worked(0)
    expect(turns(keys, 0, 4)).toBe("0101")
    keys.failed(0, limited(1000), 0)
    keys.worked(0)
    expect(turns(keys, 0, 2)).toBe("11")
  })

  it("never uses a key that rests while another one is ready, and shares the turns of those that are", () => {
    const step = fc.record({ gapMs: fc.nat({ max: 4000 }), fate: fc.constantFrom("works", "rejected", "limited") })
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), fc.array(step, { maxLength: 60 }), (count, steps) => {
        const keys = keysOf(count)
        let nowMs = 0
        for (const { fate, gapMs } of steps) {
          nowMs += gapMs
          const ready = keys.status(nowMs).filter(({ state }) => state === "ready")
          const { index } = keys.next(nowMs)!
          if (ready.length > 0) expect(ready.map((key) => key.index)).toContain(index)
          if (fate === "works") keys.worked(index)
          else keys.failed(index, fate === "rejected" ? rejected : limited(gapMs * 3), nowMs)
          expect(JSON.stringify(keys.status(nowMs))).not.toContain("canary")
        }
      })
    )
  })
})

describe("a provider with several keys", () => {
  const withUpstream = <A>(
    body: (upstream: TestUpstream, ask: Effect.Effect<string, unknown, Engine>) => Effect.Effect<A, unknown, any>,
    more: object = {}
  ) =>
    Effect.gen(function* () {
      const upstream = yield* Effect.acquireRelease(
        Effect.promise(() => startUpstream()),
        (server) => Effect.promise(server.close)
      )
      const config = yield* decode({
        providers: [
          {
            name: "a",
            kind: "openai-compatible",
            baseUrl: upstream.url,
            model: "m",
            apiKeys: ["canary-key-0", "canary-key-1", "canary-key-2"]
          }
        ],
        cache: { enabled: false },
        logging: { level: "none" },
        breaker: { minimumCalls: 2 },
        ...more
      })
      const ask = Effect.map(Engine.generateText({ prompt: "x" }), ({ content }) => content)
      return yield* Effect.provide(body(upstream, ask), Engine.layerOf(config))
    }).pipe(Effect.scoped) as Effect.Effect<A, unknown>

  const used = (upstream: TestUpstream) =>
    upstream.requests.map(({ headers }) => headers.authorization!.slice(-1)).join("")

  /** Keys whose number is listed get this status, the others an answer. */
  const refuse = (upstream: TestUpstream, keys: string, code: number, headers: Record<string, string> = {}) => {
    upstream.respond = (response, request) =>
      keys.includes(request.headers.authorization!.slice(-1))
        ? sendJson(code, { error: { message: `no: ${request.headers.authorization}` } }, headers)(response, request)
        : sendJson(200, chatCompletion("fine"))(response, request)
  }

  it.live("goes to the next key at once when one is rejected, as a further attempt of the same call", () =>
    withUpstream((upstream, ask) =>
      Effect.gen(function* () {
        refuse(upstream, "0", 401)
        for (let i = 0; i < 4; i++) expect(yield* ask).toBe("fine")
        expect(used(upstream)).toBe("01212")
        expect((yield* (yield* UsageLog).requests({})).items.map(({ attempts }) => attempts)).toEqual([1, 1, 1, 2])
        const [provider] = (yield* status).providers
        // The circuit has seen one key fail, not the provider.
        expect(provider).toMatchObject({ breaker: "closed", attempts: { attempts: 5, retries: 1 } })
        expect(provider!.keys).toMatchObject([
          { index: 0, state: "resting", reason: "rejected" },
          { state: "ready" },
          { state: "ready" }
        ])
        expect((yield* Retry).recent(Date.now()).retries).toBe(0)
        expect(JSON.stringify(yield* status)).not.toContain("canary")
      })
    )
  )

  it.live("does not pause for the Retry-After of one key while another is ready", () =>
    withUpstream((upstream, ask) =>
      Effect.gen(function* () {
        refuse(upstream, "02", 429, { "retry-after": "20" })
        for (let i = 0; i < 4; i++) expect(yield* ask).toBe("fine")
        expect(used(upstream)).toBe("012111")
      })
    )
  )

  it.live("tells the soonest Retry-After when all keys are limited", () =>
    withUpstream((upstream, ask) =>
      Effect.gen(function* () {
        upstream.respond = (response, request) => {
          const seconds = { "0": "40", "1": "31", "2": "50" }[request.headers.authorization!.slice(-1)]!
          return sendJson(429, { error: { message: "slow" } }, { "retry-after": seconds })(response, request)
        }
        const error = (yield* Effect.flip(ask)) as ProviderRateLimited
        expect(error).toMatchObject({ _tag: "ProviderRateLimited", provider: "a" })
        expect(error.retryAfterMs).toBeGreaterThan(29_000)
        expect(error.retryAfterMs).toBeLessThanOrEqual(31_000)
        expect(used(upstream)).toBe("012")
      })
    )
  )

  it.live("keeps within the attempt budget, and fails as its keys do when all are rejected", () =>
    withUpstream(
      (upstream, ask) =>
        Effect.gen(function* () {
          refuse(upstream, "012", 403)
          const error = (yield* Effect.flip(ask)) as ProviderAuthFailed
          expect(error).toMatchObject({ _tag: "ProviderAuthFailed", status: 502 })
          expect(used(upstream)).toBe("01")
          expect(`${error.message} ${JSON.stringify(error)}`).not.toContain("canary")
        }),
      { retry: { maxAttempts: 2 } }
    )
  )
})
