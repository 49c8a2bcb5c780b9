import { createServer, type IncomingMessage, request } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { Cause, type Duration, Effect, Layer, Logger, ManagedRuntime, Redacted, Scope } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { TestClock } from "effect/testing"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { AdminApi, type Provider, type Status } from "../../engine/src/admin-api.ts"
import { Cache } from "../../engine/src/Cache.ts"
import { Budget } from "../../engine/src/Budget.ts"
import { Keys } from "../../engine/src/Keys.ts"
import { RateLimiter } from "../../engine/src/RateLimiter.ts"
import { Pricing } from "../../engine/src/Pricing.ts"
import { Routing } from "../../engine/src/Routing.ts"
import { handler } from "../../engine/src/gateway/Admin.ts"
import { AdminSources } from "../../engine/src/AdminSources.ts"
import { StatusSource } from "../../engine/src/Status.ts"
import * as KeysMemory from "../../engine/src/stores/KeysMemory.ts"
import * as UsageDatabase from "../../engine/src/stores/UsageDatabase.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import { noonMs, recordOf } from "../contracts/usage-record.ts"

const token = "canary-admin-token-0123456789"
const day = "from=2026-11-22T00:00:00Z&to=2026-11-23T00:00:00Z"

const limit = { configured: 60, learned: null, available: 59 }

const provider: Provider = {
  name: "openai",
  kind: "openai",
  model: "gpt-5.4-mini",
  breaker: "closed",
  active: 1,
  queued: 0,
  attempts: {
    attempts: 3,
    succeeded: 1,
    failed: 1,
    rejected: 1,
    left: 0,
    retries: 1,
    hedges: 0,
    rescuedByRetry: 1,
    rescuedByFallback: 0,
    rescuedByHedge: 0,
    successRate: 0.5
  },
  keys: [{ index: 0, state: "ready", reason: null, restMs: null }],
  limits: { requestsPerMinute: limit, tokensPerMinute: limit, concurrent: limit },
  models: ["gpt-5.4-mini"],
  baseUrl: null,
  circuits: [
    { model: "m", state: "closed", manual: false, retryMs: null, calls: 2, failures: 1, consecutiveFailures: 0 }
  ]
}

const { baseUrl: _baseUrl, circuits: _circuits, models: _models, ...providerStatus } = provider

const cache = {
  enabled: true,
  entries: 3,
  bytes: 1024,
  maxSize: 1000,
  hits: 1,
  semanticHits: 0,
  coalesced: 0,
  misses: 3,
  hitRate: 0.25,
  maxBytes: 128_000_000,
  staleHits: 0,
  refreshes: 0,
  evictions: 0,
  store: { kind: "memory" as const, healthy: true, dropped: 0, reason: null }
}

const statusOf = (log: UsageLog["Service"]): Status => ({
  version: "0.1.0",
  uptimeSeconds: 12,
  simulated: false,
  providers: [providerStatus],
  cache,
  queue: { waiting: 0, oldestWaitMs: 0 },
  totals: log.totals(),
  stores: { database: log.health(), redis: null }
})

let statusFails = false
let purged = 0
const logged: Array<string> = []

const status = Layer.effect(
  StatusSource,
  Effect.map(UsageLog, (log) => ({
    get: Effect.suspend(() => (statusFails ? Effect.die(new Error("secret detail")) : Effect.succeed(statusOf(log))))
  }))
)

const sources = Layer.succeed(AdminSources, {
  providers: Effect.succeed([provider]),
  setBreaker: (name) => Effect.succeed(name === provider.name ? provider : undefined),
  config: Effect.succeed({ providers: [{ name: "openai", apiKey: "<redacted>" }] }),
  cache: Effect.succeed(cache),
  evictCacheEntry: () => Effect.succeed(false),
  purgeCache: () => Effect.sync(() => ++purged),
  showsContent: false,
  semanticCache: Effect.die(new Error("not asked for here")),
  wrongPairs: Effect.succeed([]),
  takeWrongPairs: () => Effect.succeed(0),
  prices: () => Effect.die(new Error("not asked for here")),
  models: () => Effect.die(new Error("not asked for here")),
  cacheFeedback: () => Effect.succeed(undefined)
})

