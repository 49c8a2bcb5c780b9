/**
 * Identical calls on several instances of one Redis: one goes upstream, and all get the same (law 6 over instances).
 */
import { Effect, Fiber, References, type Scope } from "effect"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ProviderRateLimited, ProviderServerError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { Open } from "../../engine/src/Stage.ts"
import { Connections, finish, paced, text } from "../support/engine.ts"
import { ask, gistOf, instance, type InstanceOptions, Upstream } from "../support/shared-flights.ts"
import { hasRedis, noRedis, type RedisServer, startRedis } from "../support/redis.ts"

if (!hasRedis) console.warn(noRedis)

const target = { provider: "a", model: "m" }
const answer: ReadonlyArray<Reply.Part> = [
  { type: "start", id: "r1", model: "m" },
  text("one "),
  { type: "reasoning", text: "because", signature: "s" },
  text("two 😀"),
  { type: "tool-call", index: 0, id: "t", name: "f", arguments: "{}" },
  finish()
]

describe.skipIf(!hasRedis)("SharedFlights", () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  const run = <A, E>(body: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
    Effect.runPromise(Effect.scoped(Effect.provideService(body, References.MinimumLogLevel, "None")))

  const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
    Effect.promise(() => expect.poll(holds, { timeout: 10_000, interval: 5, message: what }).toBe(true))

  const on = (upstream: Upstream, options: Partial<InstanceOptions> = {}) =>
    instance({ url: redis.url, open: upstream.open, ...options })

  let keys = 0
  const newKey = () => `key${keys++}`

  /** Somebody follows the flight of a key. */
  const followers = (key: string, count: number) =>
    Effect.promise(() =>
      expect
        .poll(async () => Number(await redis.command("ZCARD", `millrace:followers:{${key}}`)), { timeout: 10_000 })
        .toBe(count)
    )

  it("one call upstream for streamed and whole callers of three instances, and equal answers", () =>
    run(
      Effect.gen(function* () {
        const upstream = new Upstream(answer)
        const instances = yield* Effect.forEach([1, 2, 3], () => on(upstream))
        const key = newKey()
        const lead = yield* ask(instances[0]!, key)
        yield* until("the leader is upstream", () => upstream.connections.opened === 1)
        const others = yield* Effect.forEach(
          [
            [1, true],
            [1, false],
            [2, false],
            [2, true],
            [0, true]
          ] as const,
          ([of, stream]) => ask(instances[of]!, key, { stream })
        )
        yield* followers(key, 2)
        upstream.go(3)
        yield* until("a follower reads along", () => others[0]!.parts.length === 3)
        upstream.go()
        const collected = yield* Effect.forEach([lead, ...others], ({ fiber }) => Fiber.join(fiber))
        for (const each of collected) expect(each).toEqual(collected[0])
        expect(others[0]!.parts).toEqual([...answer])
        expect(others[3]!.parts.filter(({ type }) => type === "finish")).toHaveLength(1)
        expect(upstream.connections.opened).toBe(1)
        expect(others.map(({ call }) => call.journal.cache)).toEqual(Array(5).fill("coalesced"))
        expect(lead.call.journal.cache).toBe("miss")
        expect([lead, ...others].map(({ call }) => call.journal.attempts.length)).toEqual([1, 0, 0, 0, 0, 0])
        expect(others[0]!.call.journal.target).toEqual(target)
        yield* until("upstream is closed", () => upstream.connections.open === 0)
      })
    ))

  it("one call upstream for whole callers, and for streamed ones that follow a whole one", () =>
    run(
      Effect.gen(function* () {
        const upstream = new Upstream(answer)
        const [a, b] = yield* Effect.all([on(upstream), on(upstream)])
        const key = newKey()
        const lead = yield* ask(a!, key, { stream: false })
        yield* until("the leader is upstream", () => upstream.connections.opened === 1)
        const streamed = yield* ask(b!, key)
        const whole = yield* ask(b!, key, { stream: false })
        yield* followers(key, 1)
        upstream.go()
        const [first, ...rest] = yield* Effect.forEach([lead, streamed, whole], ({ fiber }) => Fiber.join(fiber))
        for (const each of rest) expect(each).toEqual(first)
        expect(upstream.connections.opened).toBe(1)
      })
    ))

  it("publishes nothing for a call that nobody follows: two scripts, and nothing stays in Redis", () =>
    run(
      Effect.gen(function* () {
        const upstream = new Upstream(answer)
        const a = yield* on(upstream, { leaseMs: 60_000, testMs: 60_000 })
        upstream.go()
        const [first, key] = [newKey(), newKey()]
        expect(yield* gistOf(yield* ask(a, first))).toBe("one two 😀")
        const keysOf = (of: string) => Effect.promise(() => redis.command("KEYS", `*{${of}}*`))
        yield* Effect.promise(() => expect.poll(() => redis.command("KEYS", `*{${first}}*`)).toBe(""))
        const trips = a.link.health().roundTrips
        expect(yield* gistOf(yield* ask(a, key))).toBe("one two 😀")
        yield* until("the lead is given back", () => a.link.health().roundTrips === trips + 2)
        expect(yield* keysOf(key)).toBe("")
      })
    ))

  it("goes on while anybody is left anywhere, and is told by one who is", () =>
    run(
      Effect.gen(function* () {
        const upstream = new Upstream(answer)
        const [a, b, c] = yield* Effect.all([on(upstream), on(upstream), on(upstream)])
        const key = newKey()
        const lead = yield* ask(a!, key)
        yield* until("the leader is upstream", () => upstream.connections.opened === 1)
        const [second, third] = [yield* ask(b!, key), yield* ask(c!, key)]
        yield* followers(key, 2)
        upstream.go(2)
        yield* until("both read along", () => second.parts.length === 2 && third.parts.length === 2)
        yield* Fiber.interrupt(lead.fiber)
        yield* Fiber.interrupt(second.fiber)
        yield* followers(key, 1)
        expect(upstream.connections.open).toBe(1)
        upstream.go()
        expect(yield* gistOf(third)).toBe("one two 😀")
        expect(upstream.connections.opened).toBe(1)
        expect([lead, second, third].map(({ call }) => [call.journal.cache, call.journal.attempts.length])).toEqual([
          ["coalesced", 0],
          ["coalesced", 0],
          ["miss", 1]
        ])
      })
    ))

  it("is cancelled when the last one leaves, wherever that is, who then tells it", () =>
    run(
      Effect.gen(function* () {
        const upstream = new Upstream(answer)
        const [a, b] = yield* Effect.all([on(upstream), on(upstream)])
        const key = newKey()
        const lead = yield* ask(a!, key)
        yield* until("the leader is upstream", () => upstream.connections.opened === 1)
        const follower = yield* ask(b!, key)
        yield* followers(key, 1)
        upstream.go(2)
        yield* until("it reads along", () => follower.parts.length === 2)
        yield* Fiber.interrupt(lead.fiber)
        expect(upstream.connections.open).toBe(1)
        yield* Fiber.interrupt(follower.fiber)
        yield* until("upstream is closed", () => upstream.connections.open === 0)
        expect(lead.call.journal.attempts).toHaveLength(0)
        expect(follower.call.journal.cache).toBe("miss")
        expect(follower.call.journal.attempts).toMatchObject([{ target }])
        expect(a!.flights.stats().flights).toBe(0)
        expect(b!.flights.stats().flights).toBe(0)
      })
    ))

  it("a follower leaves and another comes: the flight is published on", () =>
    run(
      Effect.gen(function* () {
        const upstream = new Upstream(answer)
        const [a, b, c] = yield* Effect.all([on(upstream), on(upstream), on(upstream)])
        const key = newKey()
        const lead = yield* ask(a!, key)
        yield* until("the leader is upstream", () => upstream.connections.opened === 1)
        const early = yield* ask(b!, key)
        yield* followers(key, 1)
        upstream.go(2)
        yield* until("it reads along", () => early.parts.length === 2)
        yield* Fiber.interrupt(early.fiber)
        yield* followers(key, 0)
        upstream.go(4)
        yield* until("the leader reads on", () => lead.parts.length === 4)
        const late = yield* ask(c!, key)
        yield* until("it reads from the beginning", () => late.parts.length === 4)
        upstream.go()
        expect(yield* gistOf(late)).toBe("one two 😀")
        expect(upstream.connections.opened).toBe(1)
      })
    ))

  it("a leader that is killed before the first part: one of the others goes upstream for all", () =>
    run(
      Effect.gen(function* () {
        const [dying, living] = [new Upstream(answer), new Upstream(answer)]
        const a = yield* on(dying, { leaseMs: 1200 })
        const [b, c] = yield* Effect.all([on(living, { leaseMs: 1200 }), on(living, { leaseMs: 1200 })])
        const key = newKey()
        yield* ask(a, key)
        yield* until("the leader is upstream", () => dying.connections.opened === 1)
        const others = [yield* ask(b!, key), yield* ask(c!, key, { stream: false })]
        yield* followers(key, 2)
        const lease = () => redis.command("HGETALL", `millrace:flight:{${key}}`)
        const first = yield* Effect.promise(lease)
        yield* Effect.promise(() => expect.poll(lease, { timeout: 10_000 }).not.toBe(first))
        expect(living.connections.opened).toBe(0)
        a.cut()
        yield* until("another goes upstream", () => living.connections.opened === 1)
        yield* followers(key, 1)
        living.go()
        for (const each of others) expect(yield* gistOf(each)).toBe("one two 😀")
        expect(living.connections.opened).toBe(1)
      })
    ))

  it("a leader that is killed in the middle of a stream: streams end in StreamTruncated, whole callers begin anew", () =>
    run(
      Effect.gen(function* () {
        const [dying, living] = [new Upstream(answer), new Upstream(answer)]
        const a = yield* on(dying, { leaseMs: 1200 })
        const [b, c] = yield* Effect.all([on(living, { leaseMs: 1200 }), on(living, { leaseMs: 1200 })])
        const key = newKey()
        yield* ask(a, key)
        yield* until("the leader is upstream", () => dying.connections.opened === 1)
        const streamed = yield* ask(b!, key)
        const whole = yield* ask(c!, key, { stream: false })
        yield* followers(key, 2)
        dying.go(2)
        yield* until("it reads along", () => streamed.parts.length === 2)
        a.cut()
        living.go()
        expect(yield* gistOf(streamed)).toBe("StreamTruncated")
        expect(yield* gistOf(whole)).toBe("one two 😀")
        expect(living.connections.opened).toBe(1)
      })
    ))

  it("a failure before the first part: one further call for all instances where it could end better, else the same error", () =>
    run(
      Effect.gen(function* () {
        for (const [error, calls] of [
          [new ProviderServerError({ ...target, detail: "500" }), 2],
          [new ProviderRateLimited({ ...target, detail: "429", retryAfterMs: 1000 }), 1]
        ] as const) {
          const upstream = new Upstream([error])
          const instances = yield* Effect.forEach([1, 2, 3], () => on(upstream))
          const key = newKey()
          const asked = [yield* ask(instances[0]!, key)]
          yield* until("the leader is upstream", () => upstream.connections.opened === 1)
          for (const one of instances) asked.push(yield* ask(one, key))
          yield* followers(key, 2)
          upstream.go()
          for (const each of asked) expect(yield* gistOf(each)).toBe(error._tag)
          expect(upstream.connections.opened).toBe(calls)
          expect(asked.reduce((sum, { call }) => sum + call.journal.attempts.length, 0)).toBe(calls)
        }
      })
    ))

  it("a failure after the first part is the same error for all", () =>
    run(
      Effect.gen(function* () {
        const error = new ProviderServerError({ ...target, detail: "broke" })
        const upstream = new Upstream([...answer.slice(0, 2), error])
        const [a, b] = yield* Effect.all([on(upstream), on(upstream)])
        const key = newKey()
        const lead = yield* ask(a!, key)
        yield* until("the leader is upstream", () => upstream.connections.opened === 1)
        const [streamed, whole] = [yield* ask(b!, key), yield* ask(b!, key, { stream: false })]
        yield* followers(key, 1)
        upstream.go()
        for (const each of [lead, streamed, whole]) expect(yield* gistOf(each)).toBe("ProviderServerError")
        expect(streamed.parts).toEqual(answer.slice(0, 2))
        expect(upstream.connections.opened).toBe(1)
      })
    ))

  it("an answer of more than a megabyte arrives whole", () =>
    run(
      Effect.gen(function* () {
        const long = "😀".repeat(400_000)
        const upstream = new Upstream([answer[0]!, text(long), finish()])
        const key = newKey()
        const [a, b] = yield* Effect.all([on(upstream), on(upstream)])
        const lead = yield* ask(a!, key, { stream: false })
        yield* until("the leader is upstream", () => upstream.connections.opened === 1)
        const follower = yield* ask(b!, key, { stream: false })
        yield* followers(key, 1)
        upstream.go()
        expect(yield* Fiber.join(follower.fiber)).toEqual(yield* Fiber.join(lead.fiber))
        expect(upstream.connections.opened).toBe(1)
      })
    ))

  it("an answer over the bound is not shared: who has handed nothing on asks itself", () =>
    run(
      Effect.gen(function* () {
        const [led, own] = [
          new Upstream([...answer.slice(0, 2), text("x".repeat(2000)), ...answer.slice(2)]),
          new Upstream(answer)
        ]
        const [a, b] = yield* Effect.all([on(led, { bytesMax: 1000 }), on(own)])
        const key = newKey()
        const lead = yield* ask(a!, key)
        yield* until("the leader is upstream", () => led.connections.opened === 1)
        const whole = yield* ask(b!, key, { stream: false })
        yield* followers(key, 1)
        own.go()
        led.go(2)
        yield* until("the leader reads on", () => lead.parts.length === 2)
        led.go(3)
        expect(yield* gistOf(whole)).toBe("one two 😀")
        led.go()
        expect(yield* gistOf(lead)).toContain("xxx")
        expect([led.connections.opened, own.connections.opened]).toEqual([1, 1])
      })
    ))

  it("a call for a fresh answer does not follow, and later ones follow it", () =>
    run(
      Effect.gen(function* () {
        const [old, fresh] = [new Upstream(answer), new Upstream([text("new"), finish()])]
        const [a, b, c] = yield* Effect.all([on(old), on(fresh), on(old)])
        const key = newKey()
        const first = yield* ask(a!, key)
        yield* until("the leader is upstream", () => old.connections.opened === 1)
        const before = yield* ask(c!, key)
        yield* followers(key, 1)
        const renewal = yield* ask(b!, key, { cacheMode: "refresh" })
        yield* until("it goes upstream itself", () => fresh.connections.opened === 1)
        old.go()
        for (const each of [first, before]) expect(yield* gistOf(each)).toBe("one two 😀")
        const after = yield* ask(c!, key)
        yield* followers(key, 2).pipe(Effect.timeout(2000), Effect.ignore)
        fresh.go()
        for (const each of [renewal, after]) expect(yield* gistOf(each)).toBe("new")
        expect([old.connections.opened, fresh.connections.opened]).toEqual([1, 1])
      })
    ))

  it("Redis that is slow in the middle: a stream that has begun goes on when it answers again, others go upstream", () =>
    run(
      Effect.gen(function* () {
        const brief = { timeoutMs: 400 }
        const [led, own] = [new Upstream(answer), new Upstream(answer)]
        const [a, b, c] = yield* Effect.all([on(led, brief), on(own, brief), on(own, brief)])
        const [begun, waiting] = [newKey(), newKey()]
        yield* ask(a!, begun)
        yield* until("the leader is upstream", () => led.connections.opened === 1)
        const streamed = yield* ask(b!, begun)
        yield* followers(begun, 1)
        led.go(2)
        yield* until("it reads along", () => streamed.parts.length === 2)
        const quiet = new Upstream(answer)
        const d = yield* on(quiet, brief)
        yield* ask(d, waiting)
        yield* until("the leader is upstream", () => quiet.connections.opened === 1)
        const early = yield* ask(c!, waiting)
        yield* followers(waiting, 1)
        redis.stall()
        own.go()
        expect(yield* gistOf(early)).toBe("one two 😀")
        // What begins now asks nobody.
        expect(yield* gistOf(yield* ask(b!, newKey()))).toBe("one two 😀")
        led.go()
        redis.resume()
        expect(yield* gistOf(streamed)).toBe("one two 😀")
        expect(led.connections.opened).toBe(1)
        expect(own.connections.opened).toBe(2)
      })
    ))

  it("Redis that is killed and comes back empty: what has begun goes on, what has not is answered, and flights are shared again", () =>
    run(
      Effect.gen(function* () {
        const [led, own] = [new Upstream(answer), new Upstream(answer)]
        const a = yield* on(led)
        const b = yield* on(own)
        const key = newKey()
        const lead = yield* ask(a, key)
        yield* until("the leader is upstream", () => led.connections.opened === 1)
        const streamed = yield* ask(b, key)
        yield* followers(key, 1)
        led.go(2)
        yield* until("it reads along", () => streamed.parts.length === 2)
        yield* Effect.promise(() => redis.kill())
        yield* until("both know", () => !a.link.up() && !b.link.up())
        own.go()
        expect(yield* gistOf(yield* ask(b, newKey()))).toBe("one two 😀")
        led.go()
        expect(yield* gistOf(lead)).toBe("one two 😀")
        yield* Effect.promise(() => redis.start())
        expect(yield* gistOf(streamed)).toBe("one two 😀")
        expect(streamed.parts).toEqual([...answer])
        yield* until("both know", () => a.link.up() && b.link.up())
        const again = new Upstream(answer)
        const [c, d] = yield* Effect.all([on(again), on(again)])
        const next = newKey()
        const first = yield* ask(c!, next)
        yield* until("it is upstream", () => again.connections.opened === 1)
        const second = yield* ask(d!, next)
        yield* followers(next, 1)
        again.go()
        for (const each of [first, second]) expect(yield* gistOf(each)).toBe("one two 😀")
        expect(again.connections.opened).toBe(1)
      })
    ))

  it("a stream that has begun ends in StreamTruncated where Redis does not come back in time", () =>
    run(
      Effect.gen(function* () {
        const upstream = new Upstream(answer)
        const [a, b] = yield* Effect.all([on(upstream, { healMs: 300 }), on(upstream, { healMs: 300 })])
        const key = newKey()
        const lead = yield* ask(a!, key)
        yield* until("the leader is upstream", () => upstream.connections.opened === 1)
        const streamed = yield* ask(b!, key)
        yield* followers(key, 1)
        upstream.go(2)
        yield* until("it reads along", () => streamed.parts.length === 2)
        yield* Effect.promise(() => redis.kill())
        expect(yield* gistOf(streamed)).toBe("StreamTruncated")
        upstream.go()
        expect(yield* gistOf(lead)).toBe("one two 😀")
        yield* until("nothing is open", () => upstream.connections.open === 0 && a!.flights.stats().flights === 0)
        yield* Effect.promise(() => redis.start())
      })
    ))

  const visits = fc.array(
    fc.record({
      of: fc.nat({ max: 2 }),
      joinsAtMs: fc.nat({ max: 40 }),
      stream: fc.boolean(),
      leavesAfterMs: fc.option(fc.nat({ max: 60 }), { nil: undefined })
    }),
    { minLength: 1, maxLength: 8 }
  )

  it(
    "whoever comes and leaves when and where: one answer each, every upstream call told once, and nothing left behind",
    () =>
      fc.assert(
        fc.asyncProperty(visits, (all) =>
          run(
            Effect.gen(function* () {
              const connections = new Connections()
              const open: Open = (call) =>
                Effect.gen(function* () {
                  yield* connections.connect("upstream")
                  const index = connections.opened
                  call.journal.target = target
                  const nowMs = call.clock.currentTimeMillisUnsafe()
                  const times = { queueMs: 0, firstPartAtMs: undefined, endedAtMs: undefined }
                  call.journal.attempts.push({
                    ...times,
                    target,
                    startedAtMs: nowMs,
                    sentAtMs: nowMs,
                    error: undefined
                  })
                  const parts = paced([text(`${index}.1 `), text(`${index}.2 `), finish()], Effect.sleep(15))
                  return call.request.stream
                    ? Reply.parts(parts)
                    : Reply.whole(yield* Reply.collect(Reply.parts(parts)))
                })
              const instances = yield* Effect.forEach([1, 2, 3], () => instance({ url: redis.url, open }))
              const key = newKey()
              const asked = yield* Effect.forEach(
                all,
                ({ joinsAtMs, leavesAfterMs, of, stream }) =>
                  Effect.gen(function* () {
                    yield* Effect.sleep(joinsAtMs)
                    const one = yield* ask(instances[of]!, key, { stream })
                    if (leavesAfterMs !== undefined) {
                      yield* Effect.sleep(leavesAfterMs)
                      yield* Fiber.interrupt(one.fiber)
                    }
                    return { one, gist: yield* gistOf(one), leaves: leavesAfterMs !== undefined }
                  }),
                { concurrency: "unbounded" }
              )
              for (const { gist, leaves, one } of asked) {
                const read = one.parts.map((part) => (part.type === "text" ? part.text : "")).join("")
                if (gist === "interrupted") expect(leaves).toBe(true)
                else expect(gist).toMatch(/^(\d+)\.1 \1\.2 $/)
                expect(read).toMatch(/^((\d+)\.1 (\2\.2 )?)?$/)
              }
              yield* until("nothing is open", () => connections.open === 0)
              expect(instances.map(({ flights }) => flights.stats().flights)).toEqual([0, 0, 0])
              const told = asked.reduce((sum, { one }) => sum + one.call.journal.attempts.length, 0)
              expect(told).toBe(connections.opened)
            })
          )
        ),
        { numRuns: 15, endOnFailure: true }
      ),
    60_000
  )
})
