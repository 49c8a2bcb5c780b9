/**
 * Entries that instances share through a real Redis: one node that has every slot of a cluster, so that a script whose keys
 * are of several slots fails.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import fc from "fast-check"
import { afterAll, beforeAll } from "vitest"
import { Cache } from "../../../engine/src/Cache.ts"
import type { FoundRecord, SharedCacheStore } from "../../../engine/src/CacheStore.ts"
import { Engine } from "../../../engine/src/Engine.ts"
import { ProviderServerError } from "../../../engine/src/Errors.ts"
import type { EngineConfigInput } from "../../../engine/src/Config.ts"
import { Shared } from "../../../engine/src/LiveShared.ts"
import type { SharedLink } from "../../../engine/src/SharedLink.ts"
import * as CacheRedis from "../../../engine/src/stores/CacheRedis.ts"
import * as RedisLink from "../../../engine/src/stores/RedisLink.ts"
import { scriptedProvider } from "../../../engine/src/testing.ts"
import { cacheStoreContract, indexes, keyOf, recordOf } from "../../contracts/CacheStore.ts"
import { engineLayer, requestOf, status } from "../../support/engine.ts"
import { startProxy } from "../../support/proxy.ts"
import { hasRedis, noRedis, type RedisServer, startRedis } from "../../support/redis.ts"

if (!hasRedis) console.warn(noRedis)

let redis: RedisServer
beforeAll(async () => {
  if (hasRedis) redis = await startRedis({ cluster: true })
})
afterAll(() => redis?.stop())

const quiet = Logger.layer([])

/** Late answers are not what these tests are about, and the machine may be busy. */
const link = Effect.suspend(() =>
  RedisLink.make({ url: redis.url, timeoutMs: 10_000, startWaitMs: 10_000, retryMs: 20 })
).pipe(Effect.provide(quiet))

const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
  Effect.promise(() => expect.poll(holds, { timeout: 10_000, interval: 5, message: what }).toBe(true))

const emptied = Effect.promise(() => redis.command("FLUSHALL"))

/** A store that knows what was taken out before, as one does soon after its start. */
const storeOn = (shared: SharedLink) => Effect.tap(CacheRedis.make({ link: shared }), (store) => store.flush)
const opened = Effect.flatMap(link, storeOn)

const storedIn = (store: SharedCacheStore) =>
  Effect.map(
    Effect.forEach(
      Array.from({ length: indexes }, (_, i) => keyOf(i)),
      (key) => store.find(key)
    ),
    (found: ReadonlyArray<FoundRecord | undefined>) =>
      found.flatMap((each) => (each === undefined ? [] : [each.record])).toSorted((a, b) => a.storedAtMs - b.storedAtMs)
  )

