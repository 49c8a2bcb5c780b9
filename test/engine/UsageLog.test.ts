import { expect, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { type Call, makeCall, type Outcome } from "../../engine/src/Call.ts"
import { Cancelled, ModelNotFound, ProviderOverloaded } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { fromAIRequest } from "../../engine/src/Request.ts"
import { UsageLog, type UsageStore } from "../../engine/src/UsageLog.ts"
import { fromCall, toDetail, type UsageRecord } from "../../engine/src/UsageRecord.ts"
import { recordOf } from "../contracts/usage-record.ts"

const usage = {
  uncachedInput: 70,
  cacheReadInput: 20,
  cacheWriteInput: 10,
  output: 30,
  reasoning: 5,
  estimated: false
}

const completion: Reply.Completion = {
  id: "chatcmpl-1",
  model: "gpt-5.4-mini-2026",
  content: [{ type: "text", text: "canary-answer" }],
  finishReason: "stop",
  rawFinishReason: "stop",
  usage
}

const target = { provider: "openai", model: "gpt-5.4-mini" }
const success: Outcome = { _tag: "Success", completion }

const overloaded = new ProviderOverloaded({
  ...target,
  detail: "canary-detail",
  upstreamStatus: 529,
  retryAfterMs: 2000
})

const callOf = (fields: object = {}) =>
  Effect.gen(function* () {
    const request = yield* fromAIRequest({ prompt: "canary-prompt", ...fields }, "req_1")
    return makeCall(request, yield* Clock.Clock)
  })

/** A store that keeps what it is given in an array. */
const recording = (written: Array<UsageRecord>, wait?: Effect.Effect<void>): UsageStore => ({
  write: (record) => {
    written.push(record)
    return wait
  },
  usage: () => Effect.die("not asked"),
  usageText: () => Effect.die("not asked"),
  recordSums: () => Effect.die("not asked"),
  page: () => Effect.die("not asked"),
  find: () => Effect.die("not asked"),
  errors: () => Effect.die("not asked"),
  scanRows: () => Effect.die("not asked"),
  prune: () => Effect.die("not asked"),
  reprice: () => Effect.die("not asked"),
  health: () => ({ kind: "memory", healthy: true, rowsDropped: 0, reason: null })
})

const settled = Effect.fnUntraced(function* (call: Call, outcome: Outcome, wait?: Effect.Effect<void>) {
  const written: Array<UsageRecord> = []
  yield* Effect.gen(function* () {
    const log = yield* UsageLog
    yield* Effect.scoped(log.stage(() => Effect.succeed(Reply.whole(completion)))(call))
    expect(written).toEqual([])
    yield* call.settlement.run(outcome)
    yield* call.settlement.run(outcome)
    expect(log.totals().requests).toBe(1)
  }).pipe(Effect.provide(UsageLog.layer(Effect.succeed(recording(written, wait)))))
  expect(written).toHaveLength(1)
  return written[0]!
})

describe("UsageLog.stage", () => {
  it.effect("records a request once, when it is settled, after all other stages have noted what they know", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("5 seconds")
      const call = yield* callOf({ model: "fast", tenant: "acme" })
      const { journal } = call
      journal.target = target
      journal.cache = "miss"
      journal.queueMs = 3
      journal.firstPartAtMs = 5120
      journal.attempts.push(
        {
          target: { provider: "anthropic", model: "claude" },
          startedAtMs: 5010,
          queueMs: 3,
          sentAtMs: 5013,
          firstPartAtMs: undefined,
          endedAtMs: 5050,
          error: overloaded
        },
        {
          target,
          startedAtMs: 5060,
          queueMs: 0,
          sentAtMs: 5060,
          firstPartAtMs: 5120,
          endedAtMs: 5300,
          error: undefined
        }
      )
      const written: Array<UsageRecord> = []
      yield* Effect.gen(function* () {
        const log = yield* UsageLog
        yield* Effect.scoped(
          log.stage((inner) => {
            inner.settlement.add(() => {
              inner.journal.endedAtMs = 5300
              inner.journal.cost = { _tag: "Priced", usd: 0.25, table: "prices 1" }
            })
            return Effect.succeed(Reply.whole(completion))
          })(call)
        )
        yield* call.settlement.run(success)
      }).pipe(Effect.provide(UsageLog.layer(Effect.succeed(recording(written)))))
      expect(written).toEqual([
        {
          id: "req_1",
          timeMs: 5000,
          tenant: "acme",
          keyId: null,
          modelRequested: "fast",
          model: "gpt-5.4-mini",
          provider: "openai",
          status: "success",
          fault: null,
          errorKind: null,
          cache: "miss",
          uncachedInput: 70,
          cacheReadInput: 20,
          cacheWriteInput: 10,
          output: 30,
          reasoning: 5,
          estimated: false,
          costUsd: 0.25,
          priceTable: "prices 1",
          unpricedReason: null,
          savedUsd: null,
          savedTokens: 0,
          latencyMs: 300,
          ttftMs: 120,
          queueMs: 3,
          cacheAgeMs: null,
          cacheSimilarity: null,
          overheadMs: null,
          stream: false,
          metadata: null,
          content: null,
          inputUsd: null,
          cacheReadUsd: null,
          cacheWriteUsd: null,
          outputUsd: null,
          reasoningUsd: null,
          providerCacheSavedUsd: null,
          usageDetail: null,
          errorDetail: null,
          fingerprint: null,
          attempts: [
            {
              provider: "anthropic",
              model: "claude",
              startedAtMs: 5010,
              queueMs: 3,
              firstPartAtMs: null,
              endedAtMs: 5050,
              costUsd: null,
              error: {
                kind: "ProviderOverloaded",
                fault: "provider",
                status: 529,
                upstreamStatus: 529,
                retryAfterMs: 2000
              }
            },
            {
              ...target,
              startedAtMs: 5060,
              queueMs: 0,
              firstPartAtMs: 5120,
              endedAtMs: 5300,
              costUsd: 0.25,
              error: null
            }
          ]
        }
      ])
    })
  )

  it.effect("books a request that the cache served as saved tokens, not as used ones", () =>
    Effect.gen(function* () {
      for (const cache of ["hit", "semantic", "coalesced"] as const) {
        const call = yield* callOf()
        Object.assign(call.journal, {
          target,
          cache,
          cacheAgeMs: 1500,
          saved: { _tag: "Priced", usd: 0.5, table: "prices 1" }
        })
        expect(yield* settled(call, success)).toMatchObject({
          status: "success",
          cache,
          uncachedInput: 0,
          cacheReadInput: 0,
          output: 0,
          costUsd: 0,
          savedUsd: 0.5,
          savedTokens: 130,
          cacheAgeMs: 1500
        })
      }
    })
  )

  it.effect("keeps what a broken-off stream had used, with fault and kind of the failure", () =>
    Effect.gen(function* () {
      const call = yield* callOf()
      call.journal.candidates = [target]
      const record = yield* settled(call, { _tag: "Failure", error: overloaded, partial: completion })
      expect(record).toMatchObject({
        status: "error",
        fault: "provider",
        errorKind: "ProviderOverloaded",
        provider: "openai",
        model: "gpt-5.4-mini",
        uncachedInput: 70,
        output: 30,
        costUsd: null,
        unpricedReason: null,
        latencyMs: null,
        ttftMs: null
      })
    })
  )

  it.effect("tells a cancelled request from a failed one", () =>
    Effect.gen(function* () {
      const cancelled = { status: "cancelled", fault: "caller", errorKind: "Cancelled", uncachedInput: 0 }
      const byScope = yield* settled(yield* callOf(), { _tag: "Cancelled", partial: undefined })
      expect(byScope).toMatchObject(cancelled)
      const byError = yield* settled(yield* callOf(), {
        _tag: "Failure",
        error: new Cancelled(),
        partial: undefined
      })
      expect(byError).toMatchObject(cancelled)
    })
  )

  it.effect("records a request that reached no provider, with nothing where nothing is known", () =>
    Effect.gen(function* () {
      const error = new ModelNotFound({ model: "nope" })
      const record = yield* settled(yield* callOf({ model: "nope" }), { _tag: "Failure", error, partial: undefined })
      expect(record).toMatchObject({
        modelRequested: "nope",
        model: null,
        provider: null,
        fault: "caller",
        attempts: []
      })
    })
  )

  it.effect("says why a request has no price", () =>
    Effect.gen(function* () {
      const call = yield* callOf()
      call.journal.cost = { _tag: "Unpriced", reason: "no price is known" }
      expect(yield* settled(call, success)).toMatchObject({
        costUsd: null,
        priceTable: null,
        unpricedReason: "no price is known"
      })
    })
  )

  it.effect("puts no prompt, answer or upstream text into a record, and bounds names from callers", () =>
    Effect.gen(function* () {
      const call = yield* callOf({ model: "m".repeat(5000), tenant: "t".repeat(5000) })
      call.journal.attempts.push({
        target,
        startedAtMs: 0,
        queueMs: 0,
        sentAtMs: 0,
        firstPartAtMs: undefined,
        endedAtMs: 1,
        error: overloaded
      })
      const record = yield* settled(call, { _tag: "Failure", error: overloaded, partial: completion })
      expect(JSON.stringify(record)).not.toContain("canary")
      expect(record.modelRequested).toHaveLength(256)
      expect(record.tenant).toHaveLength(256)
    })
  )

  it.effect("waits at settlement when the store asks for it, and only then", () =>
    Effect.gen(function* () {
      let waited = 0
      const wait = Effect.sync(() => {
        waited += 1
      })
      yield* settled(yield* callOf(), success, wait)
      expect(waited).toBe(1)
      const call = yield* callOf()
      yield* Effect.gen(function* () {
        const log = yield* UsageLog
        yield* Effect.scoped(log.stage(() => Effect.succeed(Reply.whole(completion)))(call))
        expect(call.settlement.run(success)).toBe(Effect.void)
      }).pipe(Effect.provide(UsageLog.layer(Effect.succeed(recording([])))))
    })
  )

  it.effect("takes a partial answer without usage as no usage", () =>
    Effect.gen(function* () {
      const partial = new Reply.Collector().completion()
      const record = fromCall(yield* callOf(), { _tag: "Cancelled", partial })
      expect(record).toMatchObject({ uncachedInput: 0, output: 0, savedTokens: 0 })
    })
  )
})

