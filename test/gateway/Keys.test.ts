/**
 * Virtual keys at the door: who is let in with which header, who is not and how they hear of it, and what a key may do.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import fc from "fast-check"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { EngineConfigInput } from "../../engine/src/Config.ts"
import { withoutKey } from "../../engine/src/gateway/KeyAuth.ts"
import { ask, get, user } from "../support/client.ts"
import { adminToken, startGateway, type TestGateway } from "../support/gateway.ts"
import { admin, createKey } from "../support/keys.ts"
import { answer, startUpstream, type TestUpstream } from "../support/upstream.ts"

let upstream: TestUpstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

const configOf = (more: EngineConfigInput = {}): EngineConfigInput => ({
  providers: [
    { name: "first", kind: "openai-compatible", baseUrl: upstream.url, model: "m", models: ["m", "other"] },
    { name: "second", kind: "openai-compatible", baseUrl: upstream.url, model: "n", models: ["n"] }
  ],
  aliases: { both: ["first/m", "second/n"], mixed: ["second/n"] },
  keys: { required: true },
  cache: { enabled: false },
  queue: { maxWait: 0 },
  retry: { maxAttempts: 1 },
  breaker: { minimumCalls: 100_000 },
  logging: { level: "none" },
  ...more
})

const bodies: { readonly [path: string]: object } = {
  "/v1/chat/completions": user("hi", { model: "first/m" }),
  "/v1/responses": { model: "first/m", input: "hi" },
  "/v1/messages": { model: "first/m", max_tokens: 10, messages: [{ role: "user", content: "hi" }] },
  "/v1/messages/count_tokens": { model: "first/m", messages: [{ role: "user", content: "hi" }] },
  "/v1/embeddings": { model: "first/m", input: "hi" },
  "/v1beta/models/first/m:generateContent": { contents: [{ role: "user", parts: [{ text: "hi" }] }] },
  "/v1beta/models/first/m:streamGenerateContent?alt=sse": { contents: [{ role: "user", parts: [{ text: "hi" }] }] },
  "/v1/models/first/m:countTokens": { contents: [{ role: "user", parts: [{ text: "hi" }] }] }
}

const post = (url: string, route: string, headers: Record<string, string> = {}, body: object = bodies[route]!) =>
  fetch(`${url}${route}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body)
  })

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

/** Has the form of a key and is none. */
const stranger = `mr-${"A".repeat(43)}`

const messageOf = (body: any): string => body.error.message as string