describe.skipIf(!hasRedis)("on Redis", () => {
  cacheStoreContract(
    "redis",
    Effect.gen(function* () {
      yield* emptied
      return { store: yield* opened, reopened: opened, stored: storedIn }
    })
  )

  it.live("gives an entry with its age by the clock of Redis, and lets Redis end it with its time", () =>
    Effect.gen(function* () {
      yield* emptied
      const [a, b] = [yield* opened, yield* opened]
      a.put(recordOf(1, { storedAtMs: 1000, expiresAtMs: 61_000 }))
      yield* a.flush
      yield* Effect.sleep(20)
      const found = yield* b.find(keyOf(1))
      expect(found?.ageMs).toBeGreaterThanOrEqual(19)
      const leftMs = Number(yield* Effect.promise(() => redis.command("PTTL", `millrace:cache:1:{${keyOf(1)}}`)))
      expect(leftMs).toBeGreaterThan(30_000)
      expect(leftMs).toBeLessThanOrEqual(60_000)
    }).pipe(Effect.scoped)
  )

  it.live("costs one round trip to find or to put, and no more bytes than the hash and the key to ask", () =>
    Effect.gen(function* () {
      yield* emptied
      const shared = yield* Effect.provide(
        RedisLink.make({ url: redis.url, timeoutMs: 10_000, startWaitMs: 10_000, testMs: 600_000 }),
        quiet
      )
      const store = yield* storeOn(shared)
      store.put(recordOf(1))
      yield* store.find(keyOf(1))
      const before = shared.health().roundTrips
      const bytes = yield* Effect.promise(() => redis.info("total_net_input_bytes"))
      expect(yield* store.find(keyOf(1))).toBeDefined()
      expect(shared.health().roundTrips - before).toBe(1)
      // The rest is asking for the figure.
      const asked = (yield* Effect.promise(() => redis.info("total_net_input_bytes"))) - bytes
      expect(asked).toBeLessThan(600)
      store.put(recordOf(1))
      // Its answer comes before that of the next one.
      yield* store.find(keyOf(1))
      expect(shared.health().roundTrips - before).toBe(3)
    }).pipe(Effect.scoped)
  )

  it.live("shares nothing that is too large, and counts it", () =>
    Effect.gen(function* () {
      yield* emptied
      const store = yield* CacheRedis.make({ link: yield* link, maxLength: 200 })
      store.put(recordOf(1))
      yield* store.flush
      expect(store.health()).toMatchObject({ healthy: true, dropped: 1 })
      expect(yield* store.find(keyOf(1))).toBeUndefined()
    }).pipe(Effect.scoped)
  )

  it.live("reads nothing that others have written into an entry's place", () =>
    Effect.gen(function* () {
      yield* emptied
      const store = yield* opened
      for (const [i, text] of ["", "no JSON at all, but long enough", '1795400000000000{"key":"x"}'].entries()) {
        yield* Effect.promise(() => redis.command("SET", `millrace:cache:1:{${keyOf(i)}}`, text))
        expect(yield* store.find(keyOf(i))).toBeUndefined()
      }
    }).pipe(Effect.scoped)
  )

  it.live("takes a purge's entries out of Redis too, and leaves others there", () =>
    Effect.gen(function* () {
      yield* emptied
      const store = yield* opened
      for (let i = 0; i < 500; i++) store.put(recordOf(i, i % 5 === 0 ? { tenant: "acme" } : {}))
      store.purge({ tenant: "acme" })
      yield* store.flush
      const keys = (yield* Effect.promise(() => redis.command("KEYS", "millrace:cache:1:*"))).split("\n")
      expect(keys).toHaveLength(400)
    }).pipe(Effect.scoped)
  )

  it.live("tells what was taken out while Redis was away, once it is back", () =>
    Effect.gen(function* () {
      yield* emptied
      const [here, there] = [yield* link, yield* link]
      const [a, b] = [yield* storeOn(here), yield* storeOn(there)]
      const heard: Array<string> = []
      b.listen({
        removed: (key) => heard.push(key),
        purged: (filter) => heard.push(JSON.stringify(filter)),
        purgedBefore: (filter) => heard.push(`missed ${JSON.stringify(filter)}`),
        lost: () => heard.push("lost")
      })
      a.remove(keyOf(0))
      yield* until("the removal was heard", () => heard.length === 1)
      yield* Effect.promise(redis.kill)
      yield* until("both links are down", () => !here.up() && !there.up())
      a.remove(keyOf(1))
      a.purge({ tenant: "acme" })
      a.put(recordOf(2))
      expect(yield* a.find(keyOf(2))).toBeUndefined()
      expect(a.health()).toMatchObject({ healthy: false, dropped: 1 })
      yield* Effect.promise(redis.start)
      yield* until("all was heard", () => heard.length >= 4)
      // Redis came back without its log: copies are not to be trusted, and what waited is told again.
      expect(heard[0]).toBe(keyOf(0))
      expect(heard).toContain("lost")
      expect(heard.map((text) => text.replace("missed ", ""))).toEqual(
        expect.arrayContaining([keyOf(1), '{"tenant":"acme"}'])
      )
    }).pipe(Effect.scoped)
  )

  it.live("reads in the log what others took out while it was away", () =>
    Effect.gen(function* () {
      yield* emptied
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(() => startProxy(redis.port)),
        (made) => Effect.promise(made.stop)
      )
      const throughProxy = redis.url.replace(String(redis.port), String(proxy.port))
      const there = yield* Effect.provide(
        RedisLink.make({ url: throughProxy, timeoutMs: 300, startWaitMs: 10_000, retryMs: 20, testMs: 20 }),
        quiet
      )
      const [a, b] = [yield* opened, yield* storeOn(there)]
      const heard: Array<string> = []
      b.listen({
        removed: (key) => heard.push(key),
        purged: () => heard.push("purged"),
        purgedBefore: (filter) => heard.push(JSON.stringify(filter)),
        lost: () => heard.push("lost")
      })
      a.remove(keyOf(0))
      yield* until("the removal was heard", () => heard.length === 1)
      proxy.delay(Number.POSITIVE_INFINITY)
      yield* until("the link is down", () => !there.up())
      a.remove(keyOf(1))
      a.purge({ model: "m" })
      yield* a.flush
      proxy.delay(0)
      proxy.cut()
      yield* until("all was heard", () => heard.length >= 3)
      expect(heard).toEqual([keyOf(0), keyOf(1), '{"model":"m"}'])
    }).pipe(Effect.scoped)
  )
})

