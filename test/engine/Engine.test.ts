import { describe, expect, it } from "vitest"
import { Cause, Effect, Exit, Layer, Stream } from "effect"
import { Breaker } from "../../engine/src/Breaker.ts"
import { Cache } from "../../engine/src/Cache.ts"
import { decode, type EngineConfigInput } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import { services } from "../../engine/src/Live.ts"
import { Pricing } from "../../engine/src/Pricing.ts"
import { Providers } from "../../engine/src/Providers.ts"
import { RateLimiter } from "../../engine/src/RateLimiter.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"

const simulated: EngineConfigInput = {
  providers: [{ name: "simulated", kind: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }],
  logging: { level: "none" }
}

describe("Engine.layer", () => {
  it("runs a program as it is written in the guide", async () => {
    const program = Engine.generateText({ prompt: "Write a haiku about programming", maxTokens: 100 })
    const answer = await Effect.runPromise(program.pipe(Effect.provide(Engine.layer(simulated))))
    expect(answer).toMatchObject({ provider: "simulated", cached: false, attempts: 1, finishReason: "stop" })
    expect(answer.content).toContain("haiku")
  })

  it("streams parts that end with one finish, and tells its status", async () => {
    const program = Effect.gen(function* () {
      const parts = yield* Stream.runCollect(Engine.streamText({ prompt: "hello" }))
      expect(parts.filter((part) => part.type === "finish")).toHaveLength(1)
      expect(parts.at(-1)!.type).toBe("finish")
      return yield* Engine.status
    })
    const status = await Effect.runPromise(program.pipe(Effect.provide(Engine.layer(simulated))))
    expect(status).toMatchObject({ simulated: true, totals: { requests: 1, errors: 0 }, queue: { waiting: 0 } })
    expect(status.providers).toMatchObject([{ name: "simulated", active: 0, queued: 0, breaker: "closed" }])
  })

  it("fails with every error of the configuration when it is built", async () => {
    const wrong = {
      providers: [{ name: "a", kind: "simulated", rateLimits: { concurrent: 0 } }],
      retry: { maxAttempts: 0 }
    }
    const exit = await Effect.runPromiseExit(
      Effect.provide(Engine.generateText({ prompt: "x" }), Engine.layer(wrong as EngineConfigInput))
    )
    expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({ _tag: "ConfigError" })
    expect(String(Exit.isFailure(exit) && Cause.squash(exit.cause))).toContain("providers[0].rateLimits.concurrent")
    expect(String(Exit.isFailure(exit) && Cause.squash(exit.cause))).toContain("retry.maxAttempts")
  })

  it("gives each layer that is built a state of its own", async () => {
    const twice = Effect.gen(function* () {
      yield* Engine.generateText({ prompt: "x" })
      return yield* Engine.generateText({ prompt: "x" })
    })
    const run = () => Effect.runPromise(Effect.provide(twice, Engine.layer(simulated)))
    expect((await run()).cached).toBe(true)
    const once = Effect.provide(Engine.generateText({ prompt: "x" }), Engine.layer(simulated))
    expect((await Effect.runPromise(once)).cached).toBe(false)
  })
})

describe("Engine.layerPipeline", () => {
  const over = (replaced: Layer.Layer<never> | Layer.Layer<any>) =>
    Effect.map(decode(simulated), (config) =>
      Engine.layerPipeline.pipe(Layer.provideMerge(replaced), Layer.provideMerge(services(config)))
    )

  const ask = (layer: Effect.Effect<Layer.Layer<any>, unknown>) =>
    Effect.runPromise(
      Effect.flatMap(layer, (built) =>
        Effect.provide(
          Effect.all([Engine.generateText({ prompt: "x" }), Engine.generateText({ prompt: "x" })]),
          built as Layer.Layer<Engine>
        )
      )
    )

  it("takes another cache", async () => {
    const disabled = Cache.layer({ enabled: false, maxSize: 1, ttlMs: 1, maxTemperature: undefined })
    expect((await ask(over(disabled))).map(({ cached }) => cached)).toEqual([false, false])
  })

  it("takes other prices", async () => {
    const free = Pricing.layer(() => ({ _tag: "Priced", usd: 42, table: "test" }))
    expect((await ask(over(free))).map(({ cost }) => cost)).toEqual([42, 0])
  })

  it("takes other providers, and counts their attempts", async () => {
    const scripted = Providers.layer([scriptedProvider("simulated", () => "from the script")])
    const [first] = await ask(over(scripted))
    expect(first).toMatchObject({ content: "from the script", attempts: 1 })
  })

  it("takes a limiter and a breaker that let everything through", async () => {
    const none = Layer.mergeAll(
      RateLimiter.layer({ providers: [], queue: { maxWaiting: 0, maxWaitMs: 0 } }),
      Breaker.layer({ failureRate: 1, minimumCalls: 1_000_000, openForMs: 1 })
    )
    expect((await ask(over(none))).map(({ cached }) => cached)).toEqual([false, true])
  })
})
