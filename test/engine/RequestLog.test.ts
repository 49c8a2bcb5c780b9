/**
 * One line for each settled request, at the level its failure deserves, and nothing in it that is nobody's business.
 */
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, References, Tracer } from "effect"
import { TestClock } from "effect/testing"
import {
  decodeConfig,
  Engine,
  type EngineConfigInput,
  InternalError,
  ProviderRateLimited,
  ProviderServerError,
  RequestRejected
} from "millrace"
import { completionOf, scriptedProvider } from "millrace/testing"
import { type Constant, LogEntry, logOf, reasonOf } from "../../engine/src/Log.ts"
import { fromAIRequest } from "../../engine/src/Request.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"

type Line = { readonly level: string; readonly message: ReadonlyArray<unknown> }
type Script = Parameters<typeof scriptedProvider>[1]

const prompt = "canary prompt 4711"

/** Lines that calls leave, with everything that the loggers are handed. */
const linesOf = (
  logging: EngineConfigInput["logging"],
  script: Script,
  calls: Effect.Effect<unknown, unknown, Engine | UsageLog> = Engine.generateText({ prompt }),
  more: EngineConfigInput = {},
  hostLevel: "Trace" | "Warn" = "Trace"
) =>
  Effect.gen(function* () {
    const lines: Array<Line> = []
    const collect = Logger.make(({ logLevel, message }) => {
      lines.push({ level: logLevel, message: Array.isArray(message) ? message : [message] })
    })
    const config = yield* decodeConfig({
      providers: [{ name: "openai", apiKey: "sk-canary-key-4711" }],
      retry: { maxAttempts: 1 },
      ...more,
      ...(logging === undefined ? {} : { logging })
    })
    const providers = config.providers.map(({ name }) => scriptedProvider(name, script))
    yield* Effect.exit(calls).pipe(
      Effect.provide(Engine.layerOf(config, { providers })),
      Effect.provide(Layer.merge(Logger.layer([collect]), Layer.succeed(References.MinimumLogLevel, hostLevel)))
    )
    return lines
  })

const fields = (line: Line | undefined) => line?.message[1] as { readonly [name: string]: unknown }

const broken: Script = (call) =>
  new ProviderServerError({ ...call.target, detail: `upstream repeats: ${prompt}`, upstreamStatus: 500 })

it.effect("says nothing of a success at info, in a library", () =>
  Effect.gen(function* () {
    expect(yield* linesOf(undefined, () => "fine")).toEqual([])
  })
)

it.effect("gives every request a line at debug, with what became of it", () =>
  Effect.gen(function* () {
    const usage = { uncachedInput: 5, cacheReadInput: 4, cacheWriteInput: 0, output: 7, reasoning: 3, estimated: false }
    const lines = yield* linesOf({ level: "debug" }, ({ target }) => completionOf(target.model, "fine", usage))
    expect(lines.map(({ level, message }) => [level, message[0]])).toEqual([["Debug", "request"]])
    expect({ ...fields(lines[0]) }).toEqual({
      module: "RequestLog",
      requestId: expect.stringMatching(/^req_/),
      tenant: "default",
      keyId: null,
      provider: "openai",
      model: "gpt-5.4-mini",
      modelRequested: null,
      status: "success",
      cache: "miss",
      stream: false,
      attempts: 1,
      latencyMs: 0,
      ttftMs: 0,
      queueMs: 0,
      promptTokens: 9,
      completionTokens: 7,
      cachedTokens: 4,
      reasoningTokens: 3,
      costUsd: expect.any(Number)
    })
  })
)

it.effect("joins traces and usage rows by their ids", () =>
  Effect.gen(function* () {
    const traceId = "0af7651916cd43dd8448eb211c80319c"
    const parent = Tracer.externalSpan({ traceId, spanId: "b7ad6b7169203331", sampled: true })
    let rowId: string | undefined
    const call = Effect.gen(function* () {
      yield* Effect.withParentSpan(Engine.generateText({ prompt }), parent)
      rowId = (yield* (yield* UsageLog).requests({ fromMs: -1, toMs: 1 })).items[0]?.id
    })
    const [line] = yield* linesOf({ level: "debug" }, () => "fine", call)
    expect(fields(line)).toMatchObject({ traceId, spanId: "b7ad6b7169203331", requestId: rowId })
    expect(rowId).toMatch(/^req_/)
  })
)

