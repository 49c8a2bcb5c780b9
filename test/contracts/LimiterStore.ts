/**
 * What every store of shared limits promises: the same suite runs on memory and on Redis.
 */
import { assert, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import fc from "fast-check"
import { describe } from "vitest"
import {
  type Ask,
  leaseOf,
  type LimiterStore,
  type MemberStore,
  type RateAsk,
  type RateKey,
  type Verdict
} from "../../engine/src/LimiterStore.ts"
import { LimiterMemory } from "../../engine/src/stores/LimiterMemory.ts"
import { isLinearizable, type Operation } from "../support/linearizable.ts"

/** One instance's way to the store. */
export interface Access {
  readonly limits: LimiterStore
  readonly members: MemberStore
}

/** A new, empty store, whose clock the test sets. */
export interface OpenLimits {
  readonly access: Effect.Effect<Access, never, Scope.Scope>
  /** Milliseconds from the start. */
  readonly setClock: (nowMs: number) => void
}

export const leaseMs = 15_000
export const startMs = 1_900_000_000_000

const scope = "at p"
const ratesOf = (amount: number, limits: { requests?: number; tokens?: number } = {}): ReadonlyArray<RateAsk> => [
  ...(limits.requests === undefined ? [] : [rate("requests", limits.requests, 1)]),
  ...(limits.tokens === undefined ? [] : [rate("tokens", limits.tokens, amount)])
]
const rate = (kind: "requests" | "tokens", limit: number, amount: number, of = scope): RateAsk => ({
  scope: of,
  kind,
  windowMs: 60_000,
  limit,
  burst: limit,
  amount,
  need: amount
})

const askOf = (member: string, rates: ReadonlyArray<RateAsk>, concurrent?: number): Ask => ({
  member,
  places: [...new Set([scope, ...rates.map((each) => each.scope)])].map((of) => ({
    scope: of,
    concurrent: of === scope ? concurrent : undefined
  })),
  rates
})

const givenBack = (member: string) => ({ member, places: [scope], rates: [], scopes: [scope] })

/** What was told without waiting has arrived when something has been answered after it. */
const told = ({ limits }: Access) => Effect.orDie(limits.look([rate("requests", 1, 1, "nothing")]))

const activeOf = (verdict: Verdict) => (verdict._tag === "Granted" ? verdict.active[0] : verdict._tag)

export const limiterStoreContract = (name: string, open: Effect.Effect<OpenLimits, never, Scope.Scope>): void => {
  const test = (title: string, body: (open: OpenLimits) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(Effect.flatMap(open, body)), 60_000)

  const joined = (opened: OpenLimits, member: string) =>
    Effect.tap(opened.access, ({ members }) => members.join(member, [], []))

  describe(`limiter store: ${name}`, () => {
    test("takes everything or nothing", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const tight = { ...rate("tokens", 100, 60), scope: "tenant t" }
        const rates = [rate("requests", 10, 1), rate("tokens", 1000, 60), tight]
        assert.deepInclude(yield* a.limits.admit(askOf("a", rates, 2)), { _tag: "Granted", used: [1, 60, 60] })
        const refused = yield* a.limits.admit(askOf("a", rates, 2))
        assert.strictEqual(refused._tag, "Refused")
        assert.strictEqual(refused._tag === "Refused" && refused.scope, "tenant t")
        const uses = yield* a.limits.look(rates)
        assert.deepStrictEqual(
          uses.map(({ used }) => used),
          [1, 60, 60]
        )
        assert.strictEqual(activeOf(yield* a.limits.admit(askOf("a", [], 2))), 2)
      }))

    test("says when there is room again, to the slice", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const asked = askOf("a", ratesOf(40, { tokens: 100 }))
        for (const atMs of [0, 10_000]) {
          opened.setClock(atMs)
          yield* a.members.beat("a", [])
          assert.strictEqual((yield* a.limits.admit(asked))._tag, "Granted")
        }
        const refused = yield* a.limits.admit(asked)
        const waitMs = (refused._tag === "Refused" && refused.waitMs) || 0
        assert.isAbove(waitMs, 50_000)
        assert.isBelow(waitMs, 50_500)
        yield* a.members.join("a", [], [])
        opened.setClock(10_000 + Math.floor(waitMs) - 1)
        yield* a.members.join("a", [], [])
        assert.strictEqual((yield* a.limits.admit(asked))._tag, "Refused")
        opened.setClock(10_000 + Math.ceil(waitMs))
        assert.strictEqual((yield* a.limits.admit(asked))._tag, "Granted")
      }))

    test("paces at 98 % of the rate after a burst", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const asked = askOf("a", [{ ...rate("requests", 600, 1), burst: 10 }])
        for (let i = 0; i < 10; i++) assert.strictEqual((yield* a.limits.admit(asked))._tag, "Granted")
        const refused = yield* a.limits.admit(asked)
        assert.strictEqual(refused._tag, "Refused")
        assert.approximately((refused._tag === "Refused" && refused.waitMs) || 0, 100 / 0.98, 0.01)
      }))

    test("replaces a reservation by what was used, where it was taken and from now on", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const [asked] = ratesOf(80, { tokens: 100 }) as [RateAsk]
        const granted = yield* a.limits.admit(askOf("a", [asked]))
        const takenAtMs = granted._tag === "Granted" ? granted.atMs : 0
        opened.setClock(5000)
        const correction = { ...asked, takenAtMs, reserved: 80, actual: 50, late: 30 }
        a.limits.giveBack({ member: "a", places: [], rates: [correction], scopes: [scope] })
        const [use] = yield* a.limits.look([asked])
        assert.strictEqual(use!.used, 50)
        const late = use!.parts.filter(({ agoMs }) => agoMs === 0).reduce((sum, { amount }) => sum + amount, 0)
        assert.strictEqual(late, 30)
        opened.setClock(62_000)
        assert.strictEqual((yield* a.limits.look([asked]))[0]!.used, 30)
      }))

    test("calls at once of all members are bounded, and a place that is given back is told to who waits", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const b = yield* joined(opened, "b")
        const freed: Array<string | undefined> = []
        yield* b.limits.listen({ freed: (of) => void freed.push(of), paused: () => {}, lowered: () => {} })
        assert.strictEqual(activeOf(yield* a.limits.admit(askOf("a", [], 2))), 1)
        assert.strictEqual(activeOf(yield* b.limits.admit(askOf("b", [], 2))), 2)
        assert.deepStrictEqual(yield* b.limits.admit(askOf("b", [], 2)), { _tag: "Refused", scope, waitMs: undefined })
        const before = freed.length
        a.limits.giveBack(givenBack("a"))
        yield* eventually(() => freed.slice(before).includes(scope))
        assert.strictEqual(activeOf(yield* b.limits.admit(askOf("b", [], 2))), 2)
        // Nobody waits any more: nobody is told.
        const after = freed.length
        b.limits.giveBack(givenBack("b"))
        yield* told(b)
        assert.strictEqual(freed.length, after)
      }))

    test("what a member holds that has died is free when its lease has ended and it is buried, and not before", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const b = yield* joined(opened, "b")
        for (let i = 0; i < 3; i++) yield* a.limits.admit(askOf("a", [], 3))
        opened.setClock(leaseMs - 1)
        assert.deepInclude(yield* b.members.beat("b", []), { members: 2, dead: [] })
        b.members.bury("a")
        assert.strictEqual(activeOf(yield* b.limits.admit(askOf("b", [], 3))), "Refused")
        opened.setClock(leaseMs)
        assert.deepInclude(yield* b.members.beat("b", []), { members: 1, dead: ["a"] })
        b.members.bury("a")
        assert.strictEqual(activeOf(yield* b.limits.admit(askOf("b", [], 3))), 1)
        assert.deepInclude(yield* b.members.beat("b", []), { members: 1, dead: [] })
      }))

    test("one that was taken for dead is a stranger, joins with what it holds, and what it sent before counts no more", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const b = yield* joined(opened, "b")
        yield* a.limits.admit(askOf("a", [], 9))
        assert.deepStrictEqual(yield* a.limits.admit(askOf("nobody", [], 9)), { _tag: "Stranger" })
        opened.setClock(leaseMs)
        assert.deepStrictEqual(yield* a.limits.admit(askOf("a", [], 9)), { _tag: "Stranger" })
        assert.isUndefined(yield* a.members.beat("a", []))
        yield* b.members.join("b2", ["b"], [])
        b.members.bury("a")
        const { members } = yield* a.members.join("a2", ["a"], [[leaseOf(scope), 4]])
        assert.strictEqual(members, 2)
        a.limits.giveBack(givenBack("a"))
        yield* told(a)
        assert.strictEqual(activeOf(yield* b.limits.admit(askOf("b2", [], 9))), 5)
        a.members.leave("a2")
        yield* told(a)
        assert.strictEqual(activeOf(yield* b.limits.admit(askOf("b2", [], 9))), 2)
      }))

    test("sums what members say, in the place of what they said before", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const b = yield* joined(opened, "b")
        yield* a.members.beat("a", [
          ["calls", 10],
          ["retries", 2]
        ])
        const heard = yield* b.members.beat("b", [["calls", 5]])
        assert.deepStrictEqual(heard, { members: 2, sums: [15], dead: [] })
        const again = yield* a.members.beat("a", [
          ["calls", 1],
          ["retries", 0]
        ])
        assert.deepStrictEqual(again, { members: 2, sums: [6, 0], dead: [] })
      }))

    test("keeps a scope for a large ask that has waited, until it goes or asks no more", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const b = yield* joined(opened, "b")
        const sized = (member: string, amount: number) => askOf(member, ratesOf(amount, { tokens: 100 }))
        yield* a.limits.admit(sized("a", 50))
        const large = (waitedMs: number) => a.limits.admit({ ...sized("a", 90), claim: { id: "large", waitedMs } })
        const small = () => b.limits.admit({ ...sized("b", 10), claim: { id: "small", waitedMs: 0 } })
        assert.strictEqual((yield* large(900))._tag, "Refused")
        assert.strictEqual((yield* small())._tag, "Granted")
        assert.strictEqual((yield* large(1000))._tag, "Refused")
        assert.deepStrictEqual(yield* small(), { _tag: "Refused", scope, waitMs: 2500 })
        // One that asks no more is waited for no longer than that.
        opened.setClock(2500)
        assert.strictEqual((yield* small())._tag, "Granted")
        assert.strictEqual((yield* large(3500))._tag, "Refused")
        opened.setClock(2600)
        assert.strictEqual((yield* small())._tag, "Refused")
        opened.setClock(63_000)
        for (const [access, member] of [
          [a, "a2"],
          [b, "b2"]
        ] as const)
          yield* access.members.join(member, [], [])
        assert.strictEqual(
          (yield* a.limits.admit({ ...sized("a2", 90), claim: { id: "large", waitedMs: 63_000 } }))._tag,
          "Granted"
        )
        assert.strictEqual((yield* b.limits.admit(sized("b2", 10)))._tag, "Granted")
      }))

    test("counts what was taken without asking, and what went elsewhere, at its time", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const [asked] = ratesOf(70, { tokens: 100 }) as [RateAsk]
        for (const amount of [70, 60]) a.limits.count(askOf("a", [{ ...asked, amount }]))
        assert.strictEqual((yield* a.limits.look([asked]))[0]!.used, 130)
        yield* a.limits.restore([{ key: asked, passed: [{ agoMs: 59_000, amount: 7 }] }])
        assert.strictEqual((yield* a.limits.look([asked]))[0]!.used, 137)
        opened.setClock(2000)
        assert.strictEqual((yield* a.limits.look([asked]))[0]!.used, 130)
      }))

    test("tells all instances of a provider's pause and of a limit that is lower", (opened) =>
      Effect.gen(function* () {
        const a = yield* joined(opened, "a")
        const b = yield* joined(opened, "b")
        const heard: Array<unknown> = []
        yield* b.limits.listen({
          freed: () => {},
          paused: (provider, forMs) => void heard.push([provider, forMs]),
          lowered: (key) => void heard.push(key)
        })
        const key: RateKey = { scope, kind: "tokens", windowMs: 60_000, limit: 500 }
        yield* eventually(() => {
          if (heard.length === 0) a.limits.pause("p", 3000)
          return heard.length > 0
        })
        assert.deepStrictEqual(heard[0], ["p", 3000])
        a.limits.lowered(key)
        yield* eventually(() => heard.some((each) => !Array.isArray(each)))
        assert.deepStrictEqual(
          heard.find((each) => !Array.isArray(each)),
          key
        )
      }))

    test("counters of concurrent clients are linearizable", (opened) =>
      Effect.gen(function* () {
        const clients = yield* Effect.all(["a", "b", "c"].map((member) => joined(opened, member)))
        for (let round = 0; round < 20; round++) {
          const history: Array<Operation<number>> = []
          let tick = 0
          const client = (index: number) =>
            Effect.gen(function* () {
              const member = ["a", "b", "c"][index % 3]!
              const { limits } = clients[index % 3]!
              for (let i = 0; i < 4; i++) {
                const startedAt = ++tick
                const verdict = yield* limits.admit(askOf(member, [], 3))
                const endedAt = ++tick
                history.push({ startedAt, endedAt, apply: (active) => taken(verdict, active) })
                if (verdict._tag !== "Granted") continue
                if ((index + i + round) % 2 === 0) yield* Effect.yieldNow
                history.push({ startedAt: ++tick, endedAt: Infinity, apply: (active) => active - 1 })
                limits.giveBack(givenBack(member))
              }
            })
          yield* Effect.all(
            Array.from({ length: 6 }, (_, index) => client(index)),
            { concurrency: "unbounded" }
          )
          for (const each of clients) yield* told(each)
          assert.isTrue(isLinearizable(history, 0), JSON.stringify(history))
          assert.strictEqual(activeOf(yield* clients[0]!.limits.admit(askOf("a", [], 3))), 1)
          clients[0]!.limits.giveBack(givenBack("a"))
          yield* told(clients[0]!)
        }
      }))

    test("amounts of concurrent clients add up one by one, in the order of real time", (opened) =>
      Effect.gen(function* () {
        const clients = yield* Effect.all(["a", "b", "c"].map((member) => joined(opened, member)))
        const done: Array<{ from: number; to: number; startedAt: number; endedAt: number }> = []
        let tick = 0
        yield* Effect.all(
          Array.from({ length: 300 }, (_, index) =>
            Effect.gen(function* () {
              const amount = 1 + (index % 7)
              const startedAt = ++tick
              const member = ["a", "b", "c"][index % 3]!
              const verdict = yield* clients[index % 3]!.limits.admit(askOf(member, ratesOf(amount, { tokens: 1000 })))
              if (verdict._tag !== "Granted") return
              done.push({ from: verdict.used[0]! - amount, to: verdict.used[0]!, startedAt, endedAt: ++tick })
            })
          ),
          { concurrency: 12 }
        )
        done.sort((x, y) => x.to - y.to)
        let end = 0
        let latestStart = 0
        for (const { endedAt, from, startedAt, to } of done) {
          assert.strictEqual(from, end)
          end = to
          // Whoever had ended before another began comes before it.
          assert.isBelow(latestStart, endedAt)
          latestStart = Math.max(latestStart, startedAt)
        }
        assert.isAtMost(end, 1000)
        assert.isAbove(end, 993)
      }))

    it(
      "three clients on random schedules take what the model takes, and never more than a limit in any window",
      () =>
        fc.assert(
          fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) =>
            Effect.runPromise(Effect.scoped(Effect.flatMap(open, (opened) => follow(opened, steps))))
          ),
          { numRuns: 15, endOnFailure: true }
        ),
      60_000
    )
  })
}