it.effect("counts the attempts that reached a provider, and shows all", () =>
  Effect.sync(() => {
    const attempt = {
      ...target,
      startedAtMs: 0,
      queueMs: 0,
      firstPartAtMs: null,
      endedAtMs: 1,
      costUsd: null,
      error: null
    }
    const refused = (kind: string, fault: "policy" | "provider") => ({
      ...attempt,
      error: { kind, fault, status: 429, upstreamStatus: null, retryAfterMs: null }
    })
    const detail = toDetail(
      recordOf({
        attempts: [
          refused("CircuitOpen", "provider"),
          refused("RateLimitExceeded", "policy"),
          refused("BudgetExceeded", "policy"),
          refused("ProviderTimeout", "provider"),
          attempt
        ]
      })
    )
    expect(detail.attempts).toBe(2)
    expect(detail.attemptDetails).toHaveLength(5)
  })
)

describe("UsageLog.totals", () => {
  it.effect("adds up every record since the process started, also those the store forgets", () =>
    Effect.gen(function* () {
      const log = yield* UsageLog
      log.record(recordOf({ costUsd: 0.25, providerCacheSavedUsd: 0.125 }))
      log.record(recordOf({ status: "error", costUsd: null, savedUsd: 0.5, savedTokens: 7 }))
      log.record(recordOf({ status: "cancelled", costUsd: 0.25, providerCacheSavedUsd: -0.5 }))
      expect(log.totals()).toEqual({
        requests: 3,
        errors: 1,
        promptTokens: 369,
        completionTokens: 120,
        costUsd: 0.5,
        savedUsd: 0.5,
        savedTokens: 7,
        providerCacheSavedUsd: -0.375
      })
    }).pipe(Effect.provide(UsageLog.layer(Effect.succeed(recording([])))))
  )
})
