/**
 * Law 13, virtual time: everything that waits or looks at the time uses Effect's Clock, so the whole engine runs on a test
 * clock, a day in moments.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import path from "node:path"
import { parseSync } from "oxc-parser"
import { decode } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import { type EngineError, ProviderRateLimited, ProviderServerError } from "../../engine/src/Errors.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import { filesOf, root } from "../architecture/sources.ts"
import { finish, limits, paced, requestOf, samples, status, text, withEngine } from "../support/engine.ts"

const hour = 3_600_000

describe("a day", () => {
  it.effect(
    "of limits, retries, pauses, open circuits and fallbacks passes without waiting, and none of it is lost",
    () => {
      const sentAtMs: Array<number> = []
      const at = { model: "m", detail: "" }
      const slow = scriptedProvider(
        "slow",
        (call, index): EngineError | Effect.Effect<never, EngineError> | string => {
          const nowMs = call.clock.currentTimeMillisUnsafe()
          sentAtMs.push(nowMs)
          if (nowMs > 10 * hour && nowMs < 11 * hour) return new ProviderServerError({ provider: "slow", ...at })
          if (index % 50 === 49) return new ProviderRateLimited({ provider: "slow", ...at, retryAfterMs: 20_000 })
          return `answer ${index}`
        },
        { model: "m", rateLimits: limits({ requestsPerMinute: 2, concurrent: 3 }) }
      )
      const spare = scriptedProvider("spare", () => Effect.as(Effect.sleep(30_000), { _tag: "Whole", completion }), {
        model: "m",
        rateLimits: limits({ requestsPerMinute: 1 })
      })
      return Effect.gen(function* () {
        const startedAt = performance.now()
        let calls = 0
        let answered = 0
        yield* Effect.forkChild(
          Effect.gen(function* () {
            for (;;) {
              calls++
              yield* Effect.forkChild(
                Effect.andThen(
                  Engine.generateText({ prompt: `question ${calls}`, model: "chain" }),
                  Effect.sync(() => void answered++)
                )
              )
              yield* Effect.sleep(15_000)
            }
          })
        )
        yield* TestClock.adjust(24 * hour)
        const now = yield* status
        expect(yield* Clock.currentTimeMillis).toBe(24 * hour)
        expect(now.uptimeSeconds).toBe(86_400)
        expect(calls).toBe(24 * 60 * 4 + 1)
        // Three a minute are allowed and four are asked for: all others were refused or wait.
        expect(answered).toBeGreaterThan(0.9 * 24 * 60 * 3)
        for (let i = 2; i < sentAtMs.length; i++) expect(sentAtMs[i]! - sentAtMs[i - 2]!).toBeGreaterThanOrEqual(60_000)
        const { series } = yield* (yield* UsageLog).usage({ fromMs: 0, toMs: 25 * hour, bucket: "hour" })
        expect(series).toHaveLength(24)
        expect((yield* samples).get('ai_requests_total{provider="spare",model="m",status="success"}')).toBeGreaterThan(
          1000
        )
        // Real time is what the work takes: seconds at most, not hours.
        expect(performance.now() - startedAt).toBeLessThan(60_000)
      }).pipe(
        withEngine({
          providers: [slow, spare],
          config: {
            aliases: { chain: ["slow/m", "spare/m"] },
            retry: { maxAttempts: 3 },
            queue: { maxWait: 120_000 },
            cache: { enabled: false }
          }
        })
      )
    },
    120_000
  )

  it.effect("of one answer that takes a day is timed to the millisecond", () => {
    const providers = [
      scriptedProvider("a", () =>
        Effect.as(Effect.sleep(6 * hour), {
          _tag: "Parts",
          parts: paced([text("x"), text("y"), finish()], Effect.sleep(6 * hour))
        })
      )
    ].map((provider) => ({ ...provider, timeoutMs: 24 * hour, idleTimeoutMs: 24 * hour }))
    return Effect.gen(function* () {
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "x", stream: true }))
      const fiber = yield* Effect.forkChild(
        Effect.scoped(
          Effect.flatMap(engine.open(call), (reply) =>
            reply._tag === "Parts" ? Stream.runDrain(reply.parts) : Effect.void
          )
        )
      )
      yield* TestClock.adjust(24 * hour)
      yield* Fiber.join(fiber)
      expect(call.journal).toMatchObject({ startedAtMs: 0, firstPartAtMs: 6 * hour, endedAtMs: 24 * hour })
      const { items } = yield* (yield* UsageLog).requests({ fromMs: 0, toMs: hour })
      expect(items[0]).toMatchObject({ time: "1970-01-01T00:00:00.000Z", latencyMs: 24 * hour, ttftMs: 6 * hour })
    }).pipe(withEngine({ providers }))
  })

  it.effect("of the simulator keeps its own pace", () =>
    Effect.gen(function* () {
      const config = yield* decode({
        providers: [{ name: "simulated", kind: "simulated", simulated: { latency: 20_000, tokensPerSecond: 0.5 } }],
        logging: { level: "none" }
      })
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Engine.generateText({ prompt: "x", maxTokens: 10 }))
        yield* TestClock.adjust(39_999)
        expect(fiber.pollUnsafe()).toBeUndefined()
        yield* TestClock.adjust(1)
        expect((yield* Fiber.join(fiber)).latency).toBe(40_000)
      }).pipe(Effect.provide(Engine.layerOf(config)))
    })
  )
})

/** What may look at real time, and why. */
const allowed: { readonly [file: string]: { readonly [name: string]: string } } = {
  "Call.ts": { "performance.now": "our own overhead is real work, measured in real time under any clock" },
  "Providers.ts": { "performance.now": "the end of the same measurement" },
  "ProcessLoad.ts": { "performance.now": "a share of a core is of real time" },
  "LogConsole.ts": {
    setTimeout: "a shutdown waits a moment for a real reader",
    "Date.now": "a line of the sink itself"
  },
  "LogSink.ts": { setTimeout: "a full pipe is tried again", setImmediate: "lines of one turn are written in one go" },
  "Telemetry.ts": { setTimeout: "a shutdown waits a moment for a real collector" },
  "RequestId.ts": { "Date.now": "an id only has to be unique and to sort by creation" },
  "stores/TokenThread.ts": {
    setTimeout: "an idle thread holds real memory",
    setImmediate: "a large prompt is handed over in turns of the real event loop",
    "performance.now": "a thread that has died is not started again at once"
  },
  "stores/TokenThreadWorker.ts": {
    setImmediate: "counts share that thread",
    "performance.now": "a count may take so much of that thread's real time"
  },
  "cli/run.ts": { setTimeout: "a finished command does not wait for a real connection that stands still" },
  "stores/UsageWriter.ts": { setTimeout: "talks to a thread that writes to a real disk" },
  "stores/UsagePostgresWorker.ts": { setTimeout: "runs in that thread" },
  "CacheStart.ts": { setTimeout: "a start waits a moment for a real disk" },
  "stores/RedisConnection.ts": {
    setTimeout: "a real Redis is late by real time",
    setImmediate: "what has arrived is read before it is judged",
    "performance.now": "when a real Redis has answered"
  },
  "stores/RedisUplink.ts": {
    setTimeout: "a real Redis is tried again",
    "Date.now": "since when it is away, for people",
    "performance.now": "how long a real Redis takes"
  },
  "stores/CacheSqlite.ts": { setTimeout: "talks to a thread that writes to a real disk" },
  "stores/WorkerLoop.ts": { setTimeout: "runs in that thread" },
  "stores/WorkerThread.ts": { setTimeout: "waits for that thread to end" }
}