it.effect("names the virtual key that a request came with by its id", () =>
  Effect.gen(function* () {
    const keyed = Effect.gen(function* () {
      const engine = yield* Engine
      const request = yield* fromAIRequest({ prompt }, "req_keyed")
      const key = { keyId: "key_0123456789abcdef", name: "canary", tenant: "acme" }
      const call = yield* engine.call({ ...request, tenant: key.tenant, key })
      yield* Effect.scoped(Effect.flatMap(engine.open(call), Reply.collect))
    })
    const [line] = yield* linesOf({ requests: "all" }, () => "fine", keyed)
    expect(fields(line)).toMatchObject({ keyId: "key_0123456789abcdef", tenant: "acme" })
  })
)

it.effect("is silent everywhere at none, also about what is no request", () =>
  Effect.gen(function* () {
    const more = { breaker: { minimumCalls: 1, failureRate: 0.1 } }
    expect((yield* linesOf(undefined, broken, undefined, more)).map((line) => fields(line)["module"])).toContain(
      "Breaker"
    )
    expect(yield* linesOf({ level: "none" }, broken, undefined, more)).toEqual([])
  })
)

it.effect.each([
  ["all", 10],
  ["errors", 0],
  [0.3, 3]
] as const)(
  "gives requests: %s a line at info for %i of ten requests, evenly, and failures theirs in any case",
  ([requests, lines]) =>
    Effect.gen(function* () {
      const ten = Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], (i) =>
        Engine.generateText({ prompt: `${prompt} ${i}` })
      )
      const found = yield* linesOf({ requests }, () => "fine", ten)
      expect(found.map(({ level }) => level)).toEqual(Array.from({ length: lines }, () => "Info"))
      expect((yield* linesOf({ requests }, broken)).map(({ level }) => level)).toEqual(["Warn"])
    })
)

it.effect("warns of a provider's failure without its words, which may repeat a prompt", () =>
  Effect.gen(function* () {
    const lines = yield* linesOf(undefined, broken)
    expect(lines.map(({ level }) => level)).toEqual(["Warn"])
    expect(fields(lines[0])).toMatchObject({
      status: "error",
      errorKind: "ProviderServerError",
      fault: "provider",
      httpStatus: 502,
      upstreamStatus: 500
    })
    expect(JSON.stringify(lines)).not.toMatch(/canary/)
  })
)

it.effect("tells a caller's mistake and a limit of ours like a success: they are nobody's alarm", () =>
  Effect.gen(function* () {
    const refused: Script = (call) => new RequestRejected({ ...call.target, kind: "invalid_request", detail: prompt })
    const lines = yield* linesOf({ requests: "all" }, refused)
    expect(lines.map(({ level }) => level)).toEqual(["Info"])
    expect(fields(lines[0])).toMatchObject({ status: "error", errorKind: "RequestRejected", fault: "caller" })
    expect(JSON.stringify(lines)).not.toMatch(/canary/)
  })
)

it.effect("calls a bug of ours an error, with where it came from and not what it held", () =>
  Effect.gen(function* () {
    const lines = yield* linesOf(
      undefined,
      () => new InternalError({ detail: "stopped", cause: new Error(`holds ${prompt}`) })
    )
    expect(lines.map(({ level }) => level)).toEqual(["Error"])
    expect(JSON.stringify(fields(lines[0])["frames"])).toContain("RequestLog.test.ts")
    expect(JSON.stringify(lines)).not.toMatch(/canary/)
  })
)

it.effect.each([
  ["error", broken],
  ["none", broken]
] as const)("is silent below the level: %s", ([level, script]) =>
  Effect.gen(function* () {
    expect(yield* linesOf({ level, requests: "all" }, script)).toEqual([])
  })
)

