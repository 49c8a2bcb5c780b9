/**
 * The admin API of virtual keys: making, listing, changing, rotating and deleting them, and that no secret is seen twice.
 */
import { Effect } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { AdminApi } from "../../engine/src/admin-api.ts"
import { get, user } from "../support/client.ts"
import { adminToken, startGateway, type TestGateway } from "../support/gateway.ts"
import { admin, createKey } from "../support/keys.ts"
import { answer, startUpstream, type TestUpstream } from "../support/upstream.ts"

const log: Array<string> = []
let gateway: TestGateway
let upstream: TestUpstream
beforeAll(async () => {
  upstream = await startUpstream()
  upstream.respond = answer("fine")
  gateway = await startGateway(
    {
      providers: [{ name: "first", kind: "openai-compatible", baseUrl: upstream.url, model: "m" }],
      keys: { required: true },
      logging: { level: "trace" }
    },
    { virtual: true, log }
  )
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})

const json = async (response: Response | Promise<Response>): Promise<any> => (await response).json()
const url = () => gateway.url
const usable = async (key: string) =>
  (await get(`${url()}/v1/models`, { authorization: `Bearer ${key}` })).status === 200

describe("POST keys", () => {
  it("makes a key with its secret, which works, and gives back what was asked for", async () => {
    const input = {
      name: "search",
      tenant: "acme",
      models: ["first/*"],
      providers: ["first"],
      rateLimits: { requestsPerMinute: 60, window: 10_000 },
      budget: { usd: 5, period: "month", timeZone: "Europe/Berlin", warnAt: [0.5, 0.9] },
      expiresAt: "2030-01-01T00:00:00Z",
      metadata: { team: "search" }
    }
    const response = await admin(url(), "POST", "keys", input)
    expect(response.status).toBe(201)
    expect(response.headers.get("cache-control")).toBe("no-store")
    const { key, ...made } = await json(response)
    expect(key).toMatch(/^mr-[A-Za-z0-9_-]{43}$/)
    expect(made).toEqual({
      ...input,
      budget: [input.budget],
      expiresAt: "2030-01-01T00:00:00.000Z",
      id: expect.stringMatching(/^key_[0-9a-f]{16}$/),
      status: "active",
      disabled: false,
      createdAt: "1970-01-01T00:00:00.000Z",
      updatedAt: "1970-01-01T00:00:00.000Z",
      lastUsedAt: null,
      last4: key.slice(-4),
      secrets: [{ last4: key.slice(-4), createdAt: "1970-01-01T00:00:00.000Z", expiresAt: null }]
    })
    expect(await usable(key)).toBe(true)
    expect(await json(admin(url(), "GET", `keys/${made.id}`))).toEqual({ ...made, limits: null })
  })

  it("fills in what is not named", async () => {
    const { key, ...made } = await createKey(url(), { name: "bare" })
    expect(await usable(key)).toBe(true)
    expect(made).toMatchObject({
      tenant: "default",
      models: null,
      providers: null,
      rateLimits: null,
      budget: null,
      metadata: null,
      expiresAt: null
    })
  })

  it("names every field that is wrong", async () => {
    const wrong: ReadonlyArray<readonly [object, ReadonlyArray<string>]> = [
      [{}, ["name"]],
      [{ name: "" }, ["name"]],
      [{ name: "a\nb" }, ["name"]],
      [{ name: "x".repeat(129) }, ["name"]],
      [{ name: "x", tenant: "" }, ["tenant"]],
      [{ name: "x", models: [] }, ["models"]],
      [{ name: "x", models: "openai/*" }, ["models"]],
      [{ name: "x", models: ["a", ""] }, ["models[1]"]],
      [{ name: "x", providers: [1] }, ["providers[0]"]],
      [{ name: "x", providers: ["first", "firts"] }, ["providers[1]"]],
      [{ name: "x", rateLimits: { requestsPerMinute: 0 } }, ["rateLimits.requestsPerMinute"]],
      [{ name: "x", rateLimits: { concurrent: 1.5, rpm: 3 } }, ["rateLimits.concurrent", "rateLimits.rpm"]],
      [{ name: "x", rateLimits: { window: 1 } }, ["rateLimits.window"]],
      [{ name: "x", expiresAt: "tomorrow" }, ["expiresAt"]],
      [{ name: "x", metadata: { big: "x".repeat(5000) } }, ["metadata"]],
      [{ name: "x", key: "mr-chosen" }, ["key"]],
      [{ tenant: 1, disabled: "no" }, ["name", "tenant", "disabled"]]
    ]
    for (const [input, fields] of wrong) {
      const response = await admin(url(), "POST", "keys", input)
      const body = await json(response)
      expect([JSON.stringify(input), response.status]).toEqual([JSON.stringify(input), 400])
      expect(body.issues.map(({ field }: { readonly field: string }) => field).toSorted()).toEqual(fields.toSorted())
    }
    const budgets = [
      {},
      { period: "day" },
      { usd: 1 },
      { usd: -1, period: "day" },
      { tokens: 1.5, period: "day" },
      { usd: 1, period: "week" },
      { usd: 1, period: "day", timeZone: "Mars/Olympus" },
      { usd: 1, period: "day", warnAt: [2] }
    ]
    for (const budget of budgets) {
      const response = await admin(url(), "POST", "keys", { name: "x", budget })
      expect([JSON.stringify(budget), response.status]).toEqual([JSON.stringify(budget), 400])
      expect((await json(response)).message).toContain("budget")
    }
    const past = await admin(url(), "POST", "keys", { name: "x", expiresAt: 0 })
    expect(past.status).toBe(400)
    expect(await json(past)).toMatchObject({ issues: [{ field: "expiresAt", detail: "expected a time to come" }] })
  })
})

