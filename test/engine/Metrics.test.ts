/**
 * The `ai_*` metrics: every name, type and label of the contract, and figures that agree with what happened.
 */
import { Effect } from "effect"
import { AIEngine, ProviderServerError } from "millrace"
import { completionOf, scriptedProvider } from "millrace/testing"
import { Registry } from "prom-client"
import { expect, it } from "vitest"

/** Names, types and labels of DESIGN §7. */
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
  ["ai_cost_usd_total", "counter", ["provider", "model"]],
  ["ai_saved_usd_total", "counter", ["type"]],
  ["ai_saved_tokens_total", "counter", ["type"]],
  ["ai_rate_limit_wait_seconds", "histogram", ["provider"]],
  ["ai_queue_depth", "gauge", ["provider"]],
  ["ai_circuit_state", "gauge", ["provider"]],
  ["ai_cache_entries", "gauge", ["kind"]],
  ["ai_usage_rows_dropped_total", "counter", []],
  ["ai_overhead_seconds", "histogram", []]
]

/** Samples of a metric as `labels → value`, without those of buckets. */
const samples = (text: string, name: string): Record<string, number> =>
  Object.fromEntries(
    text
      .split("\n")
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .map((line) => [line.slice(name.length, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))])
  )

const failing = (times: number) =>
  scriptedProvider(
    "first",
    (call, index) =>
      index < times
        ? new ProviderServerError({ ...call.target, detail: "no", upstreamStatus: 500 })
        : completionOf(call.target.model, "four words of answer", { uncachedInput: 10, cacheReadInput: 5 }),
    { pricing: { input: 1, output: 2, cacheRead: 0.5, cacheWrite: undefined } }
  )

const config = {
  providers: [
    {
      name: "first",
      kind: "openai" as const,
      apiKey: "not used",
      model: "m1",
      pricing: { input: 1, output: 2, cacheRead: 0.5 },
      rateLimits: { concurrent: 1 }
    },
    { name: "second", kind: "openai" as const, apiKey: "not used", model: "m2" }
  ],
  retry: { maxAttempts: 3, baseDelay: 1, maxDelay: 2 }
}

it("registers every metric of the contract with its type, a help text and its labels", async () => {
  const registry = new Registry()
  await using engine = new AIEngine(undefined, { registry })
  await engine.generateText({ prompt: "x" })
  const found = new Map((await registry.getMetricsAsJSON()).map((metric) => [metric.name, metric]))
  for (const [name, type, labels] of contract) {
    const metric = registry.getSingleMetric(name) as unknown as { readonly labelNames: ReadonlyArray<string> }
    expect(found.get(name)?.type, name).toBe(type)
    expect(found.get(name)?.help.length, name).toBeGreaterThan(10)
    expect([...metric.labelNames].toSorted(), name).toEqual([...labels].toSorted())
  }
})

it("counts a call, its tokens, its price, and a hit that saves them", async () => {
  await using engine = new AIEngine(config, { providers: [failing(0)] })
  await engine.generateText({ prompt: "x", model: "first/m1" })
  await engine.generateText({ prompt: "x", model: "first/m1" })
  const text = await engine.getMetrics()
  const labels = 'provider="first",model="m1"'
  expect(samples(text, "ai_requests_total")).toEqual({ [`{${labels},status="success"}`]: 2 })
  expect(samples(text, "ai_cache_hits_total")).toEqual({ '{type="hit"}': 1, '{type="miss"}': 1 })
  expect(samples(text, "ai_tokens_used_total")).toEqual({
    [`{${labels},type="prompt"}`]: 15,
    [`{${labels},type="completion"}`]: 4,
    [`{${labels},type="cached"}`]: 5
  })
  expect(samples(text, "ai_saved_tokens_total")).toEqual({ '{type="hit"}': 19 })
  const cost = (10 * 1 + 5 * 0.5 + 4 * 2) / 1e6
  expect(samples(text, "ai_cost_usd_total")[`{${labels}}`]).toBeCloseTo(cost, 12)
  expect(samples(text, "ai_saved_usd_total")['{type="hit"}']).toBeCloseTo(cost, 12)
  expect(samples(text, "ai_response_duration_seconds_count")).toEqual({ [`{${labels}}`]: 2 })
  expect(samples(text, "ai_attempts_total")).toEqual({ '{provider="first",outcome="success"}': 1 })
  expect(samples(text, "ai_active_requests")).toEqual({ '{provider="first"}': 0, '{provider="second"}': 0 })
})

