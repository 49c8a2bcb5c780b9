import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { collectDefaultMetrics, Counter, Registry } from "prom-client"
import { AIEngine } from "../../engine/src/AIEngine.ts"
import { Engine } from "../../engine/src/Engine.ts"
import {
  ProviderQuotaExceeded,
  ProviderRateLimited,
  ProviderServerError,
  RequestRejected
} from "../../engine/src/Errors.ts"
import { Metrics } from "../../engine/src/Metrics.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { finish, limits, paced, samples, text, withEngine } from "../support/engine.ts"

/** DESIGN section 7: name, type and labels of every metric. */
const contract: ReadonlyArray<readonly [name: string, type: string, labels: ReadonlyArray<string>]> = [
  ["ai_requests_total", "counter", ["provider", "model", "status"]],
  ["ai_response_duration_seconds", "histogram", ["provider", "model"]],
  ["ai_tokens_used_total", "counter", ["provider", "model", "type"]],
  ["ai_active_requests", "gauge", ["provider"]],
  ["ai_cache_hits_total", "counter", ["type"]],
  ["ai_time_to_first_token_seconds", "histogram", ["provider", "model"]],
  ["ai_errors_total", "counter", ["provider", "kind", "fault"]],
  ["ai_attempts_total", "counter", ["provider", "outcome"]],
  ["ai_retries_total", "counter", ["provider", "reason"]],
  ["ai_fallbacks_total", "counter", ["from", "to"]],
  ["ai_hedges_total", "counter", ["provider", "outcome"]],
  ["ai_cost_usd_total", "counter", ["provider", "model"]],
  ["ai_saved_usd_total", "counter", ["type"]],
  ["ai_saved_tokens_total", "counter", ["type"]],
  ["ai_rate_limit_wait_seconds", "histogram", ["provider"]],
  ["ai_queue_depth", "gauge", ["provider"]],
  ["ai_circuit_state", "gauge", ["provider"]],
  ["ai_config_reloads_total", "counter", ["outcome"]],
  ["ai_cache_entries", "gauge", ["kind"]],
  ["ai_usage_rows_dropped_total", "counter", []],
  ["ai_overhead_seconds", "histogram", []]
]

/** What alerting rules and dashboards need beside it. */
const added: typeof contract = [
  ["ai_budget_alone_total", "counter", []],
  ["ai_budget_refusals_total", "counter", ["budget", "unit"]],
  ["ai_budget_used_ratio", "gauge", ["budget", "scope"]],
  ["ai_budget_warnings_total", "counter", ["budget"]],
  ["ai_build_info", "gauge", ["version"]],
  ["ai_cache_evictions_total", "counter", []],
  ["ai_instances", "gauge", []],
  ["ai_limits_alone_total", "counter", []],
  ["ai_queue_limit", "gauge", ["provider"]],
  ["ai_queue_oldest_wait_seconds", "gauge", ["provider"]],
  ["ai_queue_wait_limit_seconds", "gauge", ["provider"]],
  ["ai_rate_limit", "gauge", ["provider", "limit"]],
  ["ai_rate_limit_available", "gauge", ["provider", "limit"]],
  ["ai_redis_down", "gauge", []],
  ["ai_redis_dropped_total", "counter", []],
  ["ai_redis_round_trip_seconds", "gauge", []],
  ["ai_redis_round_trips_total", "counter", []],
  ["ai_refused_total", "counter", ["kind", "fault"]],
  ["ai_shared_queue_depth", "gauge", []]
]
const all = [...contract, ...added]

const usage = { uncachedInput: 70, cacheReadInput: 20, cacheWriteInput: 10, output: 30, reasoning: 5, estimated: false }
const answer = completionOf("m", "x", usage)
const priced = { input: 1, output: 2, cacheRead: 0.5, cacheWrite: 1 }
const costUsd = (70 * 1 + 20 * 0.5 + 10 * 1 + 30 * 2) / 1e6

const providerConfig = (name: string) => ({
  name,
  kind: "openai-compatible" as const,
  baseUrl: "http://127.0.0.1:9",
  model: "m",
  pricing: priced,
  rateLimits: { concurrent: 1 }
})