describe("a gateway that requires keys", () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway(configOf(), { virtual: true })
  })
  afterAll(() => gateway.close())

  it("answers no path and no method but health without a valid key", async () => {
    const paths = [
      ...Object.keys(bodies),
      "/",
      "/metrics",
      "/v1/models",
      "/v1/models/first/m",
      "/v1beta/models",
      "/v1/no/such/path",
      "/health",
      "/health/",
      "/health/other",
      "/Health/live",
      "//health/live",
      "/health/live/",
      "/admin",
      "/adminapi",
      "/favicon.ico",
      "/%68ealth/live"
    ]
    const others: ReadonlyArray<Record<string, string>> = [
      {},
      { authorization: `Basic ${stranger}` },
      { "x-api-key": "" }
    ]
    for (const route of paths) {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]) {
        for (const headers of others) {
          const body = method === "POST" ? JSON.stringify(bodies[route] ?? {}) : undefined
          const response = await fetch(`${gateway.url}${route}`, {
            method,
            headers: { "content-type": "application/json", ...headers },
            ...(body === undefined ? {} : { body })
          })
          expect([method, route, response.status]).toEqual([method, route, 401])
          expect(response.headers.get("x-millrace-fault")).toBe("caller")
          expect(response.headers.get("www-authenticate")).toContain("Bearer")
          const text = await response.text()
          if (method !== "HEAD") expect(messageOf(JSON.parse(text))).toContain("a key is needed here")
        }
      }
    }
    expect((await get(`${gateway.url}/health/live`)).status).toBe(200)
    expect((await get(`${gateway.url}/health/ready`)).status).toBe(200)
  })

  it("asks for the admin token, and nothing else, under the admin API", async () => {
    const { key } = await createKey(gateway.url)
    expect((await get(`${gateway.url}/admin/api/status`, bearer(key))).status).toBe(401)
    expect((await get(`${gateway.url}/admin/api/status`, bearer(adminToken))).status).toBe(200)
    expect((await post(gateway.url, "/v1/chat/completions", bearer(adminToken))).status).toBe(401)
  })

  it("says 401 in the shape of the dialect that asks", async () => {
    const shapes = async (route: string) => (await post(gateway.url, route, bearer(stranger))).json() as any
    const openai = { error: { message: "the key that came with the request is not valid", code: "invalid_api_key" } }
    expect(await shapes("/v1/chat/completions")).toMatchObject(openai)
    expect(await shapes("/v1/responses")).toMatchObject(openai)
    expect(await shapes("/v1/messages")).toMatchObject({ type: "error", error: { type: "authentication_error" } })
    expect(await shapes("/v1beta/models/first/m:generateContent")).toMatchObject({
      error: { code: 401, status: "UNAUTHENTICATED" }
    })
    const listed = async (headers: Record<string, string>, route = "/v1/models") =>
      (await get(`${gateway.url}${route}`, headers)).json
    expect(await listed({ "anthropic-version": "2023-06-01" })).toMatchObject({ type: "error" })
    expect(await listed({}, "/v1beta/models")).toMatchObject({ error: { status: "UNAUTHENTICATED" } })
    expect(await listed({}, "/nowhere")).toMatchObject({ error: { code: "invalid_api_key" } })
  })

  it("takes the key from any of four places, in every dialect, and from the first that is valid", async () => {
    const { key } = await createKey(gateway.url)
    const places: ReadonlyArray<readonly [Record<string, string>, string]> = [
      [bearer(key), ""],
      [{ authorization: `bearer   ${key}` }, ""],
      [{ "x-api-key": key }, ""],
      [{ "x-goog-api-key": key }, ""],
      [{}, `key=${key}`],
      [{ ...bearer("sk-of-an-sdk"), "x-api-key": key }, ""],
      [{ "x-api-key": "dummy", "x-goog-api-key": "dummy" }, `key=${key}`]
    ]
    for (const route of Object.keys(bodies)) {
      for (const [headers, query] of places) {
        const joined = query === "" ? route : `${route}${route.includes("?") ? "&" : "?"}${query}`
        const response = await post(gateway.url, joined, headers, bodies[route])
        expect([route, headers, query, response.status]).not.toEqual([route, headers, query, 401])
        await response.text()
      }
    }
    expect((await ask(gateway.url, bodies["/v1/chat/completions"], { headers: bearer(key) })).status).toBe(200)
  })

  it("tells nobody whether a key is malformed or unknown, and its holder whether it is disabled or over", async () => {
    const told = async (key: string) => {
      const response = await post(gateway.url, "/v1/chat/completions", bearer(key))
      return [response.status, messageOf(await response.json())]
    }
    const wrong = [401, "the key that came with the request is not valid"]
    for (const key of [stranger, "mr-", "sk-x", adminToken]) expect(await told(key)).toEqual(wrong)
    const { id, key } = await createKey(gateway.url, { expiresAt: 600_000 })
    await admin(gateway.url, "PATCH", `keys/${id}`, { disabled: true })
    expect(await told(key)).toEqual([401, "the key that came with the request is disabled"])
    await admin(gateway.url, "PATCH", `keys/${id}`, { disabled: false })
    expect((await told(key).catch(() => [200]))[0]).toBe(200)
    await gateway.later("10 minutes")
    expect(await told(key)).toEqual([401, "the key that came with the request has expired"])
    await admin(gateway.url, "DELETE", `keys/${id}`)
    expect(await told(key)).toEqual(wrong)
  })

  it("shows the metrics to a key and to the admin token", async () => {
    const { key } = await createKey(gateway.url)
    const read = async (headers: Record<string, string>) => (await get(`${gateway.url}/metrics`, headers)).status
    expect(await read({})).toBe(401)
    expect(await read(bearer(stranger))).toBe(401)
    expect(await read(bearer(key))).toBe(200)
    expect(await read(bearer(adminToken))).toBe(200)
    expect(await read({ "x-api-key": adminToken })).toBe(401)
  })

  it("lets no caller choose a tenant", async () => {
    const { key } = await createKey(gateway.url, { tenant: "acme" })
    for (const tenant of ["acme", "other", ""]) {
      const refused = await ask(gateway.url, user("hi", { model: "first/m" }), {
        headers: { ...bearer(key), "x-millrace-tenant": tenant }
      })
      expect(refused.status).toBe(400)
      expect(messageOf(refused.json)).toContain("x-millrace-tenant")
    }
  })

  it("books a request on its key and the key's tenant", async () => {
    const { id, key } = await createKey(gateway.url, { tenant: "booked" })
    expect((await ask(gateway.url, user("hi", { model: "first/m" }), { headers: bearer(key) })).status).toBe(200)
    const { items } = (await (await admin(gateway.url, "GET", `requests?key=${id}`)).json()) as any
    expect(items).toHaveLength(1)
    expect(items[0]).toMatchObject({ keyId: id, tenant: "booked", status: "success" })
    const found = (await (await admin(gateway.url, "GET", `keys/${id}`)).json()) as any
    expect(found.lastUsedAt).not.toBeNull()
  })

  it("lets the operator into the playground with the admin token, in the name of no key or of any", async () => {
    const made = await createKey(gateway.url, { tenant: "acme", models: ["first/m"] })
    const off = await createKey(gateway.url, { name: "off" })
    await admin(gateway.url, "PATCH", `keys/${off.id}`, { disabled: true })
    const over = await createKey(gateway.url, { name: "over", expiresAt: Date.parse(made.createdAt) + 30_000 })
    const play = (query: string, body: object = user("played", { model: "first/m" })) =>
      admin(gateway.url, "POST", `playground/chat/completions${query}`, body)
    const models = async (query: string) =>
      ((await (await admin(gateway.url, "GET", `playground/models${query}`)).json()) as any).data.map(
        ({ id }: any) => id
      )

    const free = await play("")
    expect(free.status).toBe(200)
    expect(((await free.json()) as any).choices[0].message.content).not.toBe("")
    expect((await play(`?keyId=${made.id}`)).status).toBe(200)
    const { items } = (await (await admin(gateway.url, "GET", `requests?key=${made.id}`)).json()) as any
    expect(items).toMatchObject([{ keyId: made.id, tenant: "acme", status: "success" }])
    const streamed = await play("", user("played", { model: "first/m", stream: true }))
    expect(streamed.headers.get("content-type")).toContain("text/event-stream")
    expect(await streamed.text()).toContain("data: [DONE]")

    const refused = await play(`?keyId=${made.id}`, user("played", { model: "second/n" }))
    expect([refused.status, refused.headers.get("x-millrace-fault")]).toEqual([403, "policy"])
    expect((await play("?keyId=key_none")).status).toBe(400)
    expect(messageOf(await (await play(`?keyId=${off.id}`)).json())).toContain("disabled")
    await gateway.later("31 seconds")
    expect(messageOf(await (await play(`?keyId=${over.id}`)).json())).toContain("expired")

    expect(await models("")).toContain("second/n")
    expect(await models(`?keyId=${made.id}`)).not.toContain("second/n")
    expect((await admin(gateway.url, "GET", "playground/chat/completions")).status).toBe(405)
    expect((await admin(gateway.url, "GET", "playground/other")).status).toBe(404)
    for (const route of ["/admin/api/playground/chat/completions", "/admin/api/playground/models"]) {
      expect((await post(gateway.url, route, bearer(made.key), user("played"))).status).toBe(401)
    }
    expect((await post(gateway.url, "/v1/chat/completions", bearer(adminToken))).status).toBe(401)
  })

  it("answers the refused although their body is large and not read", async () => {
    const response = await post(gateway.url, "/v1/chat/completions", bearer(stranger), user("x".repeat(2_000_000)))
    expect(response.status).toBe(401)
    expect(upstream.requests.some(({ text }) => text.length > 1_000_000)).toBe(false)
  })
})

