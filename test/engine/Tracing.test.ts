/**
 * Spans of the library: they join the tracer of whoever hosts it, tell what became of a call, and are not there while
 * nobody listens.
 */
import { context, type Context, type ContextManager, ROOT_CONTEXT, trace } from "@opentelemetry/api"
import * as incubating from "@opentelemetry/semantic-conventions/incubating"
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter
} from "@opentelemetry/sdk-trace-base"
import { it } from "@effect/vitest"
import { Effect, Exit, Fiber, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { AsyncLocalStorage } from "node:async_hooks"
import { describe, expect, it as test } from "vitest"
import {
  AIEngine,
  decodeConfig,
  Engine,
  type EngineConfigInput,
  ProviderRateLimited,
  ProviderServerError
} from "millrace"
import { completionOf, scriptedProvider } from "millrace/testing"
import { conventionsOf, names, providerNameOf } from "../../engine/src/GenAiNames.ts"
import { isLocal } from "../../engine/src/LiveTracing.ts"
import { fromAIRequest } from "../../engine/src/Request.ts"
import * as Reply from "../../engine/src/Reply.ts"

type Script = Parameters<typeof scriptedProvider>[1]

const config: EngineConfigInput = { providers: [{ name: "openai", apiKey: "test" }] }

const recorded = () => {
  const spans: Array<ReadableSpan> = []
  const exporter: SpanExporter = {
    export: (ended, done) => {
      spans.push(...ended)
      done({ code: 0 })
    },
    shutdown: () => Promise.resolve()
  }
  const spanProcessor = new SimpleSpanProcessor(exporter)
  return { spans, layer: NodeSdk.layer(() => ({ resource: { serviceName: "host" }, spanProcessor })) }
}

/** Spans that calls leave with a tracer in the host's Effect context. */
const spansOf = <A, E>(input: EngineConfigInput, script: Script, calls: Effect.Effect<A, E, Engine>) =>
  Effect.gen(function* () {
    const { layer, spans } = recorded()
    const decoded = yield* decodeConfig(input)
    const providers = decoded.providers.map(({ name }) => scriptedProvider(name, script))
    yield* calls.pipe(Effect.provide(Engine.layerOf(decoded, { providers })), Effect.provide(layer))
    return spans
  })

const named = (spans: ReadonlyArray<ReadableSpan>, name: string) => spans.filter((span) => span.name === name)

describe("a host with a tracer", () => {
  it.effect("finds the engine's spans below its own, in its Effect context", () =>
    Effect.gen(function* () {
      const spans = yield* spansOf(config, () => "fine", Effect.withSpan(Engine.generateText({ prompt: "Hi" }), "host"))
      const [host] = named(spans, "host")
      const [request] = named(spans, "Engine.generate")
      const [attempt] = named(spans, "chat gpt-5.4-mini")
      expect(request!.parentSpanContext?.spanId).toBe(host!.spanContext().spanId)
      expect(attempt!.parentSpanContext?.spanId).toBe(request!.spanContext().spanId)
      expect([request!.kind, attempt!.kind]).toEqual([0, 2])
    })
  )

  it.effect("may have a tracer of its own making", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          const end = span.end.bind(span)
          span.end = (at, exit) => {
            ended.push(`${span.name} ${exit._tag}`)
            end(at, exit)
          }
          return span
        }
      })
      const decoded = yield* decodeConfig(config)
      const failing = scriptedProvider(
        "openai",
        ({ target }) => new ProviderServerError({ ...target, detail: "no", upstreamStatus: 500 })
      )
      yield* Effect.exit(Engine.generateText({ prompt: "Hi" })).pipe(
        Effect.provide(
          Engine.layerOf({ ...decoded, retry: { ...decoded.retry, maxAttempts: 1 } }, { providers: [failing] })
        ),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      expect(ended).toEqual(["chat gpt-5.4-mini Failure", "Engine.generate Failure"])
    })
  )

  test("that it has registered with OpenTelemetry finds them below its active span, from plain promises too", async () => {
    const exporter = new InMemorySpanExporter()
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    context.setGlobalContextManager(new LocalContext())
    trace.setGlobalTracerProvider(provider)
    try {
      await using engine = new AIEngine(config, { providers: [scriptedProvider("openai", () => "fine")] })
      const host = provider.getTracer("host")
      await host.startActiveSpan("first", async (span) => {
        await engine.generateText({ prompt: "Hi" })
        span.end()
      })
      await Promise.all(
        ["second", "third"].map((name) =>
          host.startActiveSpan(name, async (span) => {
            for await (const chunk of engine.streamText({ prompt: name })) expect(chunk).toBe("fine")
            span.end()
          })
        )
      )
    } finally {
      trace.disable()
      context.disable()
    }
    const spans = exporter.getFinishedSpans()
    for (const [name, inner] of [
      ["first", "Engine.generate"],
      ["second", "Engine.stream"],
      ["third", "Engine.stream"]
    ] as const) {
      const host = named(spans, name)[0]!
      const request = spans.find((span) => span.parentSpanContext?.spanId === host.spanContext().spanId)
      expect(request?.name).toBe(inner)
      expect(request?.instrumentationScope.name).toBe("millrace")
    }
  })

  test("is not looked for, and nothing is made, where there is none", async () => {
    await using engine = new AIEngine(config, {
      providers: [
        scriptedProvider("openai", ({ attempt, journal }) => {
          expect([journal.span, attempt.traceHeaders]).toEqual([undefined, undefined])
          return "fine"
        })
      ]
    })
    expect((await engine.generateText({ prompt: "Hi" })).content).toBe("fine")
  })
})

