import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Layer, Logger, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { makeCall, type Target } from "../../engine/src/Call.ts"
import { allows, type Grant } from "../../engine/src/Grant.ts"
import * as KeyRecord from "../../engine/src/KeyRecord.ts"
import { Keys, type KeysOptions } from "../../engine/src/Keys.ts"
import { type KeyStore, KeyStoreUnavailable } from "../../engine/src/KeyStore.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import * as KeysMemory from "../../engine/src/stores/KeysMemory.ts"
import { makeRequest } from "./requests.ts"

const settings: KeyRecord.KeySettings = {
  name: "app",
  tenant: "acme",
  models: null,
  providers: null,
  rateLimits: null,
  budgets: null,
  metadata: null,
  disabled: false,
  expiresAtMs: null
}

/** Keys over a store that can be taken away. */
const withStore = (
  use: (keys: Keys["Service"], store: KeyStore, away: { now: boolean }) => Effect.Effect<void, unknown, Scope.Scope>,
  options: { readonly away?: boolean; readonly log?: Array<string> } = {}
) =>
  Effect.gen(function* () {
    const store = yield* KeysMemory.make
    const away = { now: options.away === true }
    const unlessAway = <A>(effect: Effect.Effect<A, KeyStoreUnavailable>) =>
      Effect.suspend(() => (away.now ? Effect.fail(new KeyStoreUnavailable({ detail: "away" })) : effect))
    const wrapped: KeyStore = {
      kind: "sqlite",
      revision: unlessAway(store.revision),
      load: unlessAway(store.load),
      insert: (record) => unlessAway(store.insert(record)),
      update: (id, f) => unlessAway(store.update(id, f)),
      remove: (id) => unlessAway(store.remove(id)),
      touch: (uses) => unlessAway(store.touch(uses))
    }
    const logger = Logger.layer([Logger.make(({ message }) => options.log?.push(JSON.stringify(message)))])
    const keys = yield* Effect.map(Layer.build(layerOf(wrapped)), (context) => context).pipe(
      Effect.provide(logger),
      Effect.flatMap((context) => Effect.provide(Keys, context))
    )
    yield* Effect.provide(use(keys, store, away), logger)
  })

const layerOf = (store: KeyStore, options: Omit<KeysOptions, "store"> = {}) =>
  Keys.layer({ ...options, store: Effect.succeed(store) })

const secretOf = ({ secret }: KeyRecord.MadeKey): string => Redacted.value(secret)

const tagOf = (found: ReturnType<Keys["Service"]["authenticate"]>): string =>
  found._tag === "Refused" ? found.reason : found._tag

describe("a secret", () => {
  it.effect("has 256 bits, is unlike every other, and is told by its last four characters and its hash alone", () =>
    Effect.sync(() => {
      const made = Array.from({ length: 1000 }, () => KeyRecord.make(settings, 1))
      const secrets = made.map(secretOf)
      assert.strictEqual(new Set(secrets).size, 1000)
      assert.strictEqual(new Set(made.map(({ record }) => record.id)).size, 1000)
      for (const [index, secret] of secrets.entries()) {
        assert.match(secret, /^mr-[A-Za-z0-9_-]{43}$/)
        assert.isTrue(KeyRecord.isSecret(secret))
        assert.strictEqual(Buffer.from(secret.slice(3), "base64url").length, 32)
        const { record } = made[index]!
        assert.match(record.id, /^key_[0-9a-f]{16}$/)
        assert.notInclude(JSON.stringify(record), secret.slice(3, -4))
        assert.strictEqual(record.secrets[0]!.last4, secret.slice(-4))
      }
      assert.notInclude(`${String(made[0]!.secret)}${JSON.stringify(made[0])}`, secrets[0]!)
    })
  )

  it.effect("is known for what it is, and nothing else is", () =>
    withStore((keys) =>
      Effect.gen(function* () {
        const made = yield* keys.create(settings)
        const secret = secretOf(made)
        assert.deepStrictEqual(keys.authenticate(secret, 0), { _tag: "Granted", grant: KeyRecord.grantOf(made.record) })
        const flipped = `${secret.slice(0, 10)}${secret[10] === "A" ? "B" : "A"}${secret.slice(11)}`
        const others = ["", "mr-", secret.slice(0, -1), `${secret}x`, secret.toUpperCase(), flipped, made.record.id]
        for (const other of [...others, KeyRecord.hashOf(secret), "x".repeat(100_000)]) {
          assert.strictEqual(tagOf(keys.authenticate(other, 0)), "unknown")
        }
      })
    )
  )

  it.effect("is judged within 2 µs or so, known or not, with 10,000 keys", () =>
    withStore((keys) =>
      Effect.gen(function* () {
        const made: Array<string> = []
        for (let i = 0; i < 10_000; i++) made.push(secretOf(yield* keys.create(settings)))
        const stranger = secretOf(KeyRecord.make(settings, 1))
        for (const secret of [made[5000]!, stranger]) {
          for (let i = 0; i < 20_000; i++) keys.authenticate(secret, i)
          const startedAt = performance.now()
          for (let i = 0; i < 20_000; i++) keys.authenticate(secret, i)
          // Ten times the figure, for machines that are busy with others.
          assert.isBelow(((performance.now() - startedAt) / 20_000) * 1000, 20)
        }
      })
    )
  )
})

