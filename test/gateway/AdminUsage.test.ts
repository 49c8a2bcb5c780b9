import { createServer, get as httpGet, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect, Layer, Logger, ManagedRuntime, Redacted, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { AdminSources } from "../../engine/src/AdminSources.ts"
import type {
  ErrorReport,
  PruneResult,
  RepriceResult,
  RequestDetail,
  RequestPage,
  UsageReport
} from "../../engine/src/admin-api.ts"
import { Cache } from "../../engine/src/Cache.ts"
import { handler } from "../../engine/src/gateway/Admin.ts"
import { Budget } from "../../engine/src/Budget.ts"
import { Keys } from "../../engine/src/Keys.ts"
import { Pricing } from "../../engine/src/Pricing.ts"
import { RateLimiter } from "../../engine/src/RateLimiter.ts"
import { Routing } from "../../engine/src/Routing.ts"
import { StatusSource } from "../../engine/src/Status.ts"
import { columnNames } from "../../engine/src/stores/UsageExport.ts"
import * as UsageDatabase from "../../engine/src/stores/UsageDatabase.ts"
import * as UsageMemory from "../../engine/src/stores/UsageMemory.ts"
import {
  type StoredRecord,
  TooManyRecords,
  UsageLog,
  type UsageStore,
  UsageUnavailable
} from "../../engine/src/UsageLog.ts"
import { noonMs, recordOf } from "../contracts/usage-record.ts"
import { canaryKey, canaryPrompt } from "../support/canary.ts"
import { adminToken, startGateway, type TestGateway } from "../support/gateway.ts"
import { noPostgres, type Postgres, postgresBinaries, startPostgres } from "../support/postgres.ts"
import { answer, sendJson, startUpstream, type TestUpstream } from "../support/upstream.ts"

const headers = { authorization: `Bearer ${adminToken}` }
const dayMs = 86_400_000

/** The admin API alone, over a store. */
const serve = async (store: UsageStore, price = 2) => {
  const unasked = Layer.mergeAll(
    Layer.succeed(AdminSources, {} as AdminSources["Service"]),
    Layer.succeed(StatusSource, {} as StatusSource["Service"]),
    Layer.succeed(Cache, {} as Cache["Service"]),
    Layer.succeed(Routing, { providerNames: ["openai"] } as unknown as Routing["Service"]),
    Layer.succeed(Keys, {} as Keys["Service"]),
    Layer.succeed(Budget, {} as Budget["Service"]),
    Layer.succeed(RateLimiter, {} as RateLimiter["Service"]),
    Pricing.layer((target, usage) =>
      target.model === "free"
        ? { _tag: "Unpriced", reason: "no price is known" }
        : { _tag: "Priced", usd: usage.output * price, table: "table 2" }
    )
  )
  const runtime = ManagedRuntime.make(Layer.mergeAll(unasked, UsageLog.layer(Effect.succeed(store)), Logger.layer([])))
  const listener = await runtime.runPromise(
    handler({ token: Redacted.make(adminToken) }).pipe(Scope.provide(runtime.scope))
  )
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/admin/api`
  return {
    url,
    get: (at: string) => fetch(`${url}/${at}`, { headers }),
    post: (at: string, body: object) =>
      fetch(`${url}/${at}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify(body)
      }),
    close: async () => {
      await runtime.dispose()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

const memory = (records: ReadonlyArray<Parameters<typeof recordOf>[0]>): UsageStore => {
  const store = Effect.runSync(UsageMemory.make)
  for (const fields of records) store.write(recordOf(fields))
  return store
}

/** A store with so many records, which are made when they are read; `pages` counts how often it was asked. */
const endless = (count: number, failsAt = Number.POSITIVE_INFINITY) => {
  const asked = { pages: 0 }
  const store: UsageStore = {
    ...memory([]),
    scanRows: ({ limit }, after) =>
      Effect.suspend(() => {
        asked.pages += 1
        const start = after === undefined ? 0 : after.seq
        if (start >= failsAt) return Effect.fail(new UsageUnavailable({ detail: "the disk is gone" }))
        return Effect.succeed(
          Array.from({ length: Math.min(limit, count - start) }, (_, index): StoredRecord => ({
            seq: start + index + 1,
            record: recordOf({ id: `req_${start + index}`, timeMs: noonMs + start + index })
          }))
        )
      })
  }
  return { store, asked }
}

const all = "from=2026-11-01&to=2026-12-01"

it("takes provider/model as a model wherever requests are filtered, as routing does", async () => {
  const error = { status: "error", errorKind: "ProviderTimeout", errorDetail: "late", fingerprint: "f" } as const
  const served = await serve(
    memory([
      { id: "a", provider: "openai", model: "m" },
      { id: "b", provider: "azure", model: "m" },
      { id: "c", provider: "azure", model: "openrouter/m" },
      { id: "d", provider: "openai", model: "m", ...error }
    ])
  )
  const at = async (path: string, model: string): Promise<unknown> =>
    (await served.get(`${path}?${all}&model=${model}`)).json()
  expect(await at("usage", "openai/m")).toMatchObject({ totals: { requests: 2 } })
  expect(await at("usage", "m")).toMatchObject({ totals: { requests: 3 } })
  expect(await at("usage", "openrouter/m")).toMatchObject({ totals: { requests: 1 } })
  expect(await at("usage", "azure/m")).toMatchObject({ totals: { requests: 0 } })
  expect(await at("requests", "openai/m")).toMatchObject({ items: [{ id: "d" }, { id: "a" }] })
  expect(await at("errors", "openai/m")).toMatchObject({ groups: [{ fingerprint: "f" }] })
  await served.close()
})

describe("GET usage/export", () => {
  it("is a file of CSV or NDJSON with a name, and takes the filters of usage", async () => {
    const served = await serve(memory([{ id: "a" }, { id: "b", tenant: "acme" }, { id: "c", timeMs: noonMs - dayMs }]))
    const csv = await served.get(`usage/export?${all}&format=csv`)
    expect(csv.status).toBe(200)
    expect(csv.headers.get("content-type")).toBe("text/csv; charset=utf-8; header=present")
    expect(csv.headers.get("content-disposition")).toBe(
      'attachment; filename="millrace-usage-20261101T000000Z-20261201T000000Z.csv"'
    )
    const [names, ...rows] = (await csv.text()).trim().split("\r\n")
    expect(names).toBe(columnNames.join(","))
    expect(rows.map((row) => row.split(",")[0])).toEqual(["c", "a", "b"])
    const ndjson = await served.get(`usage/export?${all}&format=ndjson&tenant=acme`)
    expect(ndjson.headers.get("content-type")).toBe("application/x-ndjson")
    expect(JSON.parse(await ndjson.text())).toMatchObject({ id: "b", tenant: "acme", attemptDetails: [] })
    const none = await served.get("usage/export?from=2020-01-01&to=2020-01-02")
    expect(await none.text()).toBe(`${columnNames.join(",")}\r\n`)
    expect((await served.get("usage/export?format=xml")).status).toBe(400)
    expect((await served.get("usage/export?from=2026-02-01&to=2026-01-01")).status).toBe(400)
    await served.close()
  })

  it("has every record once, over many pages", async () => {
    const { asked, store } = endless(12_345)
    const served = await serve(store)
    const lines = (await (await served.get(`usage/export?${all}&format=ndjson`)).text()).trim().split("\n")
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(
      Array.from({ length: 12_345 }, (_, index) => `req_${index}`)
    )
    expect(asked.pages).toBe(13)
    await served.close()
  })

  it("is read no faster than it is taken, and no more when its reader leaves", async () => {
    const { asked, store } = endless(1_000_000)
    const served = await serve(store)
    const response = await new Promise<IncomingMessage>((resolve) =>
      httpGet(`${served.url}/usage/export?${all}`, { headers, agent: false }, resolve)
    )
    let settled = -1
    while (settled !== asked.pages) {
      settled = asked.pages
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    // What fits into the buffers of both sockets.
    expect(settled).toBeLessThan(60)
    response.destroy()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(asked.pages).toBeLessThanOrEqual(settled + 2)
    await served.close()
  })

  it("that breaks off is no complete answer", async () => {
    const served = await serve(endless(20_000, 5000).store)
    await expect((await served.get(`usage/export?${all}`)).text()).rejects.toThrow()
    await served.close()
    const broken = await serve(endless(20_000, 0).store)
    const response = await broken.get(`usage/export?${all}`)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ _tag: "StorageUnavailable" })
    await broken.close()
  })
})