describe("wrong keys", () => {
  let gateway: TestGateway | undefined
  afterEach(() => gateway?.close())

  it("are throttled by address, and keep out neither a valid key nor one who sends none", async () => {
    gateway = await startGateway(configOf(), { virtual: true })
    const { url } = gateway
    const { key } = await createKey(url)
    const statusOf = async (headers: Record<string, string>) => (await get(`${url}/v1/models`, headers)).status
    for (let i = 0; i < 60; i++) expect(await statusOf({})).toBe(401)
    for (let i = 0; i < 50; i++) expect(await statusOf(bearer(stranger))).toBe(401)
    const refused = await post(url, "/v1/messages", bearer(`${stranger.slice(0, -1)}B`))
    expect(refused.status).toBe(429)
    expect(refused.headers.get("retry-after")).toBe("60")
    expect(refused.headers.get("x-millrace-fault")).toBe("policy")
    expect(await refused.json()).toMatchObject({ type: "error", error: { type: "rate_limit_error" } })
    expect(await statusOf(bearer(key))).toBe(200)
    expect(await statusOf({})).toBe(401)
    expect((await get(`${url}/admin/api/status`, bearer(adminToken))).status).toBe(200)
    await gateway.later("60 seconds")
    expect(await statusOf(bearer(stranger))).toBe(401)
  })
})