it.effect("has a level for each module, above and below the general one", () =>
  Effect.gen(function* () {
    const flaky: Script = (call, index) => (index === 0 ? broken(call, index) : "fine")
    const more = { retry: { maxAttempts: 2, baseDelay: 0, maxDelay: 0 } }
    const talkative = yield* linesOf(
      { levels: { Fallback: "debug", RequestLog: "none" } },
      flaky,
      undefined,
      more,
      "Warn"
    )
    expect(talkative.map(({ level, message }) => [level, message[0]])).toEqual([["Debug", "attempt failed"]])
    expect(fields(talkative[0])).toMatchObject({ module: "Fallback", attempt: 1, errorKind: "ProviderServerError" })
    const quiet = yield* linesOf(
      { level: "debug", levels: { Fallback: "none", RequestLog: "warn" } },
      flaky,
      undefined,
      more
    )
    expect(quiet).toEqual([])
  })
)

it.effect("tells waits for a permit where RateLimiter is at debug", () =>
  Effect.gen(function* () {
    const limited = { providers: [{ name: "openai", apiKey: "test", rateLimits: { concurrent: 1 } }] }
    const slow: Script = ({ target }) => Effect.as(Effect.sleep(100), Reply.whole(completionOf(target.model, "fine")))
    const calls = Effect.gen(function* () {
      const two = Effect.forEach(["a", "b"], (prompt) => Engine.generateText({ prompt }), { concurrency: 2 })
      const running = yield* Effect.forkChild(two)
      yield* TestClock.adjust(1000)
      yield* Fiber.join(running)
    })
    const lines = yield* linesOf({ levels: { RateLimiter: "debug" } }, slow, calls, limited)
    expect(lines.map(({ message }) => message[0])).toEqual(["waited for a permit"])
    expect(fields(lines[0])).toMatchObject({ module: "RateLimiter", provider: "openai", queueMs: 100 })
  })
)

it.effect("adds prompt, answer and a provider's words only when content is switched on", () =>
  Effect.gen(function* () {
    const lines = yield* linesOf({ level: "debug", content: true }, () => "the answer")
    expect(JSON.stringify(lines)).toContain(prompt)
    expect(JSON.stringify(lines)).toContain("the answer")
    expect(JSON.stringify(lines)).not.toContain("sk-canary")
    const failed = yield* linesOf({ content: true }, broken)
    expect(fields(failed[0])["error"]).toContain("upstream repeats")
  })
)

it.effect("tells how long a provider wants to be left alone", () =>
  Effect.gen(function* () {
    const limited: Script = (call) =>
      new ProviderRateLimited({ ...call.target, detail: "slow down", upstreamStatus: 429, retryAfterMs: 7000 })
    const lines = yield* linesOf(undefined, limited)
    expect(fields(lines[0])).toMatchObject({ errorKind: "ProviderRateLimited", retryAfterMs: 7000, httpStatus: 429 })
  })
)

it("takes texts that are written in the code, and no others", () => {
  const log = logOf("Gateway")
  const name: string = prompt
  log.info("a constant")
  // @ts-expect-error a text that varies is none
  log.info(name)
  // @ts-expect-error nor is one that is put together
  log.info(`the prompt was ${name}`)
  // @ts-expect-error nor has an object that is not in the list a place
  log.info("a constant", { prompt })
  // @ts-expect-error nor have words that nobody has cleaned
  log.info("a constant", { reason: name })
  log.info("a constant", { reason: reasonOf(name) })
  expect(((text: Constant<"a">) => text)("a")).toBe("a")
})

it("keeps values on one line, short, and free of what looks like a key", () => {
  const entry = new LogEntry(
    "Gateway",
    {
      model: `gpt\n{"level":"fatal"}`,
      tenant: "x".repeat(1000),
      name: "sk-canary4711canary4711",
      provider: "Bearer canary4711canary",
      code: "AIzaSyCanary4711Canary4711Canary4711"
    },
    false
  )
  const text = JSON.stringify(entry)
  expect(text).not.toMatch(/canary/i)
  expect(text).not.toContain("\\n")
  expect(text.length).toBeLessThan(600)
  expect(reasonOf(`duplicate key: "canary prompt", (id)=('canary')`)).not.toContain("canary")
})