describe("GET requests", () => {
  const failed = { status: "error" as const, fault: "provider" as const, errorKind: "ProviderServerError" }
  const hundreds = Array.from({ length: 12_000 }, (_, index) => ({
    id: `req_${(noonMs + index).toString(36)}abc`,
    timeMs: noonMs + index,
    latencyMs: index % 1000 === 7 ? 9000 : 5
  }))

  it("finds by what no sums are kept for", async () => {
    const served = await serve(
      memory([
        { id: "a", ...failed, fingerprint: "f1", keyId: "key_1", tenant: "acme" },
        { id: "b", ...failed, fingerprint: "f1", keyId: "key_1", timeMs: noonMs + 1 },
        { id: "c", ...failed, fault: "caller", errorKind: "InvalidRequest", fingerprint: "f2" },
        { id: "d", status: "cancelled", fault: "caller", errorKind: "Cancelled" },
        { id: "slow", latencyMs: 5000, cache: "bypass" },
        { id: "unfinished", latencyMs: null }
      ])
    )
    const ids = async (query: string) => {
      const { items } = (await (await served.get(`requests?${query}`)).json()) as RequestPage
      return items.map(({ id }) => id)
    }
    expect(await ids("fingerprint=f1")).toEqual(["b", "a"])
    expect(await ids("fingerprint=f1&tenant=acme")).toEqual(["a"])
    expect(await ids("errorKind=ProviderServerError")).toEqual(["b", "a"])
    expect(await ids("errorKind=Cancelled")).toEqual(["d"])
    expect(await ids("fault=caller")).toEqual(["d", "c"])
    expect(await ids("fault=provider&limit=1")).toEqual(["b"])
    expect(await ids("minLatencyMs=1000")).toEqual(["slow"])
    expect(await ids("minLatencyMs=1000&cache=miss")).toEqual([])
    expect(await ids("search=unf")).toEqual(["unfinished"])
    expect(await ids("search=%25")).toEqual([])
    const { groups } = (await (await served.get(`errors?${all}&fingerprint=f1`)).json()) as ErrorReport
    expect(groups).toMatchObject([
      {
        fingerprint: "f1",
        count: 2,
        affected: {
          counted: 2,
          keys: [{ keyId: "key_1", count: 2 }],
          tenants: [
            { tenant: "acme", count: 1 },
            { tenant: "default", count: 1 }
          ]
        }
      }
    ])
    const list = (await (await served.get(`errors?${all}`)).json()) as ErrorReport
    expect(list.groups.map(({ affected }) => affected)).toEqual([null, null])
    for (const query of ["fault=nobody", "minLatencyMs=-1", "minLatencyMs=x", "search=", "fingerprint=f1&cursor=zz"]) {
      expect((await served.get(`requests?${query}`)).status, query).toBe(400)
    }
    await served.close()
  })

  it("has sums of the same, over as many requests as can be looked at", async () => {
    const served = await serve(
      memory([
        { id: "a", ...failed, fingerprint: "f1", tenant: "acme" },
        { id: "b", ...failed, fingerprint: "f1", timeMs: noonMs + 3_600_000 },
        { id: "c", ...failed, fingerprint: "f2" },
        { id: "slow", latencyMs: 5000 },
        { id: "fast" }
      ])
    )
    const sums = async (query: string) => {
      const { series, totals } = (await (await served.get(`usage?${all}&${query}`)).json()) as UsageReport
      return [totals.requests, ...series.map(({ group, requests }) => [group, requests])]
    }
    expect(await sums("fingerprint=f1&groupBy=tenant")).toEqual([2, ["acme", 1], ["default", 1]])
    expect(await sums("errorKind=ProviderServerError&bucket=day")).toEqual([3, [null, 3]])
    expect(await sums("fault=provider&tenant=acme")).toEqual([1, [null, 1]])
    expect(await sums("minLatencyMs=5000&groupBy=status")).toEqual([1, ["success", 1]])
    expect(await sums("fingerprint=none")).toEqual([0])
    await served.close()
    const large = await serve({
      ...memory([]),
      recordSums: ({ maxRecords }) => Effect.fail(new TooManyRecords({ maxRecords }))
    })
    const refused = await large.get(`usage?${all}&minLatencyMs=1`)
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ issues: [{ field: "from" }] })
    await large.close()
  }, 30_000)

  it("goes on from page to page over what it did not look for, and misses nothing", async () => {
    const served = await serve(memory(hundreds))
    const found: Array<string> = []
    const sizes: Array<number> = []
    let cursor: string | null = null
    do {
      const more = cursor === null ? "" : `&cursor=${cursor}`
      const page = (await (await served.get(`requests?minLatencyMs=1000&limit=1${more}`)).json()) as RequestPage
      sizes.push(page.items.length)
      found.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor
    } while (cursor !== null)
    // The store keeps the last 10,000.
    expect(found).toEqual(
      hundreds
        .slice(2000)
        .flatMap(({ id, latencyMs }) => (latencyMs === 9000 ? [id] : []))
        .toReversed()
    )
    expect(Math.max(...sizes)).toBe(1)
    await served.close()
  })

  it("finds the beginning of an id without looking at requests of other times", async () => {
    const scans: Array<{ readonly fromMs: number | undefined; readonly toMs: number | undefined }> = []
    const store = memory(hundreds)
    const served = await serve({ ...store, page: (scan) => (scans.push(scan), store.page(scan)) })
    const { id } = hundreds[9000]!
    for (const search of [id, id.slice(0, -1)]) {
      const { items } = (await (await served.get(`requests?search=${search}`)).json()) as RequestPage
      expect(items.map((item) => item.id)).toEqual([id])
    }
    expect(scans[0]!.toMs! - scans[0]!.fromMs!).toBeLessThan(2000)
    expect(((await (await served.get(`requests?search=${id}&status=error`)).json()) as RequestPage).items).toEqual([])
    const some = (await (await served.get(`requests?search=${id.slice(0, 9)}&limit=500`)).json()) as RequestPage
    expect(some.items.length).toBeGreaterThan(100)
    expect(some.items.every((item) => item.id.startsWith(id.slice(0, 9)))).toBe(true)
    await served.close()
  })
})