describe("the life of a key", () => {
  it.effect("goes from making over disabling and enabling to deleting, each in force at once", () =>
    withStore((keys) =>
      Effect.gen(function* () {
        const made = yield* keys.create(settings)
        const { id } = made.record
        const judged = () => tagOf(keys.authenticate(secretOf(made), 0))
        yield* keys.update(id, { disabled: true })
        assert.strictEqual(judged(), "disabled")
        yield* keys.update(id, { disabled: false })
        assert.strictEqual(judged(), "Granted")
        const gone: Array<string> = []
        const stop = keys.onRemoved((removed) => void gone.push(removed))
        assert.isTrue(yield* keys.remove(id))
        assert.strictEqual(judged(), "unknown")
        assert.isFalse(yield* keys.remove(id))
        assert.isUndefined(yield* keys.update(id, { disabled: true }))
        assert.isUndefined(yield* keys.rotate(id, 0))
        assert.isUndefined(yield* keys.find(id))
        assert.include(gone, id)
        stop()
      })
    )
  )

  it.effect("ends at its expiry, to the millisecond, and goes on when that is moved", () =>
    withStore((keys) =>
      Effect.gen(function* () {
        const made = yield* keys.create({ ...settings, expiresAtMs: 1000 })
        assert.strictEqual(tagOf(keys.authenticate(secretOf(made), 999)), "Granted")
        assert.strictEqual(tagOf(keys.authenticate(secretOf(made), 1000)), "expired")
        yield* keys.update(made.record.id, { expiresAtMs: null })
        assert.strictEqual(tagOf(keys.authenticate(secretOf(made), 5000)), "Granted")
      })
    )
  )

  it.effect("changes what is named and nothing else", () =>
    withStore((keys) =>
      Effect.gen(function* () {
        const made = yield* keys.create({ ...settings, models: ["a/*"], metadata: { a: 1 } })
        yield* TestClock.adjust(10)
        const changed = yield* keys.update(made.record.id, { models: null, tenant: "other" })
        assert.deepStrictEqual(changed, { ...made.record, models: null, tenant: "other", updatedAtMs: 10 })
        const found = keys.authenticate(secretOf(made), 20)
        assert.deepInclude(found._tag === "Granted" ? found.grant : {}, { tenant: "other", models: undefined })
      })
    )
  )

  it.effect("rotates with an overlap: both secrets are good until it ends, and the new one after it", () =>
    withStore((keys) =>
      Effect.gen(function* () {
        const first = yield* keys.create(settings)
        const second = (yield* keys.rotate(first.record.id, 1000))!
        const judged = (made: KeyRecord.MadeKey, nowMs: number) => tagOf(keys.authenticate(secretOf(made), nowMs))
        assert.notStrictEqual(secretOf(second), secretOf(first))
        assert.deepStrictEqual([judged(first, 999), judged(second, 999)], ["Granted", "Granted"])
        assert.deepStrictEqual([judged(first, 1000), judged(second, 1000)], ["expired", "Granted"])
        const third = (yield* keys.rotate(first.record.id, 0))!
        assert.deepStrictEqual(
          [judged(first, 0), judged(second, 0), judged(third, 0)],
          ["unknown", "unknown", "Granted"]
        )
        assert.strictEqual((yield* keys.find(first.record.id))!.secrets.length, 1)
      })
    )
  )

  it.effect("rotates often without keeping every secret, and without making an old one live longer", () =>
    withStore((keys) =>
      Effect.gen(function* () {
        const made = [yield* keys.create(settings)]
        for (let i = 0; i < 8; i++) made.push((yield* keys.rotate(made[0]!.record.id, 1000 * (i + 1)))!)
        const good = made.filter((each) => tagOf(keys.authenticate(secretOf(each), 0)) === "Granted")
        assert.deepStrictEqual(good, made.slice(-KeyRecord.secretsMax))
        const last = made.at(-2)!
        assert.strictEqual(tagOf(keys.authenticate(secretOf(last), 8000)), "expired")
      })
    )
  )

  it.effect("is in the log with every change, without a secret", () => {
    const log: Array<string> = []
    return withStore(
      (keys) =>
        Effect.gen(function* () {
          const made = yield* keys.create(settings)
          const { id } = made.record
          const again = (yield* keys.rotate(id, 10))!
          yield* keys.update(id, { disabled: true })
          yield* keys.update(id, { disabled: false })
          yield* keys.update(id, { name: "other" })
          yield* keys.remove(id)
          const lines = log.filter((line) => line.includes(id))
          assert.strictEqual(lines.length, 6)
          for (const [index, word] of ["created", "rotated", "disabled", "enabled", "changed", "deleted"].entries()) {
            assert.include(lines[index], word)
          }
          for (const secret of [made, again]) assert.notInclude(log.join("\n"), secretOf(secret).slice(3))
        }),
      { log }
    )
  })
})