const ask = (prompt: string, cache: object = {}) => Engine.generateText({ prompt, cache })
const answersOf = (name: string) => scriptedProvider("a", (_, index) => `${name} ${index}`, { model: "m" })

/** Instances over one Redis, each with providers of its own. */
const instance = (config: Partial<EngineConfigInput> = {}, made = answersOf("answer")) => {
  const storage = { redis: redis.url, redisTimeout: 10_000, ...config.storage }
  return Effect.map(
    Layer.build(Layer.fresh(engineLayer({ providers: [made], config: { ...config, storage } }))),
    (context) => ({
      provider: made,
      on: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.provideContext(effect, context as never) as Effect.Effect<A, E>
    })
  )
}

describe.skipIf(!hasRedis)("instances over one Redis", () => {
  const ready = (...on: ReadonlyArray<Effect.Success<ReturnType<typeof instance>>>) =>
    Effect.forEach(on, (each) => each.on(Effect.flatMap(Cache, (cache) => cache.shared!.store.flush)), {
      discard: true
    })

  it.live("answer from each other's cache, as hits of their true age, and once found from memory", () =>
    Effect.gen(function* () {
      yield* emptied
      const [a, b] = [yield* instance(), yield* instance()]
      yield* ready(a, b)
      const made = yield* a.on(ask("one"))
      yield* ready(a)
      yield* Effect.sleep(15)
      const found = yield* b.on(ask("one"))
      expect(found).toMatchObject({ cached: true, cacheKind: "exact", content: made.content, attempts: 0 })
      expect(found.cacheAge).toBeGreaterThanOrEqual(14)
      expect((yield* b.on(ask("one"))).cached).toBe(true)
      expect(b.provider.calls).toHaveLength(0)
      expect((yield* b.on(status)).cache).toMatchObject({ hits: 2, misses: 0, shared: { lookups: 1, hits: 1 } })
      expect((yield* b.on(status)).stores.redis).toMatchObject({ healthy: true, reason: null })
    }).pipe(Effect.scoped)
  )

  it.live("look an entry up once for identical calls at the same time, and all of them are hits", () =>
    Effect.gen(function* () {
      yield* emptied
      const [a, b] = [yield* instance(), yield* instance()]
      yield* ready(a, b)
      yield* a.on(ask("one"))
      yield* ready(a)
      const found = yield* Effect.all(
        Array.from({ length: 20 }, () => b.on(ask("one"))),
        { concurrency: "unbounded" }
      )
      expect(found.every(({ cached }) => cached)).toBe(true)
      const { cache } = yield* b.on(status)
      expect(cache.shared?.lookups).toBe(1)
      expect([cache.hits, cache.misses, cache.coalesced]).toEqual([20, 0, 0])
    }).pipe(Effect.scoped)
  )

  it.live("serve `only` from each other, store what `refresh` brought, and keep out what bypasses", () =>
    Effect.gen(function* () {
      yield* emptied
      const [a, b] = [yield* instance(), yield* instance()]
      yield* ready(a, b)
      expect((yield* Effect.flip(b.on(ask("one", { mode: "only" }))))._tag).toBe("CacheOnlyMiss")
      yield* a.on(ask("one"))
      yield* a.on(ask("two", { mode: "bypass" }))
      yield* ready(a)
      expect((yield* b.on(ask("one", { mode: "only" }))).content).toBe("answer 0")
      yield* Effect.flip(b.on(ask("two", { mode: "only" })))
      // The copy of the other instance goes when the entry is replaced.
      yield* a.on(ask("one", { mode: "refresh" }))
      yield* ready(a, b)
      yield* Effect.promise(() =>
        expect
          .poll(() => Effect.runPromise(Effect.map(b.on(ask("one")), ({ content }) => content)), { timeout: 10_000 })
          .toBe("answer 2")
      )
      expect(b.provider.calls).toHaveLength(0)
    }).pipe(Effect.scoped)
  )

  it.live("forget together what one evicts or purges", () =>
    Effect.gen(function* () {
      yield* emptied
      const [a, b] = [yield* instance(), yield* instance()]
      yield* ready(a, b)
      for (const prompt of ["one", "two"]) {
        yield* a.on(ask(prompt))
        yield* ready(a)
        yield* b.on(ask(prompt))
      }
      const entries = b.on(Effect.map(Cache, (cache) => cache.stats().entries))
      const becomes = (count: number) =>
        Effect.promise(() => expect.poll(() => Effect.runPromise(entries), { timeout: 10_000 }).toBe(count))
      yield* becomes(2)
      const { entries: views } = yield* a.on(Effect.flatMap(Cache, (cache) => cache.entries({})))
      expect(yield* a.on(Effect.map(Cache, (cache) => cache.evict(views[0]!.key)))).toBe(true)
      yield* becomes(1)
      yield* a.on(Effect.flatMap(Cache, (cache) => cache.purge({ tenant: "default" })))
      yield* becomes(0)
      yield* ready(a, b)
      expect((yield* b.on(ask("one"))).cached).toBe(false)
    }).pipe(Effect.scoped)
  )

  it.live("keep to tenants: another tenant's call is another entry", () =>
    Effect.gen(function* () {
      yield* emptied
      const [a, b] = [yield* instance(), yield* instance()]
      yield* ready(a, b)
      yield* a.on(Engine.generateText({ prompt: "one", tenant: "acme" }))
      yield* ready(a)
      expect((yield* b.on(Engine.generateText({ prompt: "one", tenant: "globex" }))).cached).toBe(false)
      expect((yield* b.on(Engine.generateText({ prompt: "one", tenant: "acme" }))).cached).toBe(true)
    }).pipe(Effect.scoped)
  )

  it.live("serve what is over while it is renewed, and take over what another has renewed", () =>
    Effect.gen(function* () {
      yield* emptied
      const cache = { staleWhileRevalidate: 60_000 }
      const [a, b] = [yield* instance({ cache }), yield* instance({ cache })]
      yield* ready(a, b)
      yield* a.on(ask("one", { ttl: 30 }))
      yield* ready(a)
      yield* Effect.sleep(40)
      const call = yield* b.on(
        Effect.gen(function* () {
          const engine = yield* Engine
          const asked = yield* engine.call(yield* requestOf({ prompt: "one" }))
          yield* Effect.scoped(engine.open(asked))
          return asked
        })
      )
      expect(call.journal).toMatchObject({ cache: "hit", cacheStale: "revalidating", attempts: [] })
      expect(call.journal.cacheAgeMs).toBeGreaterThanOrEqual(39)
      yield* Effect.promise(() => expect.poll(() => b.provider.calls.length, { timeout: 10_000 }).toBe(1))
      yield* ready(b)
      expect((yield* a.on(ask("one", { ttl: 30 }))).cached).toBe(true)
      const left = a.on(
        Effect.flatMap(Cache, (each) => Effect.map(each.entries({}), ({ entries }) => entries[0]?.ttlLeftMs ?? 0))
      )
      yield* Effect.promise(() =>
        expect.poll(() => Effect.runPromise(left), { timeout: 10_000 }).toBeGreaterThan(100_000)
      )
      expect(a.provider.calls).toHaveLength(1)
    }).pipe(Effect.scoped)
  )

  it.live("serve what another made and is over when their own provider fails", () =>
    Effect.gen(function* () {
      yield* emptied
      const cache = { staleIfError: 60_000 }
      const failing = scriptedProvider(
        "a",
        () => new ProviderServerError({ provider: "a", model: "m", detail: "down" }),
        {
          model: "m"
        }
      )
      const config = { cache, retry: { maxAttempts: 1 } }
      const [a, b] = [yield* instance(config), yield* instance(config, failing)]
      yield* ready(a, b)
      yield* a.on(ask("one", { ttl: 30 }))
      yield* ready(a)
      yield* Effect.sleep(40)
      expect(yield* b.on(ask("one"))).toMatchObject({ cached: true, content: "answer 0" })
      expect(failing.calls).toHaveLength(1)
      expect((yield* Effect.flip(b.on(ask("two"))))._tag).toBe("ProviderServerError")
      expect((yield* b.on(status)).cache).toMatchObject({ hits: 1, misses: 1, staleHits: 1, shared: { hits: 0 } })
    }).pipe(Effect.scoped)
  )

  it.live("have what one cache would have, whoever asks, renews, evicts or purges", () =>
    Effect.gen(function* () {
      yield* emptied
      const all = yield* Effect.forEach(["x", "y", "z"], (name) => instance({}, answersOf(name)))
      yield* ready(...all)
      const links = yield* Effect.forEach(all, (each) => each.on(Effect.map(Shared, ({ link: shared }) => shared!)))
      let heard = 0
      for (const each of links) {
        yield* each.listen("barrier", { message: () => heard++, gap: () => heard++ })
      }
      yield* until("all listen", () => heard === links.length)
      /** Messages of one instance come in their order: whoever heard this one has heard those before. */
      const settled = Effect.gen(function* () {
        yield* ready(...all)
        for (const each of links) {
          heard = 0
          each.publish("barrier", "")
          yield* until("all heard", () => heard === links.length)
        }
      })
      const keys = new Map<string, string>()
      const run = Effect.fnUntraced(function* (steps: ReadonlyArray<Step>) {
        const model = new Map<string, string>()
        yield* all[0].on(Effect.flatMap(Cache, (cache) => cache.purge({})))
        yield* settled
        for (const { at, prompt, type } of steps) {
          const here = all[at]!
          if (type === "ask" || type === "refresh") {
            const mode = type === "ask" ? "default" : "refresh"
            const { cached, content } = yield* here.on(
              Engine.generateText({ prompt, tenant: tenantOf(prompt), cache: { mode } })
            )
            expect([type, cached]).toEqual([type, type === "ask" && model.has(prompt)])
            if (cached) expect(content).toBe(model.get(prompt))
            model.set(prompt, content)
            const { entries } = yield* here.on(Effect.flatMap(Cache, (cache) => cache.entries({ limit: 1 })))
            keys.set(prompt, entries[0]!.key)
          } else if (type === "evict") {
            const key = keys.get(prompt)
            if (key !== undefined) yield* here.on(Effect.map(Cache, (cache) => cache.evict(key)))
            model.delete(prompt)
          } else {
            const tenant = tenantOf(prompt)
            yield* here.on(Effect.flatMap(Cache, (cache) => cache.purge({ tenant })))
            for (const asked of model.keys()) if (tenantOf(asked) === tenant) model.delete(asked)
          }
          yield* settled
        }
      })
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 12 }), (steps) => Effect.runPromise(run(steps))),
          { numRuns: 12 }
        )
      )
    }).pipe(Effect.scoped)
  )
})

const tenantOf = (prompt: string): string => (prompt === "three" ? "acme" : "default")

const step = fc.record({
  type: fc.constantFrom("ask", "ask", "refresh", "evict", "purge"),
  at: fc.integer({ min: 0, max: 2 }),
  prompt: fc.constantFrom("one", "two", "three")
})
type Step = typeof step extends fc.Arbitrary<infer A> ? A : never