describe("GET keys", () => {
  it("lists them, the newest first, page by page, each once, and finds them by a part of their name", async () => {
    const made: Array<string> = []
    for (let i = 0; i < 7; i++) {
      made.unshift((await createKey(url(), { name: `Paged ${i}`, tenant: i % 2 === 0 ? "even" : "odd" })).id)
      if (i % 3 === 0) await gateway.later(1)
    }
    const seen: Array<string> = []
    let cursor: string | null = null
    do {
      const page = await json(
        admin(url(), "GET", `keys?name=paged&limit=3${cursor === null ? "" : `&cursor=${cursor}`}`)
      )
      expect(page.total).toBe(7)
      expect(JSON.stringify(page)).not.toContain("mr-")
      seen.push(...page.items.map(({ id }: { readonly id: string }) => id))
      cursor = page.nextCursor
      // Who is deleted between two pages skips nobody else.
      if (seen.length === 3) await admin(url(), "DELETE", `keys/${(await createKey(url(), { name: "x" })).id}`)
    } while (cursor !== null)
    expect(seen.toSorted()).toEqual(made.toSorted())
    expect(new Set(seen).size).toBe(7)
    expect((await json(admin(url(), "GET", "keys?name=PAGED&tenant=odd"))).total).toBe(3)
    expect((await json(admin(url(), "GET", "keys?name=nobody"))).items).toEqual([])
    for (const query of ["cursor=x", "limit=0", "limit=501", "sort=name"]) {
      expect((await admin(url(), "GET", `keys?${query}`)).status).toBe(400)
    }
  })
})

describe("PATCH keys/{id}", () => {
  it("changes what is named, at once, and null takes away", async () => {
    const { id, key } = await createKey(url(), {
      name: "before",
      models: ["a/*"],
      metadata: { a: 1 },
      expiresAt: 10_000_000
    })
    const changed = await json(admin(url(), "PATCH", `keys/${id}`, { name: "after", models: null, expiresAt: null }))
    expect(changed).toMatchObject({
      name: "after",
      models: null,
      metadata: { a: 1 },
      expiresAt: null,
      tenant: "default"
    })
    expect(await json(admin(url(), "PATCH", `keys/${id}`, { disabled: true }))).toMatchObject({ status: "disabled" })
    expect(await usable(key)).toBe(false)
    expect(await json(admin(url(), "PATCH", `keys/${id}`, { disabled: false }))).toMatchObject({ status: "active" })
    expect(await usable(key)).toBe(true)
    expect(await json(admin(url(), "PATCH", `keys/${id}`, { expiresAt: 1 }))).toMatchObject({ status: "expired" })
    expect(await usable(key)).toBe(false)
    expect((await admin(url(), "PATCH", "keys/key_none", { disabled: true })).status).toBe(404)
    expect((await admin(url(), "PATCH", `keys/${id}`, { key: "mr-x" })).status).toBe(400)
    expect((await admin(url(), "PATCH", `keys/${id}`, { rateLimits: {} })).status).toBe(200)
  })
})