describe("the store", () => {
  it.effect("is asked by no request; a use is written behind, at most once a minute, and at the end", () =>
    Effect.gen(function* () {
      const memory = yield* KeysMemory.make
      const touches: Array<ReadonlyArray<readonly [string, number]>> = []
      const store: KeyStore = {
        ...memory,
        kind: "sqlite",
        touch: (uses) => {
          touches.push([...uses])
          return memory.touch(uses)
        }
      }
      const id = yield* Effect.scoped(
        Effect.gen(function* () {
          const keys = yield* Effect.map(Layer.build(layerOf(store)), (context) => context).pipe(
            Effect.flatMap((context) => Effect.provide(Keys, context))
          )
          const made = yield* keys.create(settings)
          for (let second = 0; second < 150; second++) {
            keys.authenticate(secretOf(made), yield* Clock.currentTimeMillis)
            yield* TestClock.adjust("1 second")
          }
          assert.strictEqual(touches.length, 2)
          assert.strictEqual((yield* keys.find(made.record.id))!.lastUsedAtMs, 149_000)
          return made.record.id
        })
      )
      assert.deepStrictEqual(touches.at(-1), [[id, 149_000]])
      assert.strictEqual(touches.length, 3)
      assert.strictEqual((yield* memory.load).records[0]!.lastUsedAtMs, 149_000)
    })
  )

  it.effect("shows changes of other instances within the time that is set", () =>
    withStore((keys, store) =>
      Effect.gen(function* () {
        const made = yield* keys.create(settings)
        const other = KeyRecord.make(settings, 1)
        yield* store.insert(other.record)
        yield* store.update(made.record.id, (record) => KeyRecord.change(record, { disabled: true }, 5))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(tagOf(keys.authenticate(secretOf(made), 0)), "disabled")
        assert.strictEqual(tagOf(keys.authenticate(secretOf(other), 0)), "Granted")
        const gone: Array<string> = []
        keys.onRemoved((id) => void gone.push(id))
        yield* store.remove(other.record.id)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(tagOf(keys.authenticate(secretOf(other), 0)), "unknown")
        assert.deepStrictEqual(gone, [other.record.id])
      })
    )
  )

  it.effect("that is away at the start leaves everybody unknown until it was read once", () =>
    withStore(
      (keys, store, away) =>
        Effect.gen(function* () {
          const made = KeyRecord.make(settings, 1)
          yield* store.insert(made.record)
          assert.strictEqual(tagOf(keys.authenticate(secretOf(made), 0)), "Unavailable")
          assert.deepStrictEqual(keys.health(), { kind: "sqlite", loaded: false, keys: 0, reason: "away" })
          assert.strictEqual((yield* Effect.flip(keys.all))._tag, "KeyStoreUnavailable")
          away.now = false
          yield* TestClock.adjust("1 second")
          assert.strictEqual(tagOf(keys.authenticate(secretOf(made), 0)), "Granted")
          assert.deepStrictEqual(keys.health(), { kind: "sqlite", loaded: true, keys: 1, reason: null })
        }),
      { away: true }
    )
  )

  it.effect(
    "that goes away later changes nothing for those who are known; changes fail and are seen when it is back",
    () => {
      const log: Array<string> = []
      return withStore(
        (keys, store, away) =>
          Effect.gen(function* () {
            const made = yield* keys.create(settings)
            away.now = true
            yield* TestClock.adjust("1 minute")
            assert.strictEqual(tagOf(keys.authenticate(secretOf(made), 60_000)), "Granted")
            assert.strictEqual((yield* Effect.flip(keys.create(settings)))._tag, "KeyStoreUnavailable")
            assert.strictEqual((yield* Effect.flip(keys.remove(made.record.id)))._tag, "KeyStoreUnavailable")
            assert.strictEqual(tagOf(keys.authenticate(secretOf(made), 60_000)), "Granted")
            assert.strictEqual(log.filter((line) => line.includes("the keys can't be read")).length, 1)
            yield* store.remove(made.record.id)
            away.now = false
            yield* TestClock.adjust("10 seconds")
            assert.strictEqual(tagOf(keys.authenticate(secretOf(made), 80_000)), "unknown")
            assert.strictEqual(keys.health().reason, null)
          }),
        { log }
      )
    }
  )

  it.effect("that never answers holds up neither the start for long nor a request", () =>
    Effect.gen(function* () {
      const memory = yield* KeysMemory.make
      const asked = yield* Deferred.make<void>()
      const store: KeyStore = {
        ...memory,
        kind: "sqlite",
        load: Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
      }
      const building = yield* Effect.forkChild(Layer.build(layerOf(store)))
      yield* Deferred.await(asked)
      yield* TestClock.adjust("3 seconds")
      assert.isDefined(building.pollUnsafe())
    })
  )
})