describe("POST usage/prune", () => {
  it("forgets whole days, or says what it would forget", async () => {
    const served = await serve(memory([{ id: "old", timeMs: noonMs - dayMs }, { id: "new" }]))
    const prune = async (body: object) => (await (await served.post("usage/prune", body)).json()) as PruneResult
    const before = "2026-11-22T23:00:00Z"
    const first = { before: "2026-11-22T00:00:00.000Z", requests: 1 }
    expect(await prune({ before, dryRun: true })).toEqual({ ...first, dryRun: true, rollups: null })
    expect(await prune({ before: Date.parse(before) })).toMatchObject({ ...first, dryRun: false })
    expect(await prune({ before })).toMatchObject({ requests: 0 })
    expect((await served.get("requests/old")).status).toBe(404)
    expect((await served.get("requests/new")).status).toBe(200)
    for (const body of [{}, { before: "then" }, { before, all: true }]) {
      expect((await served.post("usage/prune", body)).status).toBe(400)
    }
    await served.close()
  })
})

describe("POST usage/prune, on a database", () => {
  it("keeps sums when told to, and counts only what is there", async () => {
    const runtime = ManagedRuntime.make(UsageDatabase.layer({ database: "sqlite::memory:", durability: "strict" }))
    const { store } = await runtime.runPromise(UsageLog)
    for (const days of [5, 4, 1, 0]) {
      await runtime.runPromise(
        store.write(recordOf({ id: `day${days}`, timeMs: noonMs - days * dayMs })) ?? Effect.void
      )
    }
    const served = await serve(store)
    const prune = async (body: object) => (await (await served.post("usage/prune", body)).json()) as PruneResult
    const requests = async () =>
      ((await (await served.get(`usage?${all}&bucket=day`)).json()) as UsageReport).totals.requests
    const [before, later] = [noonMs - 3 * dayMs, noonMs]
    expect(await prune({ before, keepRollups: true, dryRun: true })).toMatchObject({ requests: 2 })
    expect(await prune({ before, keepRollups: true })).toMatchObject({ requests: 2, rollups: 0 })
    expect(await requests()).toBe(4)
    expect(await prune({ before, dryRun: true })).toMatchObject({ requests: 0 })
    expect(await prune({ before: later, dryRun: true })).toMatchObject({ requests: 1 })
    const done = await prune({ before: later })
    expect(done).toMatchObject({ requests: 1 })
    expect(done.rollups).toBeGreaterThan(0)
    expect(await requests()).toBe(1)
    await served.close()
    await runtime.dispose()
  })
})

