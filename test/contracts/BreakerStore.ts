/**
 * What every store of circuits promises: the same suite runs on memory and on Redis.
 */
import { Effect, type Scope } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { BreakerStore, CircuitChange } from "../../engine/src/BreakerStore.ts"

/** A new, empty store. */
export interface OpenBreakers {
  /** One instance's way to it, and how it is taken out of reach and brought back. */
  readonly access: Effect.Effect<
    { readonly store: BreakerStore; readonly reach: (up: boolean) => Effect.Effect<void> },
    never,
    Scope.Scope
  >
  /** Loses everything. */
  readonly clear: Effect.Effect<void>
}

const a = { provider: "a", model: "m" }

const opened = (fields: Partial<CircuitChange> = {}): CircuitChange => ({
  ...a,
  state: "open",
  forMs: 60_000,
  byHand: false,
  ...fields
})

/** What an instance has heard. */
class Heard {
  readonly changes: Array<CircuitChange> = []
  readonly lists: Array<{ readonly all: ReadonlyArray<CircuitChange>; readonly lost: boolean }> = []

  readonly on = {
    changed: (change: CircuitChange) => void this.changes.push(change),
    all: (all: ReadonlyArray<CircuitChange>, lost: boolean) => void this.lists.push({ all, lost })
  }
}

const gist = ({ byHand, model, provider, state }: CircuitChange) => `${provider}/${model ?? "*"} ${state} ${byHand}`

const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
  Effect.promise(() => expect.poll(holds, { timeout: 10_000, interval: 5, message: what }).toBe(true))

