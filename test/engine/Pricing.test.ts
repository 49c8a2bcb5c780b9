import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { type CacheResult, makeCall, type Outcome, type Target } from "../../engine/src/Call.ts"
import { ProviderServerError } from "../../engine/src/Errors.ts"
import { type Price, Pricing } from "../../engine/src/Pricing.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { makeRequest } from "./requests.ts"

const target: Target = { provider: "a", model: "m" }
const completion = completionOf("m", "x", { uncachedInput: 10, output: 5 })
const cost = { _tag: "Priced", usd: 0.25, table: "catalogue 1" } as const

/** The journal of a call that ended like this, and what the price was asked for. */
const priced = Effect.fnUntraced(function* (
  outcome: Outcome,
  options: {
    readonly target?: Target
    readonly cache?: CacheResult
    readonly price?: Price
    readonly request?: Partial<Request>
  } = {}
) {
  const asked: Array<Parameters<Price>> = []
  const price: Price = (...args) => {
    asked.push(args)
    return (options.price ?? (() => cost))(...args)
  }
  const call = makeCall(makeRequest(options.request), yield* Clock.Clock)
  yield* Effect.gen(function* () {
    const open = (yield* Pricing).stage((inner) => {
      inner.journal.target = options.target
      inner.journal.cache = options.cache ?? "miss"
      return Effect.succeed(Reply.whole(completion))
    })
    yield* Effect.scoped(open(call))
    expect(call.journal.cost).toBeUndefined()
    yield* TestClock.adjust("1 hour")
    yield* call.settlement.run(outcome)
  }).pipe(Effect.provide(Pricing.layer(price)))
  return { asked, journal: call.journal }
})

const success: Outcome = { _tag: "Success", completion }
const error = new ProviderServerError({ ...target, detail: "" })

describe("Pricing", () => {
  it.effect("prices an answer by its usage, its target and the time at which the call began", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(5000)
      const { asked, journal } = yield* priced(success, { target })
      expect(asked).toEqual([[target, completion.usage, 5000]])
      expect(journal).toMatchObject({ cost, saved: undefined })
    })
  )

  it.effect("says why there is no price, and never 0 instead", () =>
    Effect.gen(function* () {
      const unpriced = { _tag: "Unpriced", reason: "unknown model" } as const
      expect((yield* priced(success, { target, price: () => unpriced })).journal.cost).toEqual(unpriced)
    })
  )

  for (const cache of ["hit", "semantic", "coalesced"] as const) {
    it.effect(`takes nothing for a ${cache}, and notes what it saved`, () =>
      Effect.gen(function* () {
        const { journal } = yield* priced(success, { target, cache })
        expect(journal.cost).toEqual({ _tag: "Priced", usd: 0, table: "cache" })
        expect(journal.saved).toEqual(cost)
      })
    )
  }

  it.effect("prices what had come of an answer that broke off or was left", () =>
    Effect.gen(function* () {
      for (const outcome of [
        { _tag: "Failure", error, partial: completion },
        { _tag: "Cancelled", partial: completion }
      ] satisfies ReadonlyArray<Outcome>) {
        expect((yield* priced(outcome, { target })).journal.cost).toEqual(cost)
      }
    })
  )

  it.effect("prices what broke off before it named its tier by the tier that was asked for", () =>
    Effect.gen(function* () {
      const request = { providerOptions: { service_tier: "flex" } }
      const estimated = { ...completion, usage: { ...completion.usage, estimated: true } }
      const left: Outcome = { _tag: "Cancelled", partial: estimated }
      const { asked } = yield* priced(left, { target, request })
      expect(asked[0]![1]).toEqual({ ...estimated.usage, detail: { serviceTier: "flex" } })
      expect((yield* priced(success, { target, request })).asked[0]![1]).toBe(completion.usage)
      expect((yield* priced(left, { target })).asked[0]![1]).toBe(estimated.usage)
    })
  )

  it.effect("asks for no price when nobody answered", () =>
    Effect.gen(function* () {
      for (const { outcome, answered } of [
        { outcome: { _tag: "Failure", error, partial: undefined } as const, answered: target },
        { outcome: { _tag: "Cancelled", partial: undefined } as const, answered: undefined },
        { outcome: success, answered: undefined }
      ]) {
        const { asked, journal } = yield* priced(outcome, answered === undefined ? {} : { target: answered })
        expect(asked).toEqual([])
        expect(journal.cost).toBeUndefined()
      }
    })
  )
})