const answers = Layer.mergeAll(
  Pricing.layer(() => ({ _tag: "Unpriced", reason: "not asked for here" })),
  Keys.layer({ store: KeysMemory.make }),
  Layer.succeed(Budget, {} as Budget["Service"]),
  RateLimiter.layer({ providers: [], queue: { maxWaiting: 1, maxWaitMs: 1 } }),
  Cache.layer({ enabled: true, maxSize: 10, ttlMs: 60_000, maxTemperature: undefined }),
  Routing.layer({
    providers: [],
    aliases: {},
    strategy: "fallback",
    weight: () => 1,
    typicalUsd: () => undefined
  })
)

/** A plain Node server with the admin API over a usage database, on virtual time. */
const serve = async (options: { readonly database?: string; readonly maxFailures?: number } = {}) => {
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(status, sources, answers).pipe(
      Layer.provideMerge(UsageDatabase.layer({ database: options.database ?? "memory", durability: "relaxed" })),
      Layer.provideMerge(TestClock.layer()),
      Layer.provideMerge(
        Logger.layer([Logger.make(({ cause, message }) => logged.push(`${String(message)} ${Cause.pretty(cause)}`))])
      )
    )
  )
  const log = await runtime.runPromise(UsageLog)
  const listener = await runtime.runPromise(
    handler({ token: Redacted.make(token), maxFailures: options.maxFailures }).pipe(Scope.provide(runtime.scope))
  )
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  return {
    log,
    url,
    port,
    later: (duration: Duration.Input) => runtime.runPromise(TestClock.adjust(duration)),
    get: (path: string, headers: Record<string, string> = {}, method = "GET") =>
      fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${token}`, ...headers } }),
    close: async () => {
      await runtime.dispose()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

type Served = Awaited<ReturnType<typeof serve>>

let served: Served
beforeAll(async () => {
  served = await serve({ maxFailures: 1_000 })
  served.log.record(recordOf({ id: "req_1" }))
  served.log.record(recordOf({ id: "req_2", timeMs: noonMs + 1, tenant: "acme", cache: "hit", costUsd: 0 }))
  served.log.record(
    recordOf({
      id: "req_3",
      timeMs: noonMs + 3_600_000,
      status: "error",
      fault: "provider",
      errorKind: "ProviderTimeout"
    })
  )
})
afterAll(() => served.close())
beforeEach(() => {
  statusFails = false
  logged.length = 0
})

const json = async (response: Response): Promise<unknown> => {
  expect(response.headers.get("content-type")).toContain("application/json")
  return response.json()
}

const cachePaths = [
  "cache/entries",
  "cache/entries/{key}",
  "cache/explain",
  "cache/export",
  "cache/feedback",
  "cache/import",
  "cache/lookups/{id}",
  "cache/semantic",
  "cache/semantic/pairs"
]
const paths = ["status", "usage", "requests", "requests/req_1", "config", "providers", "cache", "cache/purge", "events"]
const everyPath = [
  "",
  "/",
  ...[
    ...paths,
    "openapi.json",
    "keys",
    "errors",
    "usage/export",
    "usage/prune",
    "usage/reprice",
    "no/such/route",
    "%ff"
  ].map((path) => `/${path}`)
]
const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]

describe("the token", () => {
  it("is asked for on every path and method, known or not", async () => {
    for (const path of everyPath) {
      for (const method of methods) {
        for (const authorization of [undefined, "Bearer wrong-token", `Basic ${token}`, token, "Bearer", "Bearer "]) {
          const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
          const response = await fetch(`${served.url}/admin/api${path}`, { method, headers })
          expect([method, path, response.status]).toEqual([method, path, 401])
          expect(response.headers.get("www-authenticate")).toContain("Bearer")
          if (method !== "HEAD") expect(await json(response)).toMatchObject({ _tag: "Unauthorized" })
        }
      }
    }
  })

  it("is taken from the authorization header alone", async () => {
    const elsewhere = await fetch(`${served.url}/admin/api/status?key=${token}&token=${token}`, {
      headers: { "x-api-key": token, "x-goog-api-key": token, cookie: `token=${token}` }
    })
    expect(elsewhere.status).toBe(401)
    expect((await served.get("/admin/api/status", { authorization: `bearer   ${token}` })).status).toBe(200)
  })

  it("is refused when it is only a part, or more than, the right one", async () => {
    for (const wrong of [token.slice(0, -1), `${token}x`, token.toUpperCase(), `${token} ${token}`]) {
      expect((await served.get("/admin/api/status", { authorization: `Bearer ${wrong}` })).status).toBe(401)
    }
  })

  it("is let in although its address is throttled, and wrong ones get 429 with Retry-After", async () => {
    const throttled = await serve({ maxFailures: 3 })
    const wrong = () => throttled.get("/admin/api/status", { authorization: "Bearer wrong-token" })
    const missing = () => fetch(`${throttled.url}/admin/api/status`)
    for (let i = 0; i < 5; i++) expect((await missing()).status).toBe(401)
    for (let i = 0; i < 3; i++) expect((await wrong()).status).toBe(401)
    const refused = await wrong()
    expect(refused.status).toBe(429)
    expect(refused.headers.get("retry-after")).toBe("60")
    expect(await json(refused)).toMatchObject({ _tag: "TooManyRequests" })
    expect((await throttled.get("/admin/api/status")).status).toBe(200)
    await throttled.later("59500 millis")
    expect((await wrong()).headers.get("retry-after")).toBe("1")
    expect((await missing()).status).toBe(401)
    await throttled.later("500 millis")
    expect((await wrong()).status).toBe(401)
    await throttled.close()
  })

  it("is not waited for behind a body that never ends", async () => {
    const socket = connect(served.port, "127.0.0.1")
    socket.write("POST /admin/api/cache/purge HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc")
    const answer = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(String(data))))
    expect(answer).toMatch(/^HTTP\/1.1 401 /)
    expect(answer.toLowerCase()).toContain("connection: close")
    socket.destroy()
  })

  it("appears in no log and no answer", async () => {
    statusFails = true
    const bodies = [
      await (await served.get("/admin/api/status")).text(),
      await (await served.get(`/admin/api/requests?tenant=${token}&nope=1`)).text(),
      await (await served.get(`/admin/api/${token}`)).text()
    ]
    expect(logged.join("\n")).toContain("an admin request failed")
    expect([...bodies, ...logged].join("\n")).not.toContain(token)
  })
})

describe("the routes", () => {
  it("give the status as the engine has it", async () => {
    const status = await json(await served.get("/admin/api/status"))
    expect(status).toEqual(statusOf(served.log))
    expect(status).toMatchObject({ totals: { requests: 3, errors: 1 } })
  })

  it("sum up usage by bucket and group", async () => {
    const answer = await json(await served.get(`/admin/api/usage?${day}&bucket=hour&groupBy=tenant`))
    expect(answer).toMatchObject({
      totals: {
        requests: 3,
        errors: 1,
        cacheHits: 1,
        latencyMsP50: expect.closeTo(250, -1),
        ttftMsP95: expect.closeTo(50, 0)
      },
      series: [
        { start: "2026-11-22T10:00:00.000Z", group: "acme", requests: 1 },
        { start: "2026-11-22T10:00:00.000Z", group: "default", requests: 1 },
        { start: "2026-11-22T11:00:00.000Z", group: "default", requests: 1 }
      ]
    })
  })

  it("take times in ISO 8601 and in epoch milliseconds", async () => {
    const counts = []
    for (const from of [
      "2026-11-22T11:00:00Z",
      "2026-11-22T11:00",
      "2026-11-22T12:00:00%2B01:00",
      "2026-11-22T12:00:00+01:00",
      String(noonMs + 3_600_000)
    ]) {
      const answer = await json(await served.get(`/admin/api/usage?from=${from}&to=2026-11-23`))
      counts.push((answer as { totals: { requests: number } }).totals.requests)
    }
    expect(counts).toEqual([1, 1, 1, 1, 1])
  })

  it("page through requests and show one with its attempts", async () => {
    const first = await json(await served.get("/admin/api/requests?limit=2"))
    expect(first).toMatchObject({ items: [{ id: "req_3", errorKind: "ProviderTimeout" }, { id: "req_2" }] })
    const { nextCursor } = first as { nextCursor: string }
    const rest = await json(await served.get(`/admin/api/requests?limit=2&cursor=${nextCursor}`))
    expect(rest).toMatchObject({ items: [{ id: "req_1", time: "2026-11-22T10:00:00.000Z" }], nextCursor: null })
    expect(await json(await served.get("/admin/api/requests?status=error"))).toMatchObject({ items: [{ id: "req_3" }] })
    const detail = await json(await served.get("/admin/api/requests/req_1"))
    expect(detail).toMatchObject({ id: "req_1", attemptDetails: [], price: { table: "table 1" } })
  })

  it("show providers, the redacted configuration and the cache, and empty the cache", async () => {
    expect(await json(await served.get("/admin/api/providers"))).toEqual({ providers: [provider] })
    expect(await json(await served.get("/admin/api/config"))).toMatchObject({ providers: [{ apiKey: "<redacted>" }] })
    expect(await json(await served.get("/admin/api/cache"))).toEqual(cache)
    const before = purged
    expect(await json(await served.get("/admin/api/cache/purge", {}, "POST"))).toEqual({ purged: before + 1 })
    expect((await served.get("/admin/api/cache/purge")).status).toBe(404)
    expect(purged).toBe(before + 1)
  })

  it("describe themselves in OpenAPI, with the token as security of each", async () => {
    const api = (await json(await served.get("/admin/api/openapi.json"))) as {
      openapi: string
      paths: Record<string, Record<string, { security: ReadonlyArray<unknown>; responses: object }>>
    }
    expect(api.openapi).toMatch(/^3\.1/)
    const templates = [
      ...paths.filter((path) => !path.includes("req_1")),
      "requests/{id}",
      "providers/{name}/breaker",
      "providers/{name}/probe",
      ...cachePaths,
      ...["keys", "keys/{id}", "keys/{id}/rotate"],
      ...["errors", "usage/export", "usage/prune", "usage/reprice"],
      ...["budgets", "config/reload", "config/sources", "config/validate", "models", "prices"]
    ]
    expect(Object.keys(api.paths).toSorted()).toEqual(templates.map((path) => `/admin/api/${path}`).toSorted())
    for (const operations of Object.values(api.paths)) {
      for (const operation of Object.values(operations)) {
        expect(operation.security).toEqual([{ bearer: [] }])
        expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(["401", "429"]))
        expect(Object.keys(operation.responses).some((code) => code === "200" || code === "201")).toBe(true)
      }
    }
  })

  it("can be used by the client that is derived from their definition", async () => {
    const client = await Effect.runPromise(
      HttpApiClient.make(AdminApi, {
        baseUrl: served.url,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
      }).pipe(Effect.provide(FetchHttpClient.layer))
    )
    const usage = await Effect.runPromise(
      client.usage({ query: { from: noonMs, to: noonMs + 86_400_000, groupBy: "status" } })
    )
    expect(usage.series.map((point) => point.group)).toEqual(["success", "error"])
    expect((await Effect.runPromise(client.status())).providers[0]?.name).toBe("openai")
    const missing = await Effect.runPromise(Effect.flip(client.request({ params: { id: "none" } })))
    expect(missing._tag).toBe("NotFound")
  })

  it("answer with headers that forbid caching and guessing", async () => {
    for (const path of ["status", "no-such-route", "openapi.json"]) {
      const { headers } = await served.get(`/admin/api/${path}`)
      expect(headers.get("cache-control")).toBe("no-store")
      expect(headers.get("x-content-type-options")).toBe("nosniff")
      expect(headers.get("content-security-policy")).toContain("default-src 'none'")
    }
  })
})

describe("wrong requests", () => {
  it.each([
    ["requests?limit=0", "limit"],
    ["requests?limit=501", "limit"],
    ["requests?limit=1.5", "limit"],
    ["requests?limit=abc", "limit"],
    ["requests?limit=", "limit"],
    ["requests?limit=1&limit=2", "limit"],
    ["requests?cursor=nonsense", "cursor"],
    ["requests?status=ok", "status"],
    ["requests?cache=warm", "cache"],
    ["requests?from=yesterday", "from"],
    ["requests?from=2026-13-01", "from"],
    ["requests?to=99999999999999999", "to"],
    ["requests?to=-5", "to"],
    ["requests?from=2&to=1", "from"],
    ["usage?from=2026-11-23&to=2026-11-22", "from"],
    ["usage?bucket=week", "bucket"],
    ["usage?groupBy=prompt", "groupBy"],
    ["usage?groupby=model", "groupby"],
    ["usage?model=", "model"]
  ])("%s is 400 and names %s", async (query, field) => {
    const response = await served.get(`/admin/api/${query}`)
    expect(response.status).toBe(400)
    const body = (await json(response)) as { _tag: string; message: string; issues: ReadonlyArray<{ field: string }> }
    expect(body._tag).toBe("BadRequest")
    expect(body.issues.map((issue) => issue.field)).toEqual([field])
    expect(body.message).toContain(field)
  })

  it("name every wrong field at once", async () => {
    const body = await json(await served.get("/admin/api/usage?bucket=week&from=then&status=ok"))
    const { issues } = body as { issues: ReadonlyArray<{ field: string }> }
    expect(issues.map((issue) => issue.field).toSorted()).toEqual(["bucket", "from", "status"])
  })

  it.each(["", "/", "/nothing", "/status/x", "/requests/a/b", "/%ff", "/..%2f..%2fetc"])(
    "%s is 404 with a body",
    async (path) => {
      const response = await served.get(`/admin/api${path}`)
      expect([404, 400]).toContain(response.status)
      expect(await json(response)).toHaveProperty("message")
    }
  )

  it("an unknown id is 404", async () => {
    for (const id of ["none", "' OR 1=1 --", "a".repeat(90)]) {
      const response = await served.get(`/admin/api/requests/${encodeURIComponent(id)}`)
      expect(response.status).toBe(404)
      expect(await json(response)).toMatchObject({ _tag: "NotFound" })
    }
  })

  it("a failure inside is 500 without details, and the log says where it came from", async () => {
    statusFails = true
    const response = await served.get("/admin/api/status")
    expect(response.status).toBe(500)
    expect(JSON.stringify(await json(response))).not.toContain("secret detail")
    expect(logged.join("\n")).toContain("an admin request failed")
    expect(logged.join("\n")).toContain("Admin.test.ts")
    expect(logged.join("\n")).not.toContain("secret detail")
  })

  it("a database that can't be read is 503", async () => {
    const broken = await serve({ database: "sqlite:/dev/null/usage.db" })
    const response = await broken.get("/admin/api/usage")
    expect(response.status).toBe(503)
    expect(await json(response)).toMatchObject({ _tag: "StorageUnavailable" })
    expect((await broken.get("/admin/api/status")).status).toBe(200)
    await broken.close()
  })
})

describe("live events", () => {
  const open = (headers: Record<string, string> = { authorization: `Bearer ${token}` }) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      request(`${served.url}/admin/api/events`, { headers, agent: false }, resolve).on("error", reject).end()
    })

  it("send the status at once and again each second", async () => {
    const response = await open()
    expect(response.statusCode).toBe(200)
    expect(response.headers["content-type"]).toContain("text/event-stream")
    let text = ""
    for await (const chunk of response) {
      text += String(chunk)
      const events = text.split("\n\n").length - 1
      if (events === 3) break
      await served.later("1 second")
    }
    const [first] = text.split("\n\n")
    expect(first).toMatch(/^event: status\ndata: /)
    expect(JSON.parse(first!.slice(first!.indexOf("data: ") + 6))).toMatchObject({ providers: [{ name: "openai" }] })
  })

  it("end when the engine does", async () => {
    const own = await serve()
    const response = await own.get("/admin/api/events")
    const reader = response.body!.getReader()
    await reader.read()
    await own.close()
    const rest = await Promise.allSettled([reader.read()])
    expect(rest[0].status === "rejected" || rest[0].value.done).toBe(true)
  })
})