it("counts retries by reason, and the attempts behind them", async () => {
  await using engine = new AIEngine(config, { providers: [failing(2)] })
  await engine.generateText({ prompt: "x", model: "first/m1" })
  const text = await engine.getMetrics()
  expect(samples(text, "ai_retries_total")).toEqual({ '{provider="first",reason="ProviderServerError"}': 2 })
  expect(samples(text, "ai_attempts_total")).toEqual({
    '{provider="first",outcome="error"}': 2,
    '{provider="first",outcome="success"}': 1
  })
  expect(samples(text, "ai_errors_total")).toEqual({})
})

it("counts a fallback once and the request for the provider that answered", async () => {
  const second = scriptedProvider("second", (call) => completionOf(call.target.model, "rescued"))
  await using engine = new AIEngine(
    { ...config, aliases: { fast: ["first/m1", "second/m2"] } },
    { providers: [failing(10), second] }
  )
  await engine.generateText({ prompt: "x", model: "fast" })
  const text = await engine.getMetrics()
  expect(samples(text, "ai_fallbacks_total")).toEqual({ '{from="first",to="second"}': 1 })
  expect(samples(text, "ai_requests_total")).toEqual({ '{provider="second",model="m2",status="success"}': 1 })
})

it("counts failures by kind and fault, and never labels them with what a caller made up", async () => {
  await using engine = new AIEngine(config, { providers: [failing(10)] })
  await engine.generateText({ prompt: "x", model: "first/m1" }).catch(() => undefined)
  await engine.generateText({ prompt: "x", model: "made/up", tenant: "acme" }).catch(() => undefined)
  const text = await engine.getMetrics()
  expect(samples(text, "ai_errors_total")).toEqual({
    '{provider="first",kind="ProviderServerError",fault="provider"}': 1,
    '{provider="none",kind="ModelNotFound",fault="caller"}': 1
  })
  expect(text).not.toContain("made/up")
  expect(text).not.toContain("acme")
})

it("bounds the models: past the limit they fold into `other`", async () => {
  const any = scriptedProvider("first", (call) => completionOf(call.target.model, "x"))
  await using engine = new AIEngine(config, { providers: [any] })
  for (let i = 0; i < 300; i++) await engine.generateText({ prompt: "x", model: `first/model-${i}` })
  const models = Object.keys(samples(await engine.getMetrics(), "ai_requests_total"))
  expect(models.length).toBeLessThanOrEqual(202)
  expect(models.some((labels) => labels.includes('model="other"'))).toBe(true)
})

it("lets two engines share the registry of their host", async () => {
  const registry = new Registry()
  await using one = new AIEngine(config, { providers: [failing(0)], registry })
  await using two = new AIEngine(config, { providers: [failing(0)], registry })
  await one.generateText({ prompt: "x", model: "first/m1" })
  await two.generateText({ prompt: "x", model: "first/m1" })
  const text = await registry.metrics()
  expect(samples(text, "ai_requests_total")).toEqual({ '{provider="first",model="m1",status="success"}': 2 })
})

it("observes the time that admitted requests waited", async () => {
  const slow = scriptedProvider("first", (call) =>
    Effect.as(Effect.sleep(20), { _tag: "Whole" as const, completion: completionOf(call.target.model, "x") })
  )
  await using engine = new AIEngine(config, { providers: [slow] })
  await Promise.all([1, 2].map((i) => engine.generateText({ prompt: `p${i}`, model: "first/m1" })))
  expect(samples(await engine.getMetrics(), "ai_rate_limit_wait_seconds_count")).toEqual({ '{provider="first"}': 1 })
})