describe("POST usage/reprice", () => {
  const records = [
    { id: "a", output: 1, costUsd: 1, priceTable: "table 1" },
    { id: "b", output: 3, costUsd: null, unpricedReason: "no table", priceTable: null },
    { id: "c", model: "free", output: 5, costUsd: 4 },
    { id: "same", output: 2, costUsd: 4, priceTable: "table 2" },
    {
      id: "hit",
      cache: "hit" as const,
      uncachedInput: 0,
      cacheReadInput: 0,
      cacheWriteInput: 0,
      output: 0,
      costUsd: 0
    },
    { id: "failed", uncachedInput: 0, cacheReadInput: 0, cacheWriteInput: 0, output: 0, costUsd: null },
    { id: "old", timeMs: noonMs - 10 * dayMs, costUsd: 7 },
    {
      id: "lost",
      output: 1,
      costUsd: 1.5,
      attempts: [
        {
          provider: "openai",
          model: "gpt-5.4-mini",
          startedAtMs: 0,
          queueMs: 0,
          firstPartAtMs: null,
          endedAtMs: 1,
          costUsd: 0.5,
          error: null,
          lost: { costUsd: 0.5 }
        }
      ]
    }
  ]

  it("says what each model cost and costs, and what has no price, and changes it unless it is a dry run", async () => {
    const served = await serve(memory(records))
    const reprice = async (body: object) => (await (await served.post("usage/reprice", body)).json()) as RepriceResult
    const found = {
      requests: 7,
      changed: 4,
      oldUsd: 10.5,
      newUsd: 14.5,
      models: [
        { provider: "openai", model: "gpt-5.4-mini", requests: 4, changed: 3, oldUsd: 6.5, newUsd: 14.5, unpriced: [] },
        {
          provider: "openai",
          model: "free",
          requests: 1,
          changed: 1,
          oldUsd: 4,
          newUsd: 0,
          unpriced: [{ reason: "no price is known", requests: 1 }]
        }
      ],
      nextCursor: null
    }
    const from = noonMs - dayMs
    expect(await reprice({ from, dryRun: true })).toEqual({ ...found, dryRun: true })
    const cost = async (id: string) => ((await (await served.get(`requests/${id}`)).json()) as RequestDetail).price
    expect(await cost("a")).toMatchObject({ usd: 1 })
    expect(await reprice({ from: "2026-11-21T10:00:00Z" })).toEqual({ ...found, dryRun: false })
    expect(await cost("a")).toMatchObject({ usd: 2, table: "table 2" })
    expect(await cost("b")).toMatchObject({ usd: 6, unpricedReason: null })
    expect(await cost("c")).toMatchObject({ usd: null, table: null, unpricedReason: "no price is known" })
    expect(await cost("lost")).toMatchObject({ usd: 2.5 })
    expect(await cost("old")).toMatchObject({ usd: 7, table: "table 1" })
    expect(await reprice({ from })).toMatchObject({ requests: 7, changed: 0, oldUsd: 14.5, newUsd: 14.5 })
    const { totals } = (await (await served.get(`usage?${all}&bucket=day`)).json()) as UsageReport
    expect(totals).toMatchObject({ costUsd: 21.5, unpriced: 1 })
    await served.close()
  })

  it("takes several calls for a long history", async () => {
    const changes: Array<number> = []
    const { store } = endless(45_000)
    const served = await serve({
      ...store,
      reprice: (page) => Effect.sync(() => (changes.push(...page.map(({ seq }) => seq)), page.length))
    })
    let cursor: string | null = null
    const requests: Array<number> = []
    do {
      const body = { to: "2026-12-01", ...(cursor === null ? {} : { cursor }) }
      const step = (await (await served.post("usage/reprice", body)).json()) as RepriceResult
      requests.push(step.requests)
      cursor = step.nextCursor
    } while (cursor !== null)
    expect(requests).toEqual([20_000, 20_000, 5000])
    expect(changes).toEqual(Array.from({ length: 45_000 }, (_, index) => index + 1))
    expect((await served.post("usage/reprice", { cursor: "nonsense" })).status).toBe(400)
    await served.close()
  }, 30_000)
})