describe("a request's span", () => {
  it.effect("tells a call that shared another's answer, which has no attempt of its own", () =>
    Effect.gen(function* () {
      const slow: Script = ({ target }) => Effect.as(Effect.sleep(100), Reply.whole(completionOf(target.model, "fine")))
      const spans = yield* spansOf(
        config,
        slow,
        Effect.gen(function* () {
          const calls = yield* Effect.forkChild(
            Effect.all([Engine.generateText({ prompt: "Hi" }), Engine.generateText({ prompt: "Hi" })], {
              concurrency: 2
            })
          )
          yield* TestClock.adjust(200)
          yield* Fiber.join(calls)
        })
      )
      const requests = named(spans, "Engine.generate")
      expect(new Set(requests.map(({ attributes }) => attributes["millrace.cache"]))).toEqual(
        new Set(["coalesced", "miss"])
      )
      expect(named(spans, "chat gpt-5.4-mini").length).toBe(1)
      const shared = requests.find(({ attributes }) => attributes["millrace.cache"] === "coalesced")!
      expect(shared.attributes).not.toHaveProperty("gen_ai.usage.input_tokens")
      expect(shared.events.find(({ name }) => name === "millrace.cache")?.attributes).toMatchObject({
        "millrace.cache.result": "coalesced"
      })
    })
  )

  it.effect("has its events in order and within its own time, though they come from the journal", () =>
    Effect.gen(function* () {
      const flaky: Script = ({ target }, index) =>
        index < 2
          ? new ProviderRateLimited({ ...target, detail: "slow down", upstreamStatus: 429, retryAfterMs: 1000 })
          : "fine"
      const spans = yield* spansOf(
        { ...config, cache: { enabled: false } },
        flaky,
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(Engine.generateText({ prompt: "Hi" }))
          yield* TestClock.adjust(10_000)
          yield* Fiber.join(call)
        })
      )
      const [request] = named(spans, "Engine.generate")
      expect(request!.events.map(({ name }) => name)).toEqual([
        "millrace.retry",
        "millrace.retry",
        "millrace.first_token"
      ])
      expect(request!.events[0]!.attributes).toMatchObject({
        "error.type": "ProviderRateLimited",
        "millrace.retry.delay_ms": 1000
      })
      const times = [request!.startTime, ...request!.events.map(({ time }) => time), request!.endTime].map(
        ([s, n]) => s * 1e9 + n
      )
      expect(times).toEqual(times.toSorted((a, b) => a - b))
    })
  )

  it.effect("tells a second attempt that was made beside a late one, and the one that was left", () =>
    Effect.gen(function* () {
      const late: Script = ({ target }, index) =>
        index === 40 ? Effect.never : Effect.as(Effect.sleep(10), Reply.whole(completionOf(target.model, "fine")))
      const spans = yield* spansOf(
        { ...config, cache: { enabled: false }, hedge: { enabled: true, maxShare: 1, afterPercentile: 50 } },
        late,
        Effect.gen(function* () {
          for (let i = 0; i <= 40; i++) {
            const call = yield* Effect.forkChild(Engine.generateText({ prompt: `Hi ${i}` }))
            yield* TestClock.adjust(1000)
            yield* Fiber.join(call)
          }
        })
      )
      const hedged = named(spans, "Engine.generate").filter(({ events }) =>
        events.some(({ name }) => name === "millrace.hedge")
      )
      expect(hedged.length).toBe(1)
      const attempts = spans.filter(
        ({ parentSpanContext }) => parentSpanContext?.spanId === hedged[0]!.spanContext().spanId
      )
      expect(attempts.map(({ attributes }) => attributes["error.type"] ?? null)).toEqual(["Cancelled", null])
      expect(attempts.map(({ attributes }) => attributes["millrace.hedge"] ?? false)).toEqual([false, true])
    })
  )

  it.effect("names the tenant, and a virtual key by its id", () =>
    Effect.gen(function* () {
      const keyed = Effect.gen(function* () {
        const engine = yield* Engine
        const request = yield* fromAIRequest({ prompt: "Hi" }, "req_keyed")
        const key = { keyId: "key_0123456789abcdef", name: "canary", tenant: "acme" }
        const call = yield* engine.call({ ...request, tenant: key.tenant, key })
        yield* Effect.scoped(Effect.flatMap(engine.open(call), Reply.collect))
      })
      const [request] = named(yield* spansOf(config, () => "fine", keyed), "Engine.generate")
      expect(request!.attributes).toMatchObject({
        "millrace.tenant": "acme",
        "millrace.key.id": "key_0123456789abcdef",
        "millrace.request.id": "req_keyed"
      })
      expect(JSON.stringify(request!.attributes)).not.toContain("canary")
    })
  )

  it.effect("is there for embeddings", () =>
    Effect.gen(function* () {
      const spans = yield* spansOf(
        { providers: [{ name: "sim", kind: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }] },
        ({ target }) => ({ ...completionOf(target.model, ""), embeddings: [[1, 0]] }),
        Engine.embed({ input: "Hi", dimensions: 2 })
      )
      const [request] = named(spans, "Engine.embed")
      expect(request!.attributes).toMatchObject({
        "gen_ai.operation.name": "embeddings",
        "gen_ai.embeddings.dimension.count": 2
      })
    })
  )

  it.effect("ends once, and as it should, when its caller leaves", () =>
    Effect.gen(function* () {
      const spans = yield* spansOf(
        config,
        () => Effect.never,
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(Engine.generateText({ prompt: "Hi" }))
          yield* TestClock.adjust(10)
          expect(Exit.hasInterrupts(yield* Effect.andThen(Fiber.interrupt(call), Fiber.await(call)))).toBe(true)
        })
      )
      expect(spans.map(({ name, status }) => [name, status.code])).toEqual([
        ["chat gpt-5.4-mini", 0],
        ["Engine.generate", 0]
      ])
    })
  )
})