const taken = (verdict: Verdict, active: number): number | undefined => {
  if (verdict._tag === "Granted") return active < 3 && verdict.active[0] === active + 1 ? active + 1 : undefined
  return active >= 3 ? active : undefined
}

const eventually = (holds: () => boolean) =>
  Effect.gen(function* () {
    for (let i = 0; i < 300 && !holds(); i++) yield* Effect.sleep(10)
    assert.isTrue(holds())
  })

type Step =
  | { readonly do: "admit"; readonly client: number; readonly tokens: number; readonly tenant: number }
  | { readonly do: "end"; readonly which: number; readonly actual: number; readonly late: number }
  | { readonly do: "wait"; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("admit" as const),
      client: fc.nat({ max: 2 }),
      tokens: fc.integer({ min: 1, max: 400 }),
      tenant: fc.nat({ max: 1 })
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      which: fc.nat({ max: 50 }),
      actual: fc.integer({ min: 0, max: 500 }),
      late: fc.integer({ min: 0, max: 100 })
    })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 9000 }) }) }
)

const tenants = ["tenant x", "tenant y"]
const names = ["a", "b", "c"]

/** Walks a schedule with the store and with the model beside it, and keeps a ledger of every amount. */
const follow = (opened: OpenLimits, steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    let atMs = 0
    const memory = new LimiterMemory({ nowMs: () => startMs + atMs, leaseMs })
    const model = memory.open()
    const clients = yield* Effect.all(names.map(() => opened.access))
    for (const [index, name] of names.entries()) {
      yield* clients[index]!.members.join(name, [], [])
      yield* model.members.join(name, [], [])
    }
    const limits = { requests: 30, tokens: 1000 }
    const ledger: Array<{ atMs: number; tokens: number; late: number; endMs: number }> = []
    const running: Array<{ index: number; member: number; ask: Ask; takenAtMs: number }> = []
    for (const each of steps) {
      if (each.do === "wait") {
        atMs += each.ms
        opened.setClock(atMs)
        for (const [index, name] of names.entries()) {
          yield* clients[index]!.members.beat(name, [])
          yield* model.members.beat(name, [])
        }
      } else if (each.do === "admit") {
        const rates = [
          ...ratesOf(each.tokens, limits),
          { ...rate("tokens", 600, each.tokens, tenants[each.tenant]), burst: 250 }
        ]
        const ask = askOf(names[each.client]!, rates, 4)
        const verdict = yield* clients[each.client]!.limits.admit(ask)
        const expected = yield* model.limits.admit(ask)
        if (verdict._tag === "Refused" && expected._tag === "Refused" && expected.waitMs !== undefined) {
          assert.strictEqual(verdict.scope, expected.scope)
          assert.approximately(verdict.waitMs ?? -1, expected.waitMs, 0.01)
        } else assert.deepStrictEqual(verdict, expected)
        if (verdict._tag !== "Granted") continue
        running.push({ index: ledger.length, member: each.client, ask, takenAtMs: verdict.atMs })
        ledger.push({ atMs, tokens: each.tokens, late: 0, endMs: atMs })
      } else {
        const [ended] = running.splice(each.which % Math.max(1, running.length), 1)
        if (ended === undefined) continue
        // Nothing that ends may have used more than it had reserved: the limit holds for what is known at admission.
        const reserved = ledger[ended.index]!.tokens
        const actual = Math.min(each.actual, reserved)
        const late = Math.min(each.late, actual)
        const given = {
          member: names[ended.member]!,
          places: [scope],
          rates: ended.ask.rates
            .filter(({ kind }) => kind === "tokens")
            .map((key) => ({ ...key, takenAtMs: ended.takenAtMs, reserved, actual, late })),
          scopes: ended.ask.places.map((place) => place.scope)
        }
        clients[ended.member]!.limits.giveBack(given)
        yield* told(clients[ended.member]!)
        model.limits.giveBack(given)
        ledger[ended.index] = { ...ledger[ended.index]!, tokens: actual - late, late, endMs: atMs }
      }
    }
    for (const { atMs: endMs } of ledger) {
      const inWindow = ledger.filter((each) => each.atMs > endMs - 60_000 && each.atMs <= endMs)
      assert.isAtMost(inWindow.length, limits.requests)
      assert.isAtMost(
        inWindow.reduce((sum, { tokens }) => sum + tokens, 0),
        limits.tokens
      )
    }
  })