describe("a gateway that does not require keys", () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway(configOf({ keys: { required: false } }), { virtual: true })
  })
  afterAll(() => gateway.close())

  it("ignores what is no key, and honours a valid one", async () => {
    for (const headers of [{}, bearer("sk-of-an-sdk"), bearer(stranger), { "x-api-key": "x" }]) {
      expect((await ask(gateway.url, user("hi", { model: "first/m" }), { headers })).status).toBe(200)
    }
    for (let i = 0; i < 60; i++) expect((await get(`${gateway.url}/v1/models`, bearer(stranger))).status).toBe(200)
    const { id, key } = await createKey(gateway.url, { tenant: "acme", models: ["first/*"] })
    expect((await ask(gateway.url, user("hi", { model: "first/m" }), { headers: bearer(key) })).status).toBe(200)
    expect((await ask(gateway.url, user("hi", { model: "second/n" }), { headers: bearer(key) })).status).toBe(403)
    const { items } = (await (await admin(gateway.url, "GET", `requests?key=${id}`)).json()) as any
    expect(items.map(({ errorKind, tenant }: any) => [tenant, errorKind])).toEqual([
      ["acme", "PermissionDenied"],
      ["acme", null]
    ])
  })

  it("takes the tenant of the header, unless the key has one of its own", async () => {
    const statusOf = async (key: string, tenant: string) =>
      (
        await ask(gateway.url, user("hi", { model: "first/m" }), {
          headers: { ...bearer(key), "x-millrace-tenant": tenant }
        })
      ).status
    const own = await createKey(gateway.url, { tenant: "acme" })
    expect(await statusOf(own.key, "acme")).toBe(200)
    expect(await statusOf(own.key, "other")).toBe(400)
    const free = await createKey(gateway.url)
    expect(await statusOf(free.key, "other")).toBe(200)
    expect(await statusOf("sk-of-an-sdk", "other")).toBe(200)
    const { items } = (await (await admin(gateway.url, "GET", `requests?key=${free.id}`)).json()) as any
    expect(items).toMatchObject([{ tenant: "other" }])
  })
})