const target = (id: string): Target => {
  const slash = id.indexOf("/")
  return { provider: id.slice(0, slash), model: id.slice(slash + 1) }
}

const grant = (fields: Partial<Grant>): Grant => ({ keyId: "key_1", name: "app", tenant: "acme", ...fields })

describe("what a key may use", () => {
  it.effect("is said by patterns of provider/model or of a model alone, by aliases, and by providers", () =>
    Effect.sync(() => {
      const judged: ReadonlyArray<readonly [Partial<Grant>, string | undefined, string, boolean]> = [
        [{}, undefined, "openai/gpt-5.4", true],
        [{ models: ["openai/*"] }, undefined, "openai/gpt-5.4", true],
        [{ models: ["openai/*"] }, undefined, "anthropic/claude", false],
        // A pattern with a slash is about a provider, not about whose model another one hosts.
        [{ models: ["openai/*"] }, "gpt-oss", "router/openai/gpt-oss", false],
        [{ models: ["router/openai/*"] }, undefined, "router/openai/gpt-oss", true],
        [{ models: ["*/gpt-oss"] }, undefined, "router/openai/gpt-oss", true],
        [{ models: ["gpt-5.4-mini"] }, undefined, "azure/gpt-5.4-mini", true],
        [{ models: ["gpt-5.4-mini"] }, undefined, "azure/gpt-5.4", false],
        [{ models: ["gpt-*"] }, undefined, "azure/gpt-5.4", true],
        [{ models: ["gpt-5?4"] }, undefined, "azure/gpt-5.4", false],
        [{ models: ["*"] }, undefined, "any/thing", true],
        [{ models: ["fast"] }, "fast", "anthropic/claude", true],
        [{ models: ["fa*"] }, "fast", "anthropic/claude", false],
        [{ models: ["fast"], providers: ["openai"] }, "fast", "anthropic/claude", false],
        [{ providers: ["openai"] }, undefined, "openai/x", true],
        [{ providers: ["open*"] }, undefined, "openai/x", false]
      ]
      for (const [fields, asked, id, expected] of judged) {
        assert.strictEqual(allows(grant(fields), asked, target(id)), expected, JSON.stringify([fields, asked, id]))
      }
    })
  )

  it.effect("agrees with regular expressions, whatever the pattern, and takes no time for many stars", () =>
    Effect.sync(() => {
      const text = fc.string({ unit: fc.constantFrom("a", "b", ".", "-"), maxLength: 12 })
      const pattern = fc.string({ unit: fc.constantFrom("a", "b", ".", "*"), maxLength: 8 })
      fc.assert(
        fc.property(pattern, text, (given, model) => {
          const expression = given
            .split("*")
            .map((part) => part.replaceAll(/[.-]/g, String.raw`\$&`))
            .join(".*")
          const expected = new RegExp(`^${expression}$`).test(model)
          assert.strictEqual(allows(grant({ models: [given] }), undefined, { provider: "p", model }), expected)
        }),
        { numRuns: 2000 }
      )
      const startedAt = performance.now()
      allows(grant({ models: [`${"a*".repeat(100)}b`] }), undefined, { provider: "p", model: "a".repeat(256) })
      assert.isBelow(performance.now() - startedAt, 100)
    })
  )

  const passed = (key: Grant | undefined, candidates: ReadonlyArray<string>, model?: string) =>
    Effect.gen(function* () {
      const call = makeCall(makeRequest({ key, model }), yield* Clock.Clock)
      call.journal.candidates = candidates.map(target)
      let reached: ReadonlyArray<string> | undefined
      const open = Keys.pipe(
        Effect.flatMap((keys) =>
          keys.stage((inner) => {
            reached = inner.journal.candidates.map((each) => `${each.provider}/${each.model}`)
            return Effect.succeed(Reply.whole(completionOf("m", "x", { uncachedInput: 0, output: 0 })))
          })(call)
        )
      )
      const error = yield* Effect.flip(Effect.andThen(Effect.scoped(open), Effect.fail("passed" as const)))
      return error === "passed" ? reached : error
    }).pipe(Effect.provide(Keys.layer({ store: KeysMemory.make })))

  it.effect("drops candidates that are not allowed; none left is a 403 that names only what was asked for", () =>
    Effect.gen(function* () {
      const all = ["openai/gpt", "anthropic/claude"]
      assert.deepStrictEqual(yield* passed(undefined, all), all)
      assert.deepStrictEqual(yield* passed(grant({}), all), all)
      assert.deepStrictEqual(yield* passed(grant({ models: ["anthropic/*"] }), all, "both"), ["anthropic/claude"])
      const denied = yield* passed(grant({ models: ["google/*"] }), all, "both")
      assert.deepInclude(denied, { _tag: "PermissionDenied", status: 403, fault: "policy" })
      assert.strictEqual((denied as Error).message, 'this key may not use the model "both"')
      const unasked = yield* passed(grant({ providers: ["google"] }), all)
      assert.strictEqual((unasked as Error).message, "this key may not use the default model")
    })
  )
})
