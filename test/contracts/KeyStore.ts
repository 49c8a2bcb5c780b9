/**
 * What every store of virtual keys promises; each implementation runs all of it.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import * as KeyRecord from "../../engine/src/KeyRecord.ts"
import type { KeyStore } from "../../engine/src/KeyStore.ts"

export const settings: KeyRecord.KeySettings = {
  name: "app",
  tenant: "acme",
  models: ["openai/*", "fast"],
  providers: ["openai"],
  rateLimits: { requestsPerMinute: 60, tokensPerMinute: 10_000, concurrent: 5, windowMs: 60_000 },
  budgets: [{ usd: 12.5, period: "month", timeZone: "Europe/Berlin", warnAt: [0.5] }],
  metadata: { team: "search", ключ: [1, null, { deep: "ü" }] },
  disabled: false,
  expiresAtMs: 1_900_000_000_000
}

/** `open` gives a store over the same place each time, in one test; another test has another place. */
export const keyStoreContract = (
  open: Effect.Effect<Effect.Effect<KeyStore, never, Scope.Scope>, never, Scope.Scope>,
  options: { readonly shared: boolean }
): void => {
  const nowMs = 1_800_000_000_000

  it.live("gives back what was put in, field by field", () =>
    Effect.gen(function* () {
      const store = yield* yield* open
      assert.deepStrictEqual((yield* store.load).records, [])
      const { record } = KeyRecord.make(settings, nowMs)
      yield* store.insert(record)
      assert.deepStrictEqual((yield* store.load).records, [record])
    })
  )

  it.live("moves the revision on with every change, and not with a use", () =>
    Effect.gen(function* () {
      const store = yield* yield* open
      const revisions = [yield* store.revision]
      const { record } = KeyRecord.make(settings, nowMs)
      yield* store.insert(record)
      revisions.push(yield* store.revision)
      yield* store.update(record.id, (before) => KeyRecord.change(before, { disabled: true }, nowMs))
      revisions.push(yield* store.revision)
      yield* store.remove(record.id)
      revisions.push(yield* store.revision)
      assert.deepStrictEqual(
        revisions,
        [...new Set(revisions)].sort((a, b) => a - b)
      )
      yield* store.insert(record)
      const before = yield* store.load
      yield* store.touch(new Map([[record.id, nowMs]]))
      assert.strictEqual(yield* store.revision, before.revision)
    })
  )

  it.live("updates what is there and keeps when it was used; a missing key is said to be missing", () =>
    Effect.gen(function* () {
      const store = yield* yield* open
      const { record } = KeyRecord.make(settings, nowMs)
      yield* store.insert(record)
      yield* store.touch(new Map([[record.id, nowMs + 5]]))
      const changed = yield* store.update(record.id, (before) => {
        assert.deepStrictEqual(before, { ...record, lastUsedAtMs: nowMs + 5 })
        return KeyRecord.change({ ...before, lastUsedAtMs: 1 }, { models: null, tenant: "other" }, nowMs + 10)
      })
      assert.deepStrictEqual(changed, {
        ...record,
        models: null,
        tenant: "other",
        updatedAtMs: nowMs + 10,
        lastUsedAtMs: nowMs + 5
      })
      assert.deepStrictEqual((yield* store.load).records, [changed!])
      assert.isUndefined(yield* store.update("key_none", (before) => before))
      assert.isFalse(yield* store.remove("key_none"))
      assert.isTrue(yield* store.remove(record.id))
      assert.deepStrictEqual((yield* store.load).records, [])
    })
  )

  it.live("never moves a use back, and notes none for keys that are gone", () =>
    Effect.gen(function* () {
      const store = yield* yield* open
      const { record } = KeyRecord.make(settings, nowMs)
      yield* store.insert(record)
      yield* store.touch(new Map([[record.id, nowMs + 10]]))
      yield* store.touch(
        new Map([
          [record.id, nowMs + 5],
          ["key_none", nowMs]
        ])
      )
      assert.deepStrictEqual(
        (yield* store.load).records.map(({ lastUsedAtMs }) => lastUsedAtMs),
        [nowMs + 10]
      )
    })
  )

  it.live("loses no change of many at the same time", () =>
    Effect.gen(function* () {
      const store = yield* yield* open
      const { record } = KeyRecord.make({ ...settings, metadata: { count: 0 } }, nowMs)
      yield* store.insert(record)
      const increment = store.update(record.id, (before) => ({
        ...before,
        metadata: { count: Number(before.metadata!["count"]) + 1 }
      }))
      yield* Effect.all(
        Array.from({ length: 40 }, () => increment),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual((yield* store.load).records[0]?.metadata, { count: 40 })
    })
  )

  if (!options.shared) return

  it.live("is seen by another instance over the same database, whose changes are not lost either", () =>
    Effect.gen(function* () {
      const again = yield* open
      const [one, other] = [yield* again, yield* again]
      const { record } = KeyRecord.make({ ...settings, metadata: { count: 0 } }, nowMs)
      yield* one.insert(record)
      assert.deepStrictEqual((yield* other.load).records, [record])
      const incrementAt = (store: KeyStore) =>
        store.update(record.id, (before) => ({
          ...before,
          metadata: { count: Number(before.metadata!["count"]) + 1 }
        }))
      yield* Effect.all(
        Array.from({ length: 20 }, (_, index) => incrementAt(index % 2 === 0 ? one : other)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual((yield* one.load).records[0]?.metadata, { count: 20 })
      assert.strictEqual(yield* one.revision, yield* other.revision)
    })
  )

  it.live("holds no secret, only its hash", () =>
    Effect.gen(function* () {
      const store = yield* yield* open
      const { record, secret } = KeyRecord.make(settings, nowMs)
      yield* store.insert(record)
      const kept = JSON.stringify(yield* store.load)
      assert.notInclude(kept, Redacted.value(secret))
      assert.include(kept, KeyRecord.hashOf(Redacted.value(secret)))
    })
  )
}
