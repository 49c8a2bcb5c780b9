/**
 * The link against a real Redis: what it runs, what it tells of trouble, and that trouble ends (law 11).
 */
import { Effect, Logger, type Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type SharedLink, sharedScript } from "../../../engine/src/SharedLink.ts"
import * as RedisLink from "../../../engine/src/stores/RedisLink.ts"
import type { RedisUplinkOptions } from "../../../engine/src/stores/RedisUplink.ts"
import { hasRedis, noRedis, type RedisServer, startRedis } from "../../support/redis.ts"

const append = sharedScript({
  name: "append",
  lua: `return redis.call("RPUSH", KEYS[1], ARGV[1])`,
  read: (reply) => Number(reply)
})
const all = sharedScript({
  name: "all",
  lua: `return redis.call("LRANGE", KEYS[1], 0, -1)`,
  read: (reply) => reply as ReadonlyArray<string>
})
const broken = sharedScript({ name: "broken", lua: `return redis.call("GET", KEYS[1], "more")`, read: () => undefined })
const unreadable = sharedScript({
  name: "unreadable",
  lua: `return 1`,
  read: () => {
    throw new RangeError("no")
  }
})

if (!hasRedis) console.warn(noRedis)

describe.skipIf(!hasRedis)("RedisLink", () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  /** Answers may be late on a busy machine where being late is not what a test is about. */
  const link = (options: Partial<RedisUplinkOptions> = {}) =>
    RedisLink.make({ url: redis.url, timeoutMs: 2000, startWaitMs: 5000, retryMs: 50, testMs: 100, ...options })

  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => void lines.push(String(message)))
  const run = <A, E>(body: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
    Effect.runPromise(Effect.scoped(Effect.provide(body, Logger.layer([logger]))))

  const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
    Effect.promise(() => expect.poll(holds, { timeout: 10_000, interval: 10, message: what }).toBe(true))

  const changes = (shared: SharedLink) => {
    const seen: Array<boolean> = []
    shared.onChange((up) => seen.push(up))
    return seen
  }

  it("runs a script in one round trip, by its hash from the second time on", () =>
    run(
      Effect.gen(function* () {
        const shared = yield* link({ testMs: 60_000 })
        expect(shared.up()).toBe(true)
        expect(shared.instance).toMatch(/^[\w-]{12}$/)
        expect(yield* shared.run(append, ["once"], ["a"])).toBe(1)
        const bytes = yield* Effect.promise(() => redis.info("total_net_input_bytes"))
        expect(yield* shared.run(append, ["once"], ["b"])).toBe(2)
        const more = (yield* Effect.promise(() => redis.info("total_net_input_bytes"))) - bytes
        // The hash alone has 40 bytes; the rest is asking for the figure.
        expect(more).toBeLessThan(300)
        expect(shared.health()).toMatchObject({ healthy: true, reason: null, dropped: 0 })
        expect(shared.health().roundTripMs).toBeGreaterThan(0)
      })
    ))

  it("keeps the order of what is told and run, and runs scripts that Redis has forgotten", () =>
    run(
      Effect.gen(function* () {
        const shared = yield* link()
        const ten = Array.from({ length: 10 }, (_, n) => String(n))
        for (const n of ten) shared.tell(append, ["order"], [n])
        expect(yield* shared.run(all, ["order"], [])).toEqual(ten)
        yield* Effect.promise(() => redis.command("SCRIPT", "FLUSH"))
        expect(yield* shared.run(append, ["order"], ["last"])).toBe(11)
      })
    ))

  it("fails a script that Redis refuses or whose answer can't be read, and stays up", () =>
    run(
      Effect.gen(function* () {
        const shared = yield* link()
        expect((yield* Effect.flip(shared.run(broken, ["x"], []))).reason).toMatch(/^broken: /)
        expect((yield* Effect.flip(shared.run(unreadable, [], []))).reason).toMatch(/unreadable: .*RangeError/)
        expect(shared.up()).toBe(true)
        shared.tell(broken, ["x"], [])
        yield* until("the failed script was counted", () => shared.health().dropped === 1)
      })
    ))

  it("carries messages between instances, and says from when on they are heard", () =>
    run(
      Effect.gen(function* () {
        const [a, b] = [yield* link(), yield* link()]
        const heard: Array<string> = []
        yield* a.listen("news", { message: (text) => heard.push(text), gap: () => heard.push("gap") })
        yield* until("listening began", () => heard.length > 0)
        b.publish("news", "one")
        a.publish("news", "two")
        yield* until("both were heard", () => heard.length === 3)
        expect(heard[0]).toBe("gap")
        expect(heard.toSorted()).toEqual(["gap", "one", "two"])
      })
    ))

  it("hears what it is asked to listen to while it connects, and while it begins to listen", () =>
    run(
      Effect.gen(function* () {
        for (let turns = 0; turns < 8; turns++) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const shared = yield* link({ startWaitMs: 0 })
              for (let turn = 0; turn < turns; turn++) yield* Effect.promise(() => new Promise(setImmediate))
              const heard: Array<string> = []
              const on = { message: (text: string) => heard.push(text), gap: () => heard.push("gap") }
              yield* Effect.scoped(shared.listen("early", on))
              yield* shared.listen("early", on)
              yield* until("listening began", () => heard.includes("gap"))
              yield* until("a message came", () => {
                shared.publish("early", "said")
                return heard.includes("said")
              })
            })
          )
        }
      })
    ))

  it("hears nothing any more when the scope of listening has ended", () =>
    run(
      Effect.gen(function* () {
        const shared = yield* link()
        const heard: Array<string> = []
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* shared.listen("brief", { message: (text) => heard.push(text), gap: () => heard.push("gap") })
            yield* until("listening began", () => heard.length > 0)
          })
        )
        const last: Array<string> = []
        yield* shared.listen("last", { message: (text) => last.push(text), gap: () => last.push("gap") })
        yield* until("listening began", () => last.length > 0)
        shared.publish("brief", "nobody")
        shared.publish("last", "end")
        yield* until("the last message came", () => last.includes("end"))
        expect(heard).toEqual(["gap"])
      })
    ))

  it("is down for everybody when Redis dies, fails at once meanwhile, and heals when it is back", () =>
    run(
      Effect.gen(function* () {
        const shared = yield* link()
        const seen = changes(shared)
        const heard: Array<string> = []
        yield* shared.listen("news", { message: (text) => heard.push(text), gap: () => heard.push("gap") })
        yield* until("listening began", () => heard.length === 1)
        yield* Effect.promise(redis.kill)
        yield* until("it went down", () => !shared.up())
        const startedMs = performance.now()
        const failed = yield* Effect.forEach(Array.from({ length: 100 }), () =>
          Effect.flip(shared.run(append, ["x"], [1]))
        )
        // What fails at once has no time of its own: a hundred are done before one could have waited.
        expect(performance.now() - startedMs).toBeLessThan(1000)
        expect(failed[0]!.reason).not.toBe("")
        shared.tell(append, ["x"], [1])
        shared.publish("news", "lost")
        expect(shared.health()).toMatchObject({ healthy: false, dropped: 2 })
        yield* Effect.promise(redis.start)
        yield* until("it went up", shared.up)
        expect(yield* shared.run(append, ["x"], [1])).toBe(1)
        expect(heard).toEqual(["gap", "gap"])
        expect(seen).toEqual([false, true])
        expect(shared.health()).toMatchObject({ healthy: true, reason: null })
      })
    ))

  it("gives up on a Redis that stands still after the time it has, whoever asks, and heals when it goes on", () =>
    run(
      Effect.gen(function* () {
        const shared = yield* link({ timeoutMs: 200, testMs: 60_000, connectTimeoutMs: 300 })
        const seen = changes(shared)
        redis.stall()
        yield* Effect.addFinalizer(() => Effect.sync(redis.resume))
        const failed = yield* Effect.forEach(
          Array.from({ length: 20 }),
          () => Effect.flip(shared.run(append, ["still"], [1])),
          { concurrency: "unbounded" }
        )
        expect(new Set(failed.map(({ reason }) => reason))).toEqual(new Set(["no answer within 200 ms"]))
        expect(shared.up()).toBe(false)
        // Tries while it stands still end as well.
        yield* until("a try has failed", () => shared.health().reason?.startsWith("not connected within") === true)
        redis.resume()
        yield* until("it went up", shared.up)
        expect(seen).toEqual([false, true])
      })
    ))

  it("finds out by itself that Redis stands still, before anybody asks", () =>
    run(
      Effect.gen(function* () {
        const shared = yield* link({ timeoutMs: 200 })
        redis.stall()
        yield* Effect.addFinalizer(() => Effect.sync(redis.resume))
        yield* until("it went down", () => !shared.up())
      })
    ))

  it("is down while Redis takes no writes, and says so", () =>
    run(
      Effect.gen(function* () {
        const shared = yield* link({ timeoutMs: 5000 })
        yield* Effect.promise(() => redis.command("CONFIG", "SET", "maxmemory", "1"))
        yield* until("it went down", () => !shared.up())
        expect(shared.health().reason).toMatch(/^OOM/)
        yield* Effect.promise(() => redis.command("CONFIG", "SET", "maxmemory", "0"))
        yield* until("it went up", shared.up)
      })
    ))

  it("starts without Redis, and never says its password", () =>
    run(
      Effect.gen(function* () {
        const wrong = redis.url.replace(redis.password, "canary%2Fwrong-password")
        const shared = yield* link({ url: wrong })
        expect(shared.up()).toBe(false)
        const error = yield* Effect.flip(shared.run(append, ["x"], [1]))
        expect(error.reason).toMatch(/WRONGPASS/)
        expect(JSON.stringify([error, shared.health()])).not.toMatch(/canary/)
        const nowhere = yield* link({ url: "redis://:canary@127.0.0.1:1/0" })
        expect(nowhere.health()).toMatchObject({ healthy: false, reason: expect.stringContaining("ECONNREFUSED") })
      })
    ))

  it("hands over what was told before it closes", () =>
    run(
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const shared = yield* link()
            for (let n = 0; n < 100; n++) shared.tell(append, ["closing"], [n])
          })
        )
        expect(yield* Effect.promise(() => redis.command("LLEN", "closing"))).toBe("100")
      })
    ))
})