const ask = (fields: object = {}) => Engine.generateText({ prompt: "x", ...fields })

describe("the metrics", () => {
  it.effect("have the names, types and labels of the contract, and no others", () => {
    const failure = new ProviderServerError({ provider: "a", model: "m", detail: "500" })
    const slow = Effect.as(Effect.sleep(1000), Reply.whole(answer))
    const providers = [
      scriptedProvider("a", () => failure, { model: "m" }),
      scriptedProvider("b", () => slow, { model: "m", rateLimits: limits({ concurrent: 1 }) })
    ]
    return Effect.gen(function* () {
      const prompts = ["one", "two"]
      const fibers = yield* Effect.forEach(prompts, (prompt) => Effect.forkChild(ask({ model: "chain", prompt })))
      const alone = yield* Effect.forkChild(Effect.flip(ask({ model: "a/m", prompt: "three" })))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.joinAll(fibers)
      yield* Fiber.join(alone)
      yield* ask({ model: "chain", prompt: "one" })
      yield* Effect.flip(ask({ model: "a/m", cache: { mode: "only" } }))
      const { registry } = yield* Metrics
      const found = yield* Effect.promise(() => registry.getMetricsAsJSON())
      const shapes = found.filter(({ name }) => name.startsWith("ai_")).map(({ name, type }) => `${name} ${type}`)
      expect(shapes.toSorted()).toEqual(all.map(([name, type]) => `${name} ${type}`).toSorted())
      for (const [name, , labels] of all) {
        const metric = found.find((each) => each.name === name)!
        expect(metric.help.length, name).toBeGreaterThan(10)
        for (const value of metric.values) {
          const seen = Object.keys(value.labels).filter((label) => label !== "le")
          expect(seen.toSorted(), name).toEqual(labels.toSorted())
        }
      }
      const empty = all.filter(([name]) => found.find((each) => each.name === name)!.values.length === 0)
      // Hedging is off here, nobody has a budget or reads the configuration again; their own tests count them.
      expect(empty.map(([name]) => name)).toEqual([
        "ai_hedges_total",
        "ai_config_reloads_total",
        "ai_budget_refusals_total",
        "ai_budget_used_ratio",
        "ai_budget_warnings_total"
      ])
    }).pipe(
      withEngine({
        providers,
        config: {
          providers: [providerConfig("a"), providerConfig("b")],
          aliases: { chain: ["a/m", "b/m"] },
          retry: { maxAttempts: 3, baseDelay: 100, maxDelay: 100 }
        }
      })
    )
  })

  it.effect("bucket latencies from 0.01 s, doubling to 81.92 s", () =>
    Effect.gen(function* () {
      yield* ask()
      const counted = yield* samples
      const bounds = [...counted.keys()]
        .filter((key) => key.startsWith("ai_response_duration_seconds_bucket") && key.includes('provider="a"'))
        .map((key) => Number(/le="([^"]+)"/.exec(key)![1]!.replace("+Inf", "Infinity")))
      expect(bounds).toEqual([...Array.from({ length: 14 }, (_, i) => 0.01 * 2 ** i), Infinity])
    }).pipe(withEngine({ providers: [scriptedProvider("a", () => answer, { model: "m" })] }))
  )

  it.effect("after an answer: request, duration, first token, tokens and cost once", () => {
    const providers = [
      scriptedProvider(
        "a",
        () => Effect.as(Effect.sleep(100), Reply.parts(paced([text("x"), finish(usage)], Effect.sleep(200)))),
        { model: "m" }
      )
    ]
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Stream.runDrain(Engine.streamText({ prompt: "x" })))
      yield* TestClock.adjust(50)
      expect((yield* samples).get('ai_active_requests{provider="a"}')).toBe(1)
      yield* TestClock.adjust(5000)
      yield* Fiber.join(fiber)
      const counted = yield* samples
      const at = 'provider="a",model="m"'
      expect(counted.get(`ai_requests_total{${at},status="success"}`)).toBe(1)
      expect(counted.get(`ai_response_duration_seconds_sum{${at}}`)).toBe(0.5)
      expect(counted.get(`ai_response_duration_seconds_count{${at}}`)).toBe(1)
      expect(counted.get(`ai_time_to_first_token_seconds_sum{${at}}`)).toBe(0.1)
      expect(counted.get(`ai_tokens_used_total{${at},type="prompt"}`)).toBe(100)
      expect(counted.get(`ai_tokens_used_total{${at},type="completion"}`)).toBe(30)
      expect(counted.get(`ai_tokens_used_total{${at},type="cached"}`)).toBe(20)
      expect(counted.get(`ai_tokens_used_total{${at},type="reasoning"}`)).toBe(5)
      expect(counted.get(`ai_cost_usd_total{${at}}`)).toBeCloseTo(costUsd, 12)
      expect(counted.get('ai_cache_hits_total{type="miss"}')).toBe(1)
      expect(counted.get('ai_attempts_total{provider="a",outcome="success"}')).toBe(1)
      expect(counted.get('ai_cache_entries{kind="exact"}')).toBe(1)
      expect(counted.get('ai_active_requests{provider="a"}')).toBe(0)
      expect(counted.get("ai_overhead_seconds_count")).toBe(1)
      expect(counted.get("ai_usage_rows_dropped_total")).toBe(0)
    }).pipe(withEngine({ providers, config: { providers: [providerConfig("a")] } }))
  })

  it.effect("after a hit: a request and what it saved, no tokens, cost or attempt", () =>
    Effect.gen(function* () {
      yield* ask()
      const before = yield* samples
      yield* ask()
      const after = yield* samples
      const grown = [...after].filter(
        ([key, value]) => value !== (before.get(key) ?? 0) && !/bucket|_sum|_count/.test(key)
      )
      expect(Object.fromEntries(grown)).toEqual({
        'ai_requests_total{provider="a",model="m",status="success"}': 2,
        'ai_cache_hits_total{type="hit"}': 1,
        'ai_saved_tokens_total{type="hit"}': 130,
        'ai_saved_usd_total{type="hit"}': expect.closeTo(costUsd, 12)
      })
    }).pipe(
      withEngine({
        providers: [scriptedProvider("a", () => answer, { model: "m" })],
        config: { providers: [providerConfig("a")] }
      })
    )
  )

  it.effect("after failures: by the provider that failed last, with kind and fault; cancelled calls too", () => {
    const failure = (provider: string) => new ProviderServerError({ provider, model: "m", detail: "500" })
    const rejected = new RequestRejected({ provider: "b", model: "m", kind: "invalid_request", detail: "" })
    const providers = [
      scriptedProvider("a", () => failure("a"), { model: "m" }),
      scriptedProvider("b", (_, index) => (index === 0 ? failure("b") : index === 1 ? rejected : Effect.never), {
        model: "m"
      })
    ]
    return Effect.gen(function* () {
      yield* Effect.flip(ask({ model: "chain" }))
      yield* Effect.flip(ask({ model: "b/m", prompt: "y" }))
      const leaving = yield* Effect.forkChild(ask({ model: "b/m", prompt: "z" }))
      yield* TestClock.adjust(10)
      yield* Fiber.interrupt(leaving)
      yield* Effect.flip(ask({ model: "b/m", prompt: "w", cache: { mode: "only" } }))
      const counted = yield* samples
      expect(counted.get('ai_errors_total{provider="b",kind="ProviderServerError",fault="provider"}')).toBe(1)
      expect(counted.get('ai_errors_total{provider="b",kind="RequestRejected",fault="caller"}')).toBe(1)
      expect(counted.get('ai_errors_total{provider="b",kind="Cancelled",fault="caller"}')).toBe(1)
      expect(counted.get('ai_errors_total{provider="b",kind="CacheOnlyMiss",fault="policy"}')).toBe(1)
      expect(counted.get('ai_requests_total{provider="b",model="m",status="error"}')).toBe(4)
      expect(counted.get('ai_requests_total{provider="a",model="m",status="error"}') ?? 0).toBe(0)
      expect(counted.get('ai_fallbacks_total{from="a",to="b"}')).toBe(1)
      expect(counted.get('ai_attempts_total{provider="a",outcome="error"}')).toBe(1)
      expect(counted.get('ai_attempts_total{provider="b",outcome="error"}')).toBe(2)
      expect(counted.get('ai_attempts_total{provider="b",outcome="cancelled"}')).toBe(1)
      expect(counted.get('ai_tokens_used_total{provider="b",model="m",type="prompt"}') ?? 0).toBe(0)
    }).pipe(withEngine({ providers, config: { aliases: { chain: ["a/m", "b/m"] }, retry: { maxAttempts: 1 } } }))
  })

  it.effect("after retries: by their reason", () => {
    const failure = new ProviderServerError({ provider: "a", model: "m", detail: "500" })
    const providers = [scriptedProvider("a", (_, index) => (index < 2 ? failure : answer), { model: "m" })]
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(ask())
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const counted = yield* samples
      expect(counted.get('ai_retries_total{provider="a",reason="ProviderServerError"}')).toBe(2)
      expect(counted.get('ai_attempts_total{provider="a",outcome="error"}')).toBe(2)
      expect(counted.get('ai_attempts_total{provider="a",outcome="success"}')).toBe(1)
      expect(counted.get('ai_requests_total{provider="a",model="m",status="success"}')).toBe(1)
      expect(counted.get('ai_requests_total{provider="a",model="m",status="error"}') ?? 0).toBe(0)
    }).pipe(withEngine({ providers, config: { retry: { maxAttempts: 3 } } }))
  })

  it.effect("while calls wait: queue depth without those being served, and the wait when it is over", () => {
    const providers = [
      scriptedProvider("a", () => Effect.as(Effect.sleep(2000), Reply.whole(answer)), {
        model: "m",
        rateLimits: limits({ concurrent: 1 })
      })
    ]
    return Effect.gen(function* () {
      const fibers = yield* Effect.forEach(["1", "2", "3"], (prompt) => Effect.forkChild(ask({ prompt })))
      yield* TestClock.adjust(100)
      const during = yield* samples
      expect(during.get('ai_queue_depth{provider="a"}')).toBe(2)
      expect(during.get('ai_active_requests{provider="a"}')).toBe(1)
      yield* TestClock.adjust(10_000)
      yield* Fiber.joinAll(fibers)
      const after = yield* samples
      expect(after.get('ai_queue_depth{provider="a"}')).toBe(0)
      expect(after.get('ai_rate_limit_wait_seconds_count{provider="a"}')).toBe(2)
      expect(after.get('ai_rate_limit_wait_seconds_sum{provider="a"}')).toBe(6)
    }).pipe(withEngine({ providers }))
  })

  it.effect("show the circuit of every provider: 0 closed, 2 open, 1 half open", () => {
    const failure = new ProviderServerError({ provider: "a", model: "m", detail: "500" })
    const providers = [scriptedProvider("a", () => failure, { model: "m" })]
    const circuit = Effect.map(samples, (counted) => counted.get('ai_circuit_state{provider="a"}'))
    return Effect.gen(function* () {
      expect(yield* circuit).toBe(0)
      yield* Effect.flip(ask())
      expect(yield* circuit).toBe(2)
      yield* TestClock.adjust(30_000)
      expect(yield* circuit).toBe(1)
    }).pipe(withEngine({ providers, config: { breaker: { minimumCalls: 1 }, retry: { maxAttempts: 1 } } }))
  })

  it.effect("bound their labels: past 200 models that no configuration names the others are one", () => {
    const providers = [scriptedProvider("a", () => answer, { model: "m" })]
    return Effect.gen(function* () {
      for (let i = 0; i < 400; i++) yield* ask({ model: `a/made-up-${i}` })
      // Configured models come late and have their own label all the same.
      yield* ask({ model: "a/m" })
      yield* ask({ model: "late" })
      const counted = yield* samples
      const named = [...counted.keys()].filter((key) =>
        /^ai_requests_total.*model="made-up-\d+",status="success"/.test(key)
      )
      expect(named.length).toBe(200)
      expect(counted.get('ai_requests_total{provider="a",model="other",status="success"}')).toBe(200)
      expect(counted.get('ai_response_duration_seconds_count{provider="a",model="other"}')).toBe(200)
      expect(counted.get('ai_requests_total{provider="a",model="m",status="success"}')).toBe(1)
      expect(counted.get('ai_requests_total{provider="a",model="named-by-an-alias",status="success"}')).toBe(1)
    }).pipe(withEngine({ providers, config: { aliases: { late: "a/named-by-an-alias" } } }))
  })

  it.effect("bound their labels: a model that never answered, or has a name without end, is one of the others", () => {
    const unknown = new RequestRejected({ provider: "a", model: "?", kind: "not_found", detail: "" })
    const providers = [
      scriptedProvider("a", ({ target }) => (target.model.startsWith("typo") ? unknown : answer), { model: "m" })
    ]
    return Effect.gen(function* () {
      for (let i = 0; i < 300; i++) yield* Effect.flip(ask({ model: `a/typo-${i}` }))
      yield* ask({ model: `a/${"long".repeat(100)}` })
      yield* ask({ model: "a/real" })
      const counted = yield* samples
      const models = [...counted.keys()].flatMap(
        (key) => /^ai_requests_total.*model="([^"]*)",status="error"/.exec(key)?.[1] ?? []
      )
      expect(models.toSorted()).toEqual(["m", "none", "other", "real"])
      expect(counted.get('ai_requests_total{provider="a",model="other",status="error"}')).toBe(300)
      expect(counted.get('ai_requests_total{provider="a",model="other",status="success"}')).toBe(1)
    }).pipe(withEngine({ providers, config: { retry: { maxAttempts: 1 } } }))
  })

  it.effect("give each configured model its own label, however many there are", () => {
    const models = Array.from({ length: 300 }, (_, i) => `model-${i}`)
    const providers = [scriptedProvider("a", () => answer, { model: "model-0", models })]
    return Effect.gen(function* () {
      for (const model of models) yield* ask({ model: `a/${model}` })
      const counted = yield* samples
      const named = [...counted].filter(([key]) => /^ai_requests_total.*model="model-\d+",status="success"/.test(key))
      expect(named.map(([, count]) => count)).toEqual(models.map(() => 1))
      expect([...counted.keys()].filter((key) => key.includes('model="other"'))).toEqual([])
    }).pipe(withEngine({ providers }))
  })

  it.effect("start at 0 for what is configured, so that the first request and the first failure are growth", () =>
    Effect.gen(function* () {
      const counted = yield* samples
      for (const status of ["success", "error"]) {
        expect(counted.get(`ai_requests_total{provider="a",model="m",status="${status}"}`)).toBe(0)
      }
      expect(counted.get('ai_response_duration_seconds_bucket{le="+Inf",provider="a",model="m"}')).toBe(0)
      expect(counted.get('ai_errors_total{provider="a",kind="ProviderServerError",fault="provider"}')).toBe(0)
      expect(counted.get('ai_attempts_total{provider="a",outcome="rate_limited"}')).toBe(0)
      expect(counted.get('ai_cache_hits_total{type="hit"}')).toBe(0)
    }).pipe(withEngine({ providers: [scriptedProvider("a", () => answer, { model: "m" })] }))
  )

  it.effect("tell a provider's 429s from its other failures, by attempt", () => {
    const limited = new ProviderRateLimited({ provider: "a", model: "m", detail: "", upstreamStatus: 429 })
    const quota = new ProviderQuotaExceeded({ provider: "a", model: "m", detail: "", upstreamStatus: 429 })
    const providers = [scriptedProvider("a", (_, index) => (index === 0 ? limited : quota), { model: "m" })]
    return Effect.gen(function* () {
      for (const prompt of ["1", "2"]) {
        const fiber = yield* Effect.forkChild(Effect.flip(ask({ prompt })))
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.join(fiber)
      }
      const counted = yield* samples
      expect(counted.get('ai_attempts_total{provider="a",outcome="rate_limited"}')).toBe(2)
      expect(counted.get('ai_attempts_total{provider="a",outcome="error"}')).toBe(0)
    }).pipe(withEngine({ providers, config: { retry: { maxAttempts: 1 } } }))
  })

  it.effect("go into the host's own registry beside what is there, also for two engines", () => {
    const registry = new Registry()
    new Counter({ name: "host_things_total", help: "things of the host", registers: [registry] }).inc(3)
    const providers = () => [scriptedProvider("a", () => answer, { model: "m" })]
    return Effect.gen(function* () {
      yield* ask()
      yield* ask({ prompt: "second engine" }).pipe(withEngine({ providers: providers(), registry }))
      const all = yield* Effect.promise(() => registry.metrics())
      expect(all).toContain("host_things_total 3")
      expect(all).toContain('ai_requests_total{provider="a",model="m",status="success"} 2')
      expect(yield* (yield* Metrics).text).toBe(all)
    }).pipe(withEngine({ providers: providers(), registry }))
  })

  it("go into the registry that a library's host hands in, and getMetrics is its text", async () => {
    const registry = new Registry()
    new Counter({ name: "host_things_total", help: "things of the host", registers: [registry] }).inc(3)
    const options = () => ({ registry, providers: [scriptedProvider("a", () => answer, { model: "m" })] })
    await using first = new AIEngine({}, options())
    await using second = new AIEngine({}, options())
    await first.generateText({ prompt: "one" })
    await second.generateText({ prompt: "two" })
    const all = await registry.metrics()
    expect(all).toContain("host_things_total 3")
    expect(all).toContain('ai_requests_total{provider="a",model="m",status="success"} 2')
    expect(all).toContain('ai_circuit_state{provider="a"} 0')
    expect(await first.getMetrics()).toBe(await second.getMetrics())
    await second.dispose()
    expect(await registry.metrics()).toContain('ai_queue_limit{provider="a"} 10000')
  })

  it.effect("go on in a registry that its host has cleared, with the next engine", () => {
    const registry = new Registry()
    const providers = () => [scriptedProvider("a", () => answer, { model: "m" })]
    return Effect.gen(function* () {
      yield* ask().pipe(withEngine({ providers: providers(), registry }))
      registry.clear()
      yield* ask().pipe(withEngine({ providers: providers(), registry }))
      const all = yield* Effect.promise(() => registry.metrics())
      expect(all).toContain('ai_requests_total{provider="a",model="m",status="success"} 1')
      expect(all).toContain("# TYPE ai_queue_depth gauge")
    })
  })

  it("are OpenMetrics in a registry of that type", async () => {
    const registry = new Registry()
    Reflect.apply(registry.setContentType, registry, [Registry.OPENMETRICS_CONTENT_TYPE])
    const read = Effect.flatMap(Metrics, ({ configured, text }) => {
      configured([{ provider: "a", model: "m" }])
      return text
    })
    const all = await Effect.runPromise(Effect.provide(read, Metrics.layer({ registry })))
    expect(all).toContain("# TYPE ai_requests counter")
    expect(all).toContain('ai_requests_total{provider="a",model="m",status="success"} 0')
  })

  it("include Node's process metrics when they are asked for", async () => {
    const read = (processMetrics: boolean) =>
      Effect.runPromise(
        Effect.provide(
          Effect.flatMap(Metrics, (metrics) => metrics.text),
          Metrics.layer({ processMetrics })
        )
      )
    expect(await read(true)).toContain("process_resident_memory_bytes")
    expect(await read(false)).not.toContain("process_resident_memory_bytes")
  })

  it("leave Node's process metrics alone where the host has them", async () => {
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    const layer = Metrics.layer({ registry, processMetrics: true })
    const all = await Effect.runPromise(
      Effect.provide(
        Effect.flatMap(Metrics, ({ text }) => text),
        layer
      )
    )
    expect(all).toContain("process_resident_memory_bytes")
    expect(all).toContain("nodejs_active_handles_total")
  })
})