export const breakerStoreContract = (
  name: string,
  open: Effect.Effect<OpenBreakers, never, Scope.Scope>,
  options: { readonly runs: number }
): void => {
  const check = (what: string, body: (breakers: OpenBreakers) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it(what, () => Effect.runPromise(Effect.scoped(Effect.flatMap(open, body))), 30_000)

  const listening = (breakers: OpenBreakers) =>
    Effect.gen(function* () {
      const { reach, store } = yield* breakers.access
      const heard = new Heard()
      yield* store.listen(heard.on)
      yield* until("it knows what holds", () => heard.lists.length > 0)
      return { store, reach, heard }
    })

  /** What one who comes now learns, once that is as long as expected. */
  const learned = (breakers: OpenBreakers, length: number): Effect.Effect<ReadonlyArray<CircuitChange>> =>
    Effect.scoped(Effect.map(listening(breakers), ({ heard }) => heard.lists[0]!)).pipe(
      Effect.tap(({ lost }) => Effect.sync(() => expect(lost).toBe(false))),
      Effect.map(({ all }) => all),
      Effect.repeat({ until: (all) => all.length === length })
    )

  describe(name, () => {
    check("tells a change to all other instances, and not to the one that told it", (breakers) =>
      Effect.gen(function* () {
        const [one, two, three] = yield* Effect.all([listening(breakers), listening(breakers), listening(breakers)])
        one!.store.tell(opened())
        one!.store.tell(opened({ state: "closed", forMs: undefined }))
        two!.store.tell(opened({ model: undefined, state: "auto", forMs: undefined, byHand: true }))
        yield* until("all have heard", () => [one, two, three].every((each) => each!.heard.changes.length > 0))
        yield* until("all of it", () => three!.heard.changes.length === 3)
        expect(one!.heard.changes.map(gist)).toEqual(["a/* auto true"])
        expect(two!.heard.changes.map(gist)).toEqual(["a/m open false", "a/m closed false"])
        expect(two!.heard.changes[0]).toEqual(opened())
      })
    )

    check("who comes later learns what holds and for how long yet, and nothing that is over", (breakers) =>
      Effect.gen(function* () {
        const { store } = yield* listening(breakers)
        store.tell(opened())
        store.tell(opened({ model: "short", forMs: 1 }))
        store.tell(opened({ model: "closed again" }))
        store.tell(opened({ model: "closed again", state: "closed", forMs: undefined }))
        store.tell(opened({ provider: "b", model: undefined, state: "closed", byHand: true, forMs: 30_000 }))
        const last = yield* listening(breakers)
        store.tell(opened({ model: "last" }))
        yield* until("the last of it has come", () => last.heard.changes.length > 0)
        const all = yield* learned(breakers, 3)
        expect(all.map(gist).toSorted()).toEqual(["a/last open false", "a/m open false", "b/* closed true"])
        for (const { forMs } of all) expect(forMs).toBeGreaterThan(20_000)
        for (const { forMs } of all) expect(forMs).toBeLessThanOrEqual(60_000)
      })
    )

    check("an order for a provider takes the place of those for its models", (breakers) =>
      Effect.gen(function* () {
        const { store } = yield* listening(breakers)
        store.tell(opened({ byHand: true }))
        store.tell(opened({ provider: "ab", byHand: true }))
        store.tell(opened({ model: undefined, state: "closed", byHand: true, forMs: 50_000 }))
        expect((yield* learned(breakers, 2)).map(gist).toSorted()).toEqual(["a/* closed true", "ab/m open true"])
      })
    )

    check("lets one instance probe at a time, until it gives up, a change comes, or its time is over", (breakers) =>
      Effect.gen(function* () {
        const all = yield* Effect.forEach([1, 2, 3, 4], () => listening(breakers))
        const ask = (leaseMs = 60_000) =>
          Effect.forEach(all, ({ store }) => store.probe(a, leaseMs), { concurrency: "unbounded" })
        const first = yield* ask()
        expect(first.filter(Boolean)).toHaveLength(1)
        expect(yield* ask()).toEqual([false, false, false, false])
        expect(yield* all[0]!.store.probe({ ...a, model: "other" }, 60_000)).toBe(true)
        const holder = all[first.indexOf(true)]!
        for (const { store } of all) if (store !== holder.store) store.giveUp(a)
        expect(yield* ask()).toEqual([false, false, false, false])
        holder.store.giveUp(a)
        const freed: Array<boolean> = []
        while (!freed.includes(true)) freed.push(yield* holder.store.probe(a, 60_000))
        holder.store.tell(opened())
        yield* until("it is told", () => all.some(({ heard }) => heard.changes.length > 0))
        const after = yield* ask(20)
        expect(after.filter(Boolean)).toHaveLength(1)
        let granted = false
        while (!granted) granted = (yield* ask(60_000)).includes(true)
      })
    )

    check("what is told out of reach is told when it is back, and what was missed is learned", (breakers) =>
      Effect.gen(function* () {
        const [one, two] = yield* Effect.all([listening(breakers), listening(breakers)])
        yield* two!.reach(false)
        expect(yield* Effect.isSuccess(two!.store.probe(a, 1000))).toBe(false)
        one!.store.tell(opened())
        two!.store.tell(opened({ provider: "b" }))
        yield* two!.reach(true)
        yield* until("the one has heard", () => one!.heard.changes.length > 0)
        expect(one!.heard.changes.map(gist)).toEqual(["b/m open false"])
        yield* until("the other knows", () => two!.heard.lists.at(-1)!.all.length === 2)
        expect(two!.heard.lists.at(-1)!.all.map(gist).toSorted()).toEqual(["a/m open false", "b/m open false"])
        expect(two!.heard.lists.at(-1)!.lost).toBe(false)
      })
    )

    check("tells those it has told that it has forgotten everything", (breakers) =>
      Effect.gen(function* () {
        const one = yield* listening(breakers)
        one.store.tell(opened())
        yield* breakers.clear
        yield* until("it is told", () => one.heard.lists.some(({ lost }) => lost))
        const later = yield* listening(breakers)
        expect(later.heard.lists[0]!.lost).toBe(false)
      })
    )

    check("holds, after any changes by anybody, what a model of one process holds", (breakers) =>
      Effect.gen(function* () {
        const tellers = yield* Effect.forEach([1, 2, 3], () => listening(breakers))
        const change = fc.record({
          by: fc.nat({ max: 2 }),
          provider: fc.constantFrom("a", "ab", "é{x}"),
          model: fc.constantFrom(undefined, "m", "n/o", "{y}"),
          state: fc.constantFrom("open" as const, "closed" as const, "auto" as const),
          holds: fc.boolean(),
          byHand: fc.boolean()
        })
        let round = 0
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
              const mark = `round ${round++}`
              const expected = new Map<string, CircuitChange>()
              for (const each of tellers) {
                for (const provider of ["a", "ab", "é{x}"]) {
                  each.store.tell({ provider, model: undefined, state: "auto", forMs: undefined, byHand: true })
                }
                await settled(tellers, each.store, `${mark} ${tellers.indexOf(each)} cleared`)
              }
              for (const { by, holds, ...fields } of changes) {
                const told: CircuitChange = { ...fields, forMs: holds ? 60_000 : undefined }
                if (told.model === undefined) {
                  for (const [key, { provider }] of expected) if (provider === told.provider) expected.delete(key)
                }
                const key = JSON.stringify([told.provider, told.model ?? null])
                expected.delete(key)
                if (holds) expected.set(key, told)
                const { store } = tellers[by]!
                store.tell(told)
                await settled(tellers, store, `${mark} ${expected.size} ${Math.random()}`)
              }
              const kept = await Effect.runPromise(
                Effect.scoped(Effect.map(listening(breakers), ({ heard }) => heard.lists[0]!.all))
              )
              const mine = kept.filter(({ provider }) => provider !== "mark")
              expect(mine.map(gist).toSorted()).toEqual([...expected.values()].map(gist).toSorted())
            }),
            { numRuns: options.runs, endOnFailure: true }
          )
        )
      })
    )
  })
}

/** Everybody else has heard what an instance told until now. */
const settled = async (
  all: ReadonlyArray<{ readonly store: BreakerStore; readonly heard: Heard }>,
  by: BreakerStore,
  mark: string
): Promise<void> => {
  by.tell({ provider: "mark", model: mark, state: "auto", forMs: undefined, byHand: false })
  const others = all.filter(({ store }) => store !== by)
  await expect
    .poll(() => others.every(({ heard }) => heard.changes.some(({ model }) => model === mark)), {
      timeout: 10_000,
      interval: 1
    })
    .toBe(true)
}