describe("POST keys/{id}/rotate", () => {
  it("gives a new secret and lets the old one live for the overlap, an hour unless told", async () => {
    const made = await createKey(url(), { name: "rotated" })
    const second = await json(admin(url(), "POST", `keys/${made.id}/rotate`))
    expect(second.key).not.toBe(made.key)
    expect(second.secrets).toHaveLength(2)
    expect(second.last4).toBe(second.key.slice(-4))
    expect([await usable(made.key), await usable(second.key)]).toEqual([true, true])
    await gateway.later("3599 seconds")
    expect(await usable(made.key)).toBe(true)
    await gateway.later("1 second")
    expect([await usable(made.key), await usable(second.key)]).toEqual([false, true])
    const third = await json(admin(url(), "POST", `keys/${made.id}/rotate`, { overlapMs: 0 }))
    expect([await usable(second.key), await usable(third.key)]).toEqual([false, true])
    expect(third.secrets).toHaveLength(1)
    expect((await admin(url(), "POST", `keys/${made.id}/rotate`, { overlapMs: -1 })).status).toBe(400)
    expect((await admin(url(), "POST", "keys/key_none/rotate")).status).toBe(404)
  })
})

describe("DELETE keys/{id}", () => {
  it("ends a key at once and for ever", async () => {
    const { id, key } = await createKey(url())
    expect(await json(admin(url(), "DELETE", `keys/${id}`))).toEqual({ deleted: true })
    expect(await usable(key)).toBe(false)
    expect((await admin(url(), "GET", `keys/${id}`)).status).toBe(404)
    expect((await admin(url(), "DELETE", `keys/${id}`)).status).toBe(404)
  })
})

it("serves the typed client", async () => {
  const program = Effect.gen(function* () {
    const client = yield* HttpApiClient.make(AdminApi, {
      baseUrl: url(),
      transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(adminToken))
    })
    const made = yield* client.createKey({ payload: { name: "typed", expiresAt: 9_000_000_000 } })
    const rotated = yield* client.rotateKey({ params: { id: made.id }, payload: { overlapMs: 5 } })
    const page = yield* client.keys({ query: { name: "typed" } })
    const { deleted } = yield* client.deleteKey({ params: { id: made.id } })
    return { made, rotated, page, deleted }
  }).pipe(Effect.provide(FetchHttpClient.layer))
  const { deleted, made, page, rotated } = await Effect.runPromise(program)
  expect(made.expiresAt).toBe("1970-04-15T04:00:00.000Z")
  expect(rotated.key).not.toBe(made.key)
  expect(page.items).toHaveLength(1)
  expect(deleted).toBe(true)
})

describe("a secret", () => {
  it("is in the answers to making and rotating, and in no log, metric, status, row, error or other answer", async () => {
    log.length = 0
    const made = await createKey(url(), { name: "canary", metadata: { a: 1 } })
    const { id } = made
    const again = await json(admin(url(), "POST", `keys/${id}/rotate`))
    const secrets = [made.key, again.key as string]
    const seen: Array<string> = []
    const look = async (response: Promise<Response>) => {
      const found = await response
      seen.push(`${JSON.stringify([...found.headers])}${await found.text()}`)
    }
    for (const secret of secrets) {
      const chat = (headers: Record<string, string>, body: object, query = "") =>
        fetch(`${url()}/v1/chat/completions${query}`, {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
          body: JSON.stringify(body)
        })
      await look(chat({ authorization: `Bearer ${secret}` }, user("hi")))
      await look(chat({ authorization: `Bearer ${secret}` }, user("hi", { stream: true })))
      await look(chat({ "x-api-key": secret }, { model: "nobody/knows" }))
      await look(chat({}, user("hi", { temperature: 9 }), `?key=${secret}`))
      await look(chat({ authorization: `Bearer ${secret}x` }, user("hi")))
      await look(fetch(`${url()}/no/such/path?key=${secret}&a=1`))
      await look(fetch(`${url()}/no/such/path?key=${secret}x`))
      await look(fetch(`${url()}/metrics?key=${secret}`))
      await look(fetch(`${url()}/v1/models/${secret.slice(0, 5)}?key=${secret}`))
      await look(admin(url(), "GET", `keys/${secret}`))
      await look(admin(url(), "PATCH", `keys/${id}`, { unknown: secret }))
    }
    await look(admin(url(), "PATCH", `keys/${id}`, { disabled: true }))
    await look(fetch(`${url()}/v1/models`, { headers: { authorization: `Bearer ${made.key}` } }))
    for (const path of [
      "keys",
      `keys/${id}`,
      "status",
      "requests",
      "usage?groupBy=key",
      "config",
      "errors",
      "providers",
      "budgets"
    ]) {
      await look(admin(url(), "GET", path))
    }
    await look(admin(url(), "DELETE", `keys/${id}`))
    const all = [...seen, ...log].join("\n")
    expect(log.join("\n")).toContain(id)
    for (const secret of secrets) {
      expect(all).not.toContain(secret)
      expect(all).not.toContain(secret.slice(3, -4))
    }
  })
})
