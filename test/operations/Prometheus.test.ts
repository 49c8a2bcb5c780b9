/**
 * A real Prometheus scrapes a real `millrace serve`: what PromQL answers is what the traffic did, number by number, and no
 * query of a dashboard is empty or wrong.
 *
 * The traffic holds everything that dashboards show: hits and flights, streams, failures and fallbacks, 429s, a full queue, a
 * hedge, budgets, callers who are wrong and callers who leave.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { metricDefinitions } from "../../engine/src/MetricDefinitions.ts"
import { operationsFolder } from "../../scripts/operations.ts"
import { ask, get, post, user } from "../support/client.ts"
import { type Running, startGateway } from "../support/processes.ts"
import { noPrometheus, type Prometheus, promtool, startPrometheus } from "../support/prometheus.ts"
import {
  chatChunk,
  chatCompletion,
  done,
  event,
  eventStream,
  type Respond,
  send,
  sendJson,
  startUpstream,
  type TestUpstream
} from "../support/upstream.ts"

const usage = {
  prompt_tokens: 100,
  completion_tokens: 20,
  total_tokens: 120,
  prompt_tokens_details: { cached_tokens: 40 }
}
const pricing = { input: 1, output: 2, cacheRead: 0.5 }
const costUsd = (60 * 1 + 40 * 0.5 + 20 * 2) / 1e6

const answer: Respond = (response, request) => {
  if (request.json["stream"] !== true) return sendJson(200, chatCompletion("Fine.", { usage }))(response, request)
  const end = { ...chatChunk({}), choices: [], usage }
  const events = [event(chatChunk({ content: "Fine." })), event(chatChunk({}, "stop")), event(end), done]
  return send(200, eventStream, events.join(""))(response, request)
}

/** Answers that wait until they are let go. */
const held = () => {
  const waiting: Array<() => void> = []
  const respond: Respond = (response, request) => void waiting.push(() => void answer(response, request))
  return {
    respond,
    release: () => {
      for (const go of waiting.splice(0)) go()
    }
  }
}

/** What every kind of traffic adds up to. */
const expected = {
  hits: 6,
  coalesced: 1,
  /** Answers of `good` that were paid for: whole ones, streams, the flight, the fallback. */
  paid: 10 + 3 + 1 + 1,
  /** Of `late`: as many as hedging learns from, and the one that was hedged. */
  late: 33,
  queued: 3
}
const goodSuccesses = expected.paid + expected.hits + expected.coalesced
/** Refused by a budget, wrong, left; and the model that nobody knows. */
const goodErrors = 3
const misses = expected.paid + goodErrors + 2 + 1 + (1 + expected.queued + 1) + expected.late

const suite = noPrometheus === undefined ? "Prometheus" : `Prometheus (skipped: ${noPrometheus})`