const clocks = new Set([
  "Date.now",
  "performance.now",
  "process.hrtime",
  "process.uptime",
  "AbortSignal.timeout",
  "setTimeout",
  "setInterval",
  "setImmediate"
])

/** Every use of a real clock in a source text; comments and strings don't count. */
const clocksIn = (file: string, source: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const { errors, program } = parseSync(file, source)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`)
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node !== "object" || node === null) return
    const { arguments: args, callee, object, property, source: from, type } = node as Record<string, any>
    if (type === "CallExpression" && callee.type === "Identifier") found.push(callee.name as string)
    if (type === "MemberExpression") {
      found.push(object.name === "globalThis" ? String(property.name) : `${object.name}.${property.name}`)
    }
    if (type === "NewExpression" && callee.name === "Date" && args.length === 0) found.push("Date.now")
    if (type === "ImportDeclaration" && /^(node:)?timers/.test(String(from.value))) found.push("setTimeout")
    Object.values(node).forEach(visit)
  }
  visit(program)
  return found.filter((name) => clocks.has(name))
}

describe("the sources", () => {
  const folder = path.join(root, "engine/src")
  const files = filesOf(folder).filter((file) => file.endsWith(".ts"))

  it("look at no real clock and set no real timer, but for those with a reason", () => {
    const used = files.flatMap((file) =>
      [...new Set(clocksIn(file, readFileSync(path.join(folder, file), "utf8")))].map((name) => ({ file, name }))
    )
    expect(used.filter(({ file, name }) => allowed[file]?.[name] === undefined)).toEqual([])
    const stale = Object.entries(allowed).flatMap(([file, names]) =>
      Object.keys(names).filter((name) => !used.some((use) => use.file === file && use.name === name))
    )
    expect(stale).toEqual([])
  })

  it("are read by a check that sees every way to a real clock", () => {
    const source = [
      "Date.now()",
      "new Date()",
      "new Date(0)",
      "const now = performance.now",
      "globalThis.setTimeout(f, 1)",
      "setInterval(f, 1)",
      'import { setTimeout } from "node:timers/promises"',
      "// Date.now()",
      '"Date.now()"'
    ]
    const seen = source.map((line) => clocksIn("x.ts", line).length > 0)
    expect(seen).toEqual([true, true, false, true, true, true, true, false, false])
  })
})

const completion = {
  id: "1",
  model: "m",
  content: [{ type: "text" as const, text: "spare" }],
  finishReason: "stop" as const,
  rawFinishReason: "stop",
  usage: { uncachedInput: 1, cacheReadInput: 0, cacheWriteInput: 0, output: 1, reasoning: 0, estimated: false }
}