describe("names", () => {
  test("of v1.41 are in the installed package, under the name by which it exports each", () => {
    const exported = new Set<unknown>(Object.values(incubating))
    for (const name of Object.values(names["v1.41"])) if (name !== undefined) expect(exported).toContain(name)
  })

  test("of the newest version differ in what the changes since v1.41 say, and nowhere else", () => {
    const differing = Object.entries(names.latest).filter(
      ([key, name]) => name !== names["v1.41"][key as keyof typeof names.latest]
    )
    expect(differing).toEqual([
      ["cacheWriteTokens", "gen_ai.usage.cache_write.input_tokens"],
      ["requestReasoning", "gen_ai.request.reasoning.level"]
    ])
  })

  test.each([
    [undefined, "v1.41"],
    ["", "v1.41"],
    ["http", "v1.41"],
    ["gen_ai_latest_experimental", "latest"],
    ["http/dup, gen_ai_latest_experimental ", "latest"]
  ] as const)("are chosen by OTEL_SEMCONV_STABILITY_OPT_IN=%s", (value, version) => {
    expect(conventionsOf(value === undefined ? {} : { OTEL_SEMCONV_STABILITY_OPT_IN: value })).toBe(version)
  })

  test.each([
    ["mine", "openai", undefined, "openai"],
    ["mine", "openai", "https://my.openai.azure.com/openai/v1", "azure.ai.openai"],
    ["mine", "anthropic", "https://api.anthropic.com", "anthropic"],
    ["mine", "google", undefined, "gcp.gemini"],
    ["mine", "google", "https://europe-west1-aiplatform.googleapis.com/v1", "gcp.vertex_ai"],
    ["mine", "openai-compatible", "https://api.groq.com/openai/v1", "groq"],
    ["mine", "openai-compatible", "https://api.x.ai/v1", "x_ai"],
    ["mine", "openai-compatible", "https://api.notx.ai/v1", "mine"],
    ["ollama", "openai-compatible", "http://127.0.0.1:11434/v1", "ollama"]
  ])("of a provider %s of kind %s at %s: %s", (name, kind, baseUrl, expected) => {
    expect(providerNameOf({ name, kind, baseUrl })).toBe(expected)
  })
})

test.each([
  ["127.0.0.1", true],
  ["10.1.2.3", true],
  ["172.16.0.1", true],
  ["172.32.0.1", false],
  ["192.168.1.1", true],
  ["100.64.0.1", true],
  ["8.8.8.8", false],
  ["[::1]", true],
  ["[fd00::1]", true],
  ["[2606:4700::1]", false],
  ["localhost", true],
  ["vllm", true],
  ["vllm.models.svc.cluster.local", true],
  ["llm.corp.internal", true],
  ["api.openai.com", false],
  ["localhost.evil.com", false],
  ["internal.evil.com", false]
])("a trace is told to %s without being asked to: %s", (host, told) => {
  expect(isLocal(host)).toBe(told)
})

/** What Node's own context manager does, without its package. */
class LocalContext implements ContextManager {
  private readonly storage = new AsyncLocalStorage<Context>()

  active(): Context {
    return this.storage.getStore() ?? ROOT_CONTEXT
  }

  with<A extends Array<unknown>, F extends (...args: A) => ReturnType<F>>(
    at: Context,
    run: F,
    self?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.storage.run(at, () => run.call(self as ThisParameterType<F>, ...args))
  }

  bind<T>(_: Context, target: T): T {
    return target
  }

  enable(): this {
    return this
  }

  disable(): this {
    this.storage.disable()
    return this
  }
}