describe("what a key may use", () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway(configOf())
  })
  afterAll(() => gateway.close())

  it("is what the lists of models show it, in every shape", async () => {
    const all = await createKey(gateway.url)
    const narrow = await createKey(gateway.url, { models: ["second/*"] })
    const ids = async (key: string, headers: Record<string, string> = {}, route = "/v1/models") => {
      const { json } = await get(`${gateway.url}${route}`, { ...bearer(key), ...headers })
      return (json.data ?? json.models).map(({ id, name }: any) => id ?? name.replace("models/", "")) as Array<string>
    }
    expect(await ids(all.key)).toEqual(["both", "mixed", "first/m", "first/other", "second/n"])
    expect(await ids(narrow.key)).toEqual(["both", "mixed", "second/n"])
    expect(await ids(narrow.key, { "anthropic-version": "2023-06-01" })).toEqual(["both", "mixed", "second/n"])
    expect(await ids(narrow.key, {}, "/v1beta/models")).toEqual(["both", "mixed", "second/n"])
    expect((await get(`${gateway.url}/v1/models/second/n`, bearer(narrow.key))).status).toBe(200)
    expect((await get(`${gateway.url}/v1/models/first/m`, bearer(narrow.key))).status).toBe(404)
  })

  it("is refused beyond that with 403 in every dialect, which names the model and nothing else", async () => {
    const { key } = await createKey(gateway.url, { models: ["second/n"] })
    for (const route of Object.keys(bodies)) {
      const before = upstream.requests.length
      const response = await post(gateway.url, route, bearer(key))
      expect([route, response.status]).toEqual([route, 403])
      expect(response.headers.get("x-millrace-fault")).toBe("policy")
      const text = await response.text()
      expect(text).toContain("first/m")
      expect(text).not.toMatch(/second|other|both/)
      expect(upstream.requests.length).toBe(before)
    }
    const shape = async (route: string) => (await post(gateway.url, route, bearer(key))).json() as any
    expect(await shape("/v1/chat/completions")).toMatchObject({
      error: { type: "permission_error", code: "permission_denied" }
    })
    expect(await shape("/v1/messages")).toMatchObject({ error: { type: "permission_error" } })
    expect(await shape("/v1beta/models/first/m:generateContent")).toMatchObject({
      error: { status: "PERMISSION_DENIED" }
    })
  })

  it("narrows an alias and the default to what is allowed, and an unknown model tells of no other", async () => {
    const { key } = await createKey(gateway.url, { models: ["second/*"] })
    const answered = async (body: object) => {
      const { headers, json, status } = await ask(gateway.url, { ...user("hi"), ...body }, { headers: bearer(key) })
      return status === 200 ? headers.get("x-millrace-provider") : messageOf(json)
    }
    expect(await answered({ model: "both" })).toBe("second")
    expect(await answered({})).toBe("second")
    expect(await answered({ model: "nobody/knows" })).toBe('model "nobody/knows" is not known here')
    const alias = await createKey(gateway.url, { models: ["both"], providers: ["first"] })
    const named = await ask(gateway.url, user("hi", { model: "both" }), { headers: bearer(alias.key) })
    expect([named.status, named.headers.get("x-millrace-provider")]).toEqual([200, "first"])
    expect((await ask(gateway.url, user("hi", { model: "first/m" }), { headers: bearer(alias.key) })).status).toBe(403)
  })
})