describe.skipIf(noPrometheus !== undefined)(suite, () => {
  const upstreams = {} as Record<"good" | "bad" | "limited" | "narrow" | "late", TestUpstream>
  let folder: string
  let gateway: Running
  let prometheus: Prometheus
  const value = (expression: string) => prometheus.value(expression)
  const is = async (expression: string, wanted: number) =>
    expect(await value(expression), expression).toBeCloseTo(wanted, 9)

  const say = (model: string, content: string, more: object = {}, headers: Record<string, string> = {}) =>
    ask(gateway.url, user(content, { model, ...more }), { headers })

  /** Reads until it holds. */
  const eventually = (read: () => Promise<number>, wanted: number) =>
    expect.poll(read, { timeout: 20_000, interval: 100 }).toBe(wanted)

  beforeAll(async () => {
    for (const name of ["good", "bad", "limited", "narrow", "late"] as const)
      upstreams[name] = await startUpstream(answer)
    upstreams.bad.respond = sendJson(500, { error: { message: "It broke." } })
    upstreams.limited.respond = sendJson(429, { error: { message: "Slow down." } })
    folder = mkdtempSync(path.join(tmpdir(), "millrace-operations-"))
    const file = path.join(folder, "millrace.config.json")
    const provider = (name: keyof typeof upstreams, rateLimits: object = {}) => ({
      name,
      kind: "openai-compatible",
      baseUrl: upstreams[name].url,
      models: ["m"],
      pricing,
      rateLimits
    })
    writeFileSync(
      file,
      JSON.stringify({
        providers: [
          provider("good", { requestsPerMinute: 6000, tokensPerMinute: 1_000_000, concurrent: 50 }),
          provider("bad"),
          provider("limited"),
          provider("narrow", { concurrent: 1 }),
          provider("late")
        ],
        aliases: { chain: ["bad/m", "good/m"] },
        retry: { maxAttempts: 2, baseDelay: 1, maxDelay: 1 },
        breaker: { minimumCalls: 3, openFor: 600_000 },
        hedge: { enabled: true, afterPercentile: 95, maxShare: 1 },
        queue: { maxWaiting: expected.queued, maxWait: 60_000 },
        budgets: [
          { name: "all", scope: "global", period: "day", usd: 100 },
          { name: "tight", scope: "tenant", of: "spender", period: "day", tokens: 1 }
        ],
        storage: { database: "memory" },
        logging: { level: "none" },
        server: { adminToken: "operations-test-token" }
      })
    )
    gateway = await startGateway(file)
    // The first scrape finds everything at 0: growth is all that was done since.
    prometheus = await startPrometheus({
      targets: [gateway.url],
      rules: ["recording.yml", "alerts.yml"].map((name) => path.join(operationsFolder, name))
    })
  }, 120_000)

  afterAll(async () => {
    await prometheus?.stop()
    await gateway?.stop()
    for (const upstream of Object.values(upstreams)) await upstream.close()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  it("finds the metrics well formed: promtool has nothing to say about ours and Node's", async () => {
    const { text } = await get(`${gateway.url}/metrics`)
    expect(text).toContain("process_resident_memory_bytes")
    expect(promtool(["check", "metrics"], text)).toEqual({ code: 0, output: "" })
    expect((await get(`${gateway.url}/metrics`)).headers.get("content-type")).toContain("text/plain; version=0.0.4")
  })

  it("sees who is being served and who waits, while they do", async () => {
    const narrow = held()
    upstreams.narrow.respond = narrow.respond
    const calls = Array.from({ length: 1 + expected.queued + 1 }, (_, i) => say("narrow/m", `narrow ${i}`))
    await eventually(() => value('ai_queue_depth{provider="narrow"}'), expected.queued)
    await prometheus.scraped()
    await is('ai_active_requests{provider="narrow"}', 1)
    await is('ai_queue_depth{provider="narrow"} / ai_queue_limit{provider="narrow"}', 1)
    await is('ai_rate_limit_available{provider="narrow",limit="concurrent"}', 0)
    expect(await value('ai_queue_oldest_wait_seconds{provider="narrow"}')).toBeGreaterThan(0)
    await is('ai_queue_wait_limit_seconds{provider="narrow"}', 60)
    expect((await ask(gateway.url, "no JSON")).status).toBe(400)
    upstreams.narrow.respond = answer
    narrow.release()
    const statuses = (await Promise.all(calls)).map(({ status }) => status)
    expect(statuses.toSorted((a, b) => a - b)).toEqual([...Array.from({ length: 1 + expected.queued }, () => 200), 429])
    await prometheus.scraped()
    await is('ai_rate_limit_wait_seconds_count{provider="narrow"}', expected.queued)
    await is('ai_errors_total{provider="narrow",kind="QueueFull",fault="policy"}', 1)
    await is('ai_requests_total{provider="narrow",status="success"}', 1 + expected.queued)
    await is('ai_queue_depth{provider="narrow"}', 0)
  })

  it("agrees with the traffic, number by number", async () => {
    for (let i = 0; i < 10; i++) expect((await say("good/m", `question ${i}`)).status).toBe(200)
    for (let i = 0; i < expected.hits; i++) await say("good/m", `question ${i}`)
    for (let i = 0; i < 3; i++) await say("good/m", `stream ${i}`, { stream: true })

    const flight = held()
    upstreams.good.respond = flight.respond
    const arrived = upstreams.good.next()
    const first = say("good/m", "together")
    await arrived
    const lookedUp = async () => (await status()).cache.misses as number
    const before = await lookedUp()
    const second = say("good/m", "together")
    await eventually(lookedUp, before + 1)
    flight.release()
    expect((await Promise.all([first, second])).map(({ headers }) => headers.get("x-millrace-cache"))).toEqual([
      "miss",
      "coalesced"
    ])
    upstreams.good.respond = answer

    // Two attempts that fail; a third one that goes elsewhere and opens the circuit; nobody is asked after that.
    expect((await say("bad/m", "fails")).status).toBe(502)
    expect((await say("chain", "goes elsewhere")).headers.get("x-millrace-provider")).toBe("good")
    expect((await say("bad/m", "is not asked")).status).toBe(503)
    expect((await say("limited/m", "too many")).status).toBe(429)

    expect((await ask(gateway.url, "no JSON either")).status).toBe(400)
    // What callers do wrong, may not do, and don't wait for.
    expect((await say("good/m", "too dear", {}, { "x-millrace-tenant": "spender" })).status).toBe(429)
    upstreams.good.respond = sendJson(400, { error: { message: "Wrong.", type: "invalid_request_error" } })
    expect((await say("good/m", "wrong")).status).toBe(400)
    expect((await say("nobody/m", "unknown")).status).toBe(404)
    upstreams.good.respond = held().respond
    const leaving = new AbortController()
    const asked = upstreams.good.next()
    const left = post(gateway.url, user("left", { model: "good/m" }), { signal: leaving.signal }).catch(() => undefined)
    const { aborted } = await asked
    leaving.abort()
    await Promise.all([left, aborted])
    upstreams.good.respond = answer

    // As many as hedging learns from; then one that is late, and is answered by a second attempt.
    for (let i = 1; i < expected.late; i++) await say("late/m", `quick ${i}`)
    const late = held()
    let first33 = true
    upstreams.late.respond = (response, request) => {
      const respond = first33 ? late.respond : answer
      first33 = false
      return respond(response, request)
    }
    expect((await say("late/m", "late")).status).toBe(200)

    await prometheus.scraped()
    await is('ai_requests_total{provider="good",model="m",status="success"}', goodSuccesses)
    await is('ai_requests_total{provider="good",model="m",status="error"}', goodErrors)
    await is('ai_requests_total{provider="bad",status="error"}', 2)
    await is('ai_requests_total{provider="limited",status="error"}', 1)
    await is('ai_requests_total{provider="late",status="success"}', expected.late)
    await is('ai_requests_total{provider="none",model="none",status="error"}', 1)
    const successes = goodSuccesses + (1 + expected.queued) + expected.late
    const errors = goodErrors + 2 + 1 + 1 + 1
    await is("sum(ai_requests_total)", successes + errors)
    await is("sum(ai_response_duration_seconds_count)", successes + errors)
    await is('sum(ai_response_duration_seconds_bucket{le="+Inf"})', successes + errors)
    await is("sum(ai_time_to_first_token_seconds_count)", successes)
    await is("count(count by (le) (ai_response_duration_seconds_bucket))", 15)

    await is("sum(ai_errors_total)", errors)
    const kinds: ReadonlyArray<readonly [labels: string, count: number]> = [
      ['provider="bad",kind="ProviderServerError",fault="provider"', 1],
      ['provider="bad",kind="CircuitOpen",fault="provider"', 1],
      ['provider="limited",kind="ProviderRateLimited",fault="provider"', 1],
      ['provider="narrow",kind="QueueFull",fault="policy"', 1],
      ['provider="good",kind="BudgetExceeded",fault="policy"', 1],
      ['provider="good",kind="RequestRejected",fault="caller"', 1],
      ['provider="good",kind="Cancelled",fault="caller"', 1],
      ['provider="none",kind="ModelNotFound",fault="caller"', 1]
    ]
    for (const [labels, count] of kinds) await is(`ai_errors_total{${labels}}`, count)
    await is("count(ai_errors_total > 0)", kinds.length)
    await is('ai_refused_total{kind="InvalidRequest",fault="caller"}', 2)
    await is("sum(ai_refused_total)", 2)

    // Attempts are what the providers' own servers counted.
    for (const [name, { requests }] of Object.entries(upstreams)) {
      await is(`sum(ai_attempts_total{provider="${name}"})`, requests.length)
    }
    await is('ai_attempts_total{provider="limited",outcome="rate_limited"}', upstreams.limited.requests.length)
    await is('ai_attempts_total{provider="bad",outcome="error"}', 3)
    await is('ai_attempts_total{provider="good",outcome="success"}', expected.paid)
    await is('ai_attempts_total{provider="good",outcome="error"}', 1)
    await is('ai_attempts_total{provider="good",outcome="cancelled"}', 1)
    await is('ai_attempts_total{provider="late",outcome="lost"}', 1)
    await is('ai_retries_total{provider="bad",reason="ProviderServerError"}', 1)
    await is('ai_retries_total{provider="limited",reason="ProviderRateLimited"}', upstreams.limited.requests.length - 1)
    await is('ai_fallbacks_total{from="bad",to="good"}', 1)
    await is('ai_hedges_total{provider="late",outcome="won"}', 1)
    await is('ai_circuit_state{provider="bad"}', 2)
    await is("sum(ai_circuit_state)", 2)

    await is('ai_cache_hits_total{type="hit"}', expected.hits)
    await is('ai_cache_hits_total{type="coalesced"}', expected.coalesced)
    await is('ai_cache_hits_total{type="miss"}', misses)
    await is('ai_cache_entries{kind="exact"}', expected.paid + 1 + expected.queued + expected.late)
    await is("ai_cache_evictions_total", 0)
    await is("sum(ai_saved_tokens_total)", (expected.hits + expected.coalesced) * usage.total_tokens)
    await is('ai_saved_usd_total{type="hit"}', expected.hits * costUsd)
    await is('ai_saved_usd_total{type="coalesced"}', expected.coalesced * costUsd)

    await is('ai_cost_usd_total{provider="good",model="m"}', expected.paid * costUsd)
    const tokens = { prompt: 100, completion: 20, cached: 40, reasoning: 0 }
    for (const [type, each] of Object.entries(tokens)) {
      await is(`ai_tokens_used_total{provider="good",type="${type}"}`, expected.paid * each)
    }
    await is('ai_rate_limit{provider="good",limit="requests_per_minute"}', 6000)
    await is('ai_rate_limit{provider="good",limit="tokens_per_minute"}', 1_000_000)
    await is('ai_rate_limit{provider="good",limit="concurrent"}', 50)
    await is("sum(ai_active_requests) + sum(ai_queue_depth)", 0)
    await is('ai_budget_refusals_total{budget="tight",unit="tokens"}', 1)
    expect(await value('ai_budget_used_ratio{budget="all",scope="global"}')).toBeGreaterThan(0)
    await is("ai_usage_rows_dropped_total", 0)
    await is("ai_build_info", 1)
  }, 60_000)

  it("records the plan's figures, which follow from the traffic", async () => {
    // Growth is seen between two scrapes.
    await prometheus.scraped()
    const series = (query: string) => value(`sum(${query})`)
    const lookups = expected.hits + expected.coalesced + misses
    await is("job:ai_cache_hits:ratio_rate5m", (expected.hits + expected.coalesced) / lookups)
    const requests = await series("ai_requests_total")
    const failed = await series('ai_requests_total{status="error"}')
    await is("job:ai_errors:ratio_rate5m", (failed - 1) / requests)
    // A provider's failures and a full queue; not callers' mistakes, nor the budget that had no room.
    const counted = 1 + 1 + 1 + 1
    await is("job:ai_objective_failures:ratio_rate5m", counted / (counted + requests - failed))
    const paidUsd = await series("ai_cost_usd_total")
    const savedUsd = (expected.hits + expected.coalesced) * costUsd
    await is("job:ai_cost_usd:saved_ratio_rate1h", savedUsd / (savedUsd + paidUsd))
    expect(await value("job:ai_response_duration_seconds:p95_rate5m")).toBeGreaterThan(0.01)
    expect(await value("job:ai_response_duration_seconds:p95_rate5m")).toBeLessThan(60)
    expect(await value("job:ai_requests:per_minute_rate5m")).toBeGreaterThan(0)
    expect(await value("job:ai_objective_success:ratio_rate30d")).toBeLessThan(1)
    await is('ALERTS{alertname="MillraceProviderDown",provider="bad"}', 1)
  })

  it("scrapes a gateway that lets nobody in without a key, with a token", async () => {
    const file = path.join(folder, "keys.config.json")
    const token = "operations-test-token"
    const guarded = {
      providers: [{ name: "simulated" }],
      keys: { required: true },
      storage: { database: "memory" },
      logging: { level: "none" },
      server: { adminToken: token }
    }
    writeFileSync(file, JSON.stringify(guarded))
    const closed = await startGateway(file)
    try {
      expect((await get(`${closed.url}/metrics`)).status).toBe(401)
      expect((await ask(closed.url, user("x"))).status).toBe(401)
      const other = await startPrometheus({ targets: [closed.url], token })
      try {
        expect(await other.value("up")).toBe(1)
        // The scrape without a token was refused too.
        expect(await other.value('ai_refused_total{kind="AuthenticationFailed",fault="caller"}')).toBe(2)
        expect(await other.value("sum(ai_requests_total)")).toBe(0)
      } finally {
        await other.stop()
      }
    } finally {
      await closed.stop()
    }
  }, 60_000)

  describe.each(["overview", "providers", "cache-cost"])("dashboard %s", (name) => {
    const dashboard = JSON.parse(readFileSync(path.join(operationsFolder, `grafana/${name}.json`), "utf8")) as Dashboard
    const queries = dashboard.panels.flatMap(({ targets = [], title }) =>
      targets.map(({ expr, refId }) => ({ name: `${title} ${refId}`, expr }))
    )

    it.each(queries)("$name", async ({ expr }) => {
      const found = await prometheus.query(substituted(expr))
      expect(
        found.filter((sample) => Number.isFinite(sample.value)),
        substituted(expr)
      ).not.toEqual([])
    })

    it("names all that it needs: variables, units, descriptions, and no panel twice or over another", () => {
      const panels = dashboard.panels.filter(({ type }) => type !== "row")
      expect(dashboard.templating.list.map((variable) => variable.name)).toEqual([
        "datasource",
        "job",
        "provider",
        "model"
      ])
      for (const { datasource, description, fieldConfig, targets, title } of panels) {
        expect(description?.length, title).toBeGreaterThan(10)
        expect(fieldConfig?.defaults.unit, title).toBeTypeOf("string")
        expect(datasource?.uid, title).toBe("${datasource}")
        expect(
          targets?.every((target) => target.datasource.uid === "${datasource}"),
          title
        ).toBe(true)
      }
      expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
      const cells = dashboard.panels.flatMap(({ gridPos: { h, w, x, y } }) =>
        Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`)
      )
      expect(new Set(cells).size).toBe(cells.length)
      expect(Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.x + gridPos.w))).toBeLessThanOrEqual(24)
    })

    it("offers values for its variables", async () => {
      for (const { query } of dashboard.templating.list) {
        if (typeof query === "string") continue
        const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(query.query)!
        const found = await prometheus.query(`count by (${label}) (${substituted(selector!)})`)
        expect(found.length, query.query).toBeGreaterThan(0)
      }
    })
  })

  it("has every metric on a dashboard, in a rule, or told as not needed there", () => {
    const files = [
      "grafana/overview.json",
      "grafana/providers.json",
      "grafana/cache-cost.json",
      "alerts.yml",
      "recording.yml"
    ]
    const all = files.map((file) => readFileSync(path.join(operationsFolder, file), "utf8")).join("\n")
    const unused = Object.keys(metricDefinitions).filter((name) => !all.includes(name))
    // How often somebody was warned is in the log, and a budget that decides alone says so in `status`.
    expect(unused).toEqual(["ai_budget_warnings_total", "ai_budget_alone_total"])
  })

  const status = async () =>
    (await get(`${gateway.url}/admin/api/status`, { authorization: "Bearer operations-test-token" })).json
})

interface Dashboard {
  readonly templating: {
    readonly list: ReadonlyArray<{ readonly name: string; readonly query: string | { query: string } }>
  }
  readonly panels: ReadonlyArray<{
    readonly id: number
    readonly type: string
    readonly title: string
    readonly description?: string
    readonly datasource?: { readonly uid: string }
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
    readonly targets?: ReadonlyArray<{
      readonly expr: string
      readonly refId: string
      readonly datasource: { readonly uid: string }
    }>
  }>
}

/** A query as Grafana sends it while everything is chosen. */
const substituted = (expression: string): string =>
  expression
    .replaceAll(/\$(job|provider|model)\b/g, ".*")
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$__range", "15m")