if (postgresBinaries === undefined) it.skip(noPostgres, () => {})

describe.each(["memory", "sqlite", ...(postgresBinaries === undefined ? [] : ["postgres"])])(
  "a gateway over %s",
  (kind) => {
    let postgres: Postgres | undefined
    let upstream: TestUpstream
    let gateway: TestGateway
    let folder: string

    const start = (content: boolean) =>
      startGateway({
        providers: [{ name: "up", kind: "openai-compatible", baseUrl: upstream.url, apiKey: canaryKey, model: "m" }],
        retry: { maxAttempts: 1 },
        breaker: { minimumCalls: 100_000 },
        cache: { enabled: false },
        logging: { level: "none", content },
        storage: {
          database:
            postgres?.newDatabase() ?? (kind === "memory" ? kind : `sqlite:${path.join(folder, `${content}.db`)}`)
        }
      })

    beforeAll(async () => {
      folder = mkdtempSync(path.join(tmpdir(), "millrace-usage-"))
      if (kind === "postgres") postgres = await startPostgres()
      upstream = await startUpstream()
      gateway = await start(false)
    }, 60_000)
    afterAll(async () => {
      await gateway.close()
      await postgres?.stop()
      await upstream.close()
      rmSync(folder, { recursive: true })
    })

    const ask = async (more: object = {}, sent: Record<string, string> = {}, at = gateway) => {
      const response = await fetch(`${at.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", ...sent },
        body: JSON.stringify({ model: "m", messages: [{ role: "user", content: canaryPrompt }], ...more })
      })
      await response.text()
      return response.headers.get("x-millrace-request-id")!
    }
    const get = async <A>(at: string, from = gateway) =>
      (await (await fetch(`${from.url}/admin/api/${at}`, { headers })).json()) as A

    it("groups failures by what they have in common", async () => {
      const ids: Array<string> = []
      for (const n of [1, 2, 3]) {
        upstream.respond = (response, request) =>
          sendJson(429, {
            error: {
              message: `Rate limit reached for gpt-${n} in org-${n}: ${request.text} ${canaryKey} Used ${n}, please try again in ${n}s.`,
              code: "rate_limit_exceeded"
            }
          })(response, request)
        ids.push(await ask({ messages: [{ role: "user", content: `${canaryPrompt} ${n} ${"x".repeat(n)}` }] }))
      }
      upstream.respond = sendJson(500, { error: { message: "Internal server error" } })
      const other = await ask()
      upstream.respond = answer("fine")
      await ask()
      const { groups } = await get<ErrorReport>("errors")
      expect(groups).toHaveLength(2)
      const [limited, failed] = groups
      expect(limited).toMatchObject({
        kind: "ProviderRateLimited",
        fault: "provider",
        provider: "up",
        model: "m",
        count: 3,
        sampleId: ids[2]
      })
      expect(limited!.message).toMatch(/^rate_limit_exceeded: Rate limit reached for …/)
      expect(JSON.stringify(groups)).not.toMatch(/canary|heron|sk-|org-|gpt-/)
      expect(limited!.series.reduce((sum, { count }) => sum + count, 0)).toBe(3)
      expect(Date.parse(limited!.firstSeen)).toBeLessThanOrEqual(Date.parse(limited!.lastSeen))
      expect(failed).toMatchObject({
        kind: "ProviderServerError",
        count: 1,
        sampleId: other,
        message: "Internal server error"
      })
      const sample = await get<RequestDetail>(`requests/${limited!.sampleId}`)
      expect(sample).toMatchObject({
        fingerprint: limited!.fingerprint,
        errorDetail: limited!.message,
        status: "error"
      })
      for (const [query, count] of [
        ["kind=ProviderServerError", 1],
        [`fingerprint=${limited!.fingerprint}`, 1],
        ["provider=nobody", 0],
        ["limit=1", 1],
        ["to=2020-01-01", 0]
      ] as const) {
        expect((await get<ErrorReport>(`errors?${query}`)).groups, query).toHaveLength(count)
      }
    })

    it("records streaming, our own work, and metadata up to 4 KiB", async () => {
      upstream.respond = answer("two words")
      const team = { "x-millrace-metadata": JSON.stringify({ team: "search", tries: [1, 2] }) }
      const one = await get<RequestDetail>(`requests/${await ask({ stream: true }, team)}`)
      expect(one).toMatchObject({
        stream: true,
        metadata: { team: "search", tries: [1, 2] },
        content: null,
        fingerprint: null
      })
      expect(one.overheadMs).toBeGreaterThan(0)
      expect(one.attemptDetails).toMatchObject([{ reason: "first", error: null }])
      const inBody = await get<RequestDetail>(`requests/${await ask({ metadata: { job: "7" } })}`)
      expect(inBody).toMatchObject({ stream: false, metadata: { job: "7" } })
      const long = { "x-millrace-metadata": JSON.stringify({ long: "x".repeat(5000) }) }
      const dropped = await get<RequestDetail>(`requests/${await ask({}, long)}`)
      expect(dropped.metadata).toEqual({ "millrace.dropped": "5011 bytes" })
      expect((await get<RequestDetail>(`requests/${await ask()}`)).metadata).toBeNull()
    })

    it("keeps prompt and answer only where content logging is on, and no more than it bounds", async () => {
      upstream.respond = answer("canary answer of the grey heron")
      const id = await ask({ stream: true })
      const pages = ["requests?limit=100", `requests/${id}`, "errors", "usage/export?format=ndjson", "usage/export"]
      for (const page of pages) {
        const text = await (await fetch(`${gateway.url}/admin/api/${page}`, { headers })).text()
        expect(text, page).not.toContain("canary")
      }
      const open = await start(true)
      const detail = async (more: object) => get<RequestDetail>(`requests/${await ask(more, {}, open)}`, open)
      for (const stream of [false, true]) {
        expect((await detail({ stream })).content).toEqual({
          prompt: `user: ${canaryPrompt}`,
          answer: "canary answer of the grey heron",
          request: expect.objectContaining({ messages: [{ role: "user", content: canaryPrompt }] })
        })
      }
      const { content } = await detail({
        messages: [
          { role: "system", content: "s" },
          { role: "user", content: "p".repeat(100_000) }
        ]
      })
      expect(content!.prompt).toHaveLength(32_768)
      expect(content!.prompt).toMatch(/^system: s\nuser: p+…$/)
      expect(content!.request).toBeNull()
      const parts = [
        { type: "text", text: "look" },
        { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }
      ]
      expect((await detail({ messages: [{ role: "user", content: parts }] })).content!.prompt).toBe(
        "user: look\nuser: [image]"
      )
      const text = await (await fetch(`${open.url}/admin/api/usage/export?format=ndjson`, { headers })).text()
      expect(text).not.toContain("canary")
      expect((await get<RequestPage>("requests?limit=1", open)).items[0]).not.toHaveProperty("content")
      await open.close()
    })
  }
)