describe("the limits of a key", () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway(
      configOf({ tenants: { acme: { rateLimits: { requestsPerMinute: 3, tokensPerMinute: 50_000 } } } })
    )
  })
  afterAll(() => gateway.close())

  const call = (key: string) =>
    ask(gateway.url, user("hi", { model: "first/m", max_tokens: 10 }), { headers: bearer(key) })

  it("are its own over all providers, are told with each answer, and changes hold from the next call on", async () => {
    const { id, key } = await createKey(gateway.url, { rateLimits: { requestsPerMinute: 2, tokensPerMinute: 10_000 } })
    const other = await createKey(gateway.url)
    const first = await call(key)
    expect(first.status).toBe(200)
    expect(first.headers.get("x-ratelimit-limit-requests")).toBe("2")
    expect(first.headers.get("x-ratelimit-remaining-requests")).toBe("1")
    expect(first.headers.get("x-ratelimit-limit-tokens")).toBe("10000")
    expect((await call(key)).status).toBe(200)
    const third = await call(key)
    expect(third.status).toBe(429)
    expect(third.headers.get("x-millrace-fault")).toBe("policy")
    expect(third.headers.get("x-ratelimit-remaining-requests")).toBe("0")
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThan(10)
    const unlimited = await call(other.key)
    expect([unlimited.status, unlimited.headers.get("x-ratelimit-limit-requests")]).toEqual([200, null])
    const shown = (await (await admin(gateway.url, "GET", `keys/${id}`)).json()) as any
    expect(shown.limits).toMatchObject({ active: 0, requestsPerMinute: { configured: 2, available: 0 } })
    await admin(gateway.url, "PATCH", `keys/${id}`, { rateLimits: { requestsPerMinute: 3 } })
    const raised = await call(key)
    expect([raised.status, raised.headers.get("x-ratelimit-limit-requests")]).toEqual([200, "3"])
    expect((await call(key)).status).toBe(429)
    await admin(gateway.url, "PATCH", `keys/${id}`, { rateLimits: null })
    const free = await call(key)
    expect([free.status, free.headers.get("x-ratelimit-limit-requests")]).toEqual([200, null])
  })

  it("are told together with those of its tenant, whichever leave less", async () => {
    const { key } = await createKey(gateway.url, {
      tenant: "acme",
      rateLimits: { requestsPerMinute: 100, tokensPerMinute: 1000 }
    })
    const { headers } = await call(key)
    expect(headers.get("x-ratelimit-limit-requests")).toBe("3")
    expect(headers.get("x-ratelimit-limit-tokens")).toBe("1000")
  })
})

describe("the budget of a key", () => {
  it("is the key's own: when it is spent the next call is refused, and other keys go on", async () => {
    const gateway = await startGateway(configOf())
    try {
      const { id, key } = await createKey(gateway.url, { budget: { tokens: 150, period: "total" } })
      const other = await createKey(gateway.url)
      const call = (secret: string) =>
        ask(gateway.url, user("hi", { model: "first/m", max_tokens: 100 }), { headers: bearer(secret) })
      const calls = [await call(key)]
      for (let i = 0; i < 20 && calls.at(-1)!.status === 200; i++) calls.push(await call(key))
      expect(calls[0]!.status).toBe(200)
      const refused = calls.at(-1)!
      expect(refused.status).toBe(429)
      expect(refused.headers.get("x-millrace-fault")).toBe("policy")
      expect((await call(other.key)).status).toBe(200)
      const { items } = (await (await admin(gateway.url, "GET", `requests?key=${id}&limit=1`)).json()) as any
      expect(items).toMatchObject([{ keyId: id, errorKind: "BudgetExceeded" }])
      await admin(gateway.url, "PATCH", `keys/${id}`, { budget: null })
      expect((await call(key)).status).toBe(200)
    } finally {
      await gateway.close()
    }
  })
})

describe("keys and shared answers", () => {
  it("of one key's limit are not those of another that asks the same at the same time", async () => {
    const gateway = await startGateway(configOf({ cache: { enabled: true }, queue: { maxWait: 0 } }))
    try {
      const spent = await createKey(gateway.url, { rateLimits: { requestsPerMinute: 1 } })
      const free = await createKey(gateway.url)
      const body = (text: string) => user(text, { model: "first/m" })
      expect((await ask(gateway.url, body("one"), { headers: bearer(spent.key) })).status).toBe(200)
      for (let i = 0; i < 20; i++) {
        const [refused, answered] = await Promise.all([
          ask(gateway.url, body(`same ${i}`), { headers: bearer(spent.key) }),
          ask(gateway.url, body(`same ${i}`), { headers: bearer(free.key) })
        ])
        // Whoever led: the one with a free key gets its answer, the other shares it or is refused.
        expect(answered.status).toBe(200)
        expect([200, 429]).toContain(refused.status)
      }
    } finally {
      await gateway.close()
    }
  })
})

