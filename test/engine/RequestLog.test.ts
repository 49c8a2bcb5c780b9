/**
 * One line for each settled request, at the level its failure deserves, and nothing in it that is nobody's business.
 */
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Logger, References } from "effect"
import { decodeConfig, Engine, type EngineConfigInput, InternalError, ProviderServerError } from "millrace"
import { scriptedProvider } from "millrace/testing"

type Line = { readonly level: string; readonly message: ReadonlyArray<unknown> }

const prompt = "canary prompt 4711"

/** Lines that one call leaves, with everything that the loggers are handed. */
const linesOf = (logging: EngineConfigInput["logging"], script: Parameters<typeof scriptedProvider>[1]) =>
  Effect.gen(function* () {
    const lines: Array<Line> = []
    const collect = Logger.make(({ logLevel, message }) => {
      lines.push({ level: logLevel, message: Array.isArray(message) ? message : [message] })
    })
    const config = yield* decodeConfig({
      providers: [{ name: "openai", apiKey: "sk-canary-key-4711" }],
      retry: { maxAttempts: 1 },
      ...(logging === undefined ? {} : { logging })
    })
    yield* Effect.exit(Engine.generateText({ prompt })).pipe(
      Effect.provide(Engine.layerOf(config, { providers: [scriptedProvider("openai", script)] })),
      Effect.provide(Layer.merge(Logger.layer([collect]), Layer.succeed(References.MinimumLogLevel, "Trace")))
    )
    return lines
  })

const broken: Parameters<typeof scriptedProvider>[1] = (call) =>
  new ProviderServerError({ ...call.target, detail: `upstream repeats: ${prompt}`, upstreamStatus: 500 })

it.effect("says nothing of a success at info", () =>
  Effect.gen(function* () {
    expect(yield* linesOf(undefined, () => "fine")).toEqual([])
  })
)

it.effect("gives every request a line at debug, joined by its id", () =>
  Effect.gen(function* () {
    const lines = yield* linesOf({ level: "debug" }, () => "fine")
    expect(lines.map(({ level }) => level)).toEqual(["Debug"])
    expect(lines[0]!.message[1]).toMatchObject({ outcome: "success", provider: "openai", cache: "miss", attempts: 1 })
    expect(JSON.stringify(lines)).toMatch(/req_/)
  })
)

it.effect("warns of a provider's failure without its words, which may repeat a prompt", () =>
  Effect.gen(function* () {
    const lines = yield* linesOf(undefined, broken)
    expect(lines.map(({ level }) => level)).toEqual(["Warn"])
    expect(lines[0]!.message[1]).toMatchObject({ kind: "ProviderServerError", fault: "provider", upstreamStatus: 500 })
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
    expect(JSON.stringify(lines)).toContain("RequestLog.test.ts")
    expect(JSON.stringify(lines)).not.toMatch(/canary/)
  })
)

it.effect.each([
  ["error", broken],
  ["none", broken]
] as const)("is silent below the level: %s", ([level, script]) =>
  Effect.gen(function* () {
    expect(yield* linesOf({ level }, script)).toEqual([])
  })
)

it.effect("adds prompt and answer only when content is switched on", () =>
  Effect.gen(function* () {
    const lines = yield* linesOf({ level: "debug", content: true }, () => "the answer")
    expect(JSON.stringify(lines)).toContain(prompt)
    expect(JSON.stringify(lines)).toContain("the answer")
    expect(JSON.stringify(lines)).not.toContain("sk-canary")
  })
)