describe("a database of keys that can't be reached at the start", () => {
  it("lets nobody in (503) until it was read once, and stays in use with what is known after that", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "millrace-gateway-keys-"))
    const database = `sqlite:${path.join(folder, "state.db")}`
    try {
      const before = await startGateway(configOf({ storage: { database } }))
      const { key } = await createKey(before.url)
      await before.close()
      const blocked = path.join(folder, "blocked")
      writeFileSync(blocked, "a file in the place of a folder")
      const away = `sqlite:${path.join(blocked, "state.db")}`
      const gateway = await startGateway(
        configOf({ storage: { database: away }, keys: { required: true, refresh: 200 } })
      )
      try {
        for (const headers of [{}, bearer(key), bearer(stranger)]) {
          const refused = await post(gateway.url, "/v1/chat/completions", headers)
          expect(refused.status).toBe(503)
          expect(refused.headers.get("retry-after")).toBe("1")
          expect(await refused.json()).toMatchObject({ error: { code: "keys_unavailable" } })
        }
        const ready = await get(`${gateway.url}/health/ready`)
        expect(ready.status).toBe(503)
        expect(ready.json.reasons.join("\n")).toMatch(/^keys: /m)
        expect((await get(`${gateway.url}/health/live`)).status).toBe(200)
        expect((await admin(gateway.url, "POST", "keys", { name: "x" })).status).toBe(503)
        rmSync(blocked)
        while ((await get(`${gateway.url}/health/ready`)).status !== 200)
          await new Promise((done) => setTimeout(done, 50))
        expect((await post(gateway.url, "/v1/chat/completions", bearer(key))).status).toBe(401)
        expect((await gateway.status()).keys).toMatchObject({
          required: true,
          loaded: true,
          kind: "sqlite",
          reason: null
        })
      } finally {
        await gateway.close()
      }
      const again = await startGateway(configOf({ storage: { database } }))
      expect((await post(again.url, "/v1/chat/completions", bearer(key))).status).toBe(200)
      await again.close()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it("shows a revocation by one instance to the other within keys.refresh", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "millrace-gateway-keys-"))
    const config = configOf({
      storage: { database: `sqlite:${path.join(folder, "state.db")}` },
      keys: { required: true, refresh: 50 }
    })
    const [one, other] = [await startGateway(config), await startGateway(config)]
    try {
      const { id, key } = await createKey(one.url)
      const statusOf = async () => (await post(other.url, "/v1/chat/completions", bearer(key))).status
      while ((await statusOf()) !== 200) await new Promise((done) => setTimeout(done, 10))
      await admin(one.url, "PATCH", `keys/${id}`, { disabled: true })
      while ((await statusOf()) !== 401) await new Promise((done) => setTimeout(done, 10))
    } finally {
      await one.close()
      await other.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe("?key=", () => {
  it("is taken out of the URL, whatever else is in it", () => {
    const field = fc.stringMatching(/^[a-z]{1,4}(=[A-Za-z0-9-]{0,6})?$/).filter((text) => !text.startsWith("key="))
    fc.assert(
      fc.property(
        fc.array(field),
        fc.array(field),
        fc.stringMatching(/^mr-[A-Za-z0-9_-]{43}$/),
        (before, after, key) => {
          const found = withoutKey([...before, `key=${key}`, ...after, `key=${key}x`].join("&"))
          expect(found).toEqual({ query: [...before, ...after].join("&"), key })
        }
      )
    )
    expect(withoutKey("alt=sse&monkey=1")).toEqual({ query: "alt=sse&monkey=1", key: undefined })
    expect(withoutKey("")).toEqual({ query: "", key: undefined })
  })
})

it("an upstream is never sent a caller's key", async () => {
  const gateway = await startGateway(configOf())
  upstream.respond = answer("fine")
  try {
    const { key } = await createKey(gateway.url)
    const before = upstream.requests.length
    for (const route of Object.keys(bodies)) {
      await (await post(gateway.url, route, bearer(key))).text()
      await (await post(gateway.url, route, { "x-api-key": key })).text()
    }
    const sent = upstream.requests.slice(before)
    expect(sent.length).toBeGreaterThan(0)
    for (const { headers, text } of sent) {
      expect(`${JSON.stringify(headers)}${text}`).not.toContain(key)
    }
  } finally {
    await gateway.close()
  }
})
