/**
 * Law 10, fault domains: every failure is one of a closed union, and its domain, status and retryability follow from its
 * class alone, the same at every door.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { AIEngine, AIEngineError } from "../../engine/src/AIEngine.ts"
import * as Errors from "../../engine/src/Errors.ts"
import { type EngineError, type Fault, fallsBack, retryAfterMsOf } from "../../engine/src/Errors.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { startGateway, type TestGateway } from "../support/gateway.ts"
import { sendJson, startUpstream, type TestUpstream } from "../support/upstream.ts"

type Tag = EngineError["_tag"]

interface Expected<E> {
  readonly error: E
  readonly fault: Fault
  readonly status: number
  readonly retryable: boolean
}

const at = { provider: "upstream-a", model: "m" }
const told = { ...at, detail: "told" }

/** One of each; a new error does not compile until it is here. */
const table: { readonly [K in Tag]: Expected<Extract<EngineError, { readonly _tag: K }>> } = {
  InvalidRequest: {
    error: new Errors.InvalidRequest({ field: "prompt", detail: "expected text" }),
    fault: "caller",
    status: 400,
    retryable: false
  },
  ModelNotFound: { error: new Errors.ModelNotFound({ model: "x" }), fault: "caller", status: 404, retryable: false },
  ContextWindowExceeded: {
    error: new Errors.ContextWindowExceeded({ ...at, countedTokens: 9, requestedTokens: 9, allowedTokens: 10 }),
    fault: "caller",
    status: 400,
    retryable: false
  },
  RequestRejected: {
    error: new Errors.RequestRejected({ ...told, kind: "invalid_request" }),
    fault: "caller",
    status: 400,
    retryable: false
  },
  ContentFiltered: { error: new Errors.ContentFiltered(told), fault: "caller", status: 400, retryable: false },
  UnsupportedAbility: {
    error: new Errors.UnsupportedAbility({ provider: "upstream-a", ability: "audio" }),
    fault: "caller",
    status: 400,
    retryable: false
  },
  AuthenticationFailed: {
    error: new Errors.AuthenticationFailed({ detail: "no key" }),
    fault: "caller",
    status: 401,
    retryable: false
  },
  PermissionDenied: {
    error: new Errors.PermissionDenied({ detail: "not this model" }),
    fault: "policy",
    status: 403,
    retryable: false
  },
  KeysUnavailable: {
    error: new Errors.KeysUnavailable({ retryAfterMs: 1500 }),
    fault: "policy",
    status: 503,
    retryable: true
  },
  PayloadTooLarge: {
    error: new Errors.PayloadTooLarge({ limitBytes: 1 }),
    fault: "caller",
    status: 413,
    retryable: false
  },
  UnsupportedMediaType: {
    error: new Errors.UnsupportedMediaType({ header: "content-type", detail: "x" }),
    fault: "caller",
    status: 415,
    retryable: false
  },
  Cancelled: { error: new Errors.Cancelled(), fault: "caller", status: 499, retryable: false },
  RateLimitExceeded: {
    error: new Errors.RateLimitExceeded({ limit: "x", detail: "y", retryAfterMs: 1500 }),
    fault: "policy",
    status: 429,
    retryable: true
  },
  BudgetExceeded: {
    error: new Errors.BudgetExceeded({
      budget: "month",
      scope: "tenant",
      unit: "usd",
      reason: "limit",
      limit: 10,
      left: 0.5,
      reserved: 0.25,
      resetMs: 1500
    }),
    fault: "policy",
    status: 429,
    retryable: false
  },
  QueueFull: {
    error: new Errors.QueueFull({ provider: "upstream-a", maxWaiting: 1, retryAfterMs: 1500 }),
    fault: "policy",
    status: 429,
    retryable: true
  },
  DeadlineExceeded: {
    error: new Errors.DeadlineExceeded({ timeoutMs: 5, where: "queue" }),
    fault: "policy",
    status: 504,
    retryable: false
  },
  CacheOnlyMiss: { error: new Errors.CacheOnlyMiss(), fault: "policy", status: 504, retryable: false },
  ShuttingDown: {
    error: new Errors.ShuttingDown({ retryAfterMs: 1500 }),
    fault: "policy",
    status: 503,
    retryable: true
  },
  ProviderAuthFailed: {
    error: new Errors.ProviderAuthFailed({ ...told, upstreamStatus: 401 }),
    fault: "provider",
    status: 502,
    retryable: false
  },
  ProviderRateLimited: {
    error: new Errors.ProviderRateLimited({ ...told, retryAfterMs: 1500 }),
    fault: "provider",
    status: 429,
    retryable: true
  },
  ProviderQuotaExceeded: {
    error: new Errors.ProviderQuotaExceeded(told),
    fault: "provider",
    status: 429,
    retryable: false
  },
  ProviderOverloaded: { error: new Errors.ProviderOverloaded(told), fault: "provider", status: 529, retryable: true },
  ProviderServerError: { error: new Errors.ProviderServerError(told), fault: "provider", status: 502, retryable: true },
  ProviderTimeout: {
    error: new Errors.ProviderTimeout({ ...at, timeoutMs: 5 }),
    fault: "provider",
    status: 504,
    retryable: true
  },
  ProviderUnreachable: { error: new Errors.ProviderUnreachable(told), fault: "provider", status: 502, retryable: true },
  ProviderInvalidResponse: {
    error: new Errors.ProviderInvalidResponse(told),
    fault: "provider",
    status: 502,
    retryable: true
  },
  StreamTruncated: { error: new Errors.StreamTruncated(told), fault: "provider", status: 502, retryable: true },
  StreamStalled: {
    error: new Errors.StreamStalled({ ...at, idleTimeoutMs: 5 }),
    fault: "provider",
    status: 504,
    retryable: true
  },
  CircuitOpen: {
    error: new Errors.CircuitOpen({ ...at, retryAfterMs: 1500 }),
    fault: "provider",
    status: 503,
    retryable: true
  },
  InternalError: {
    error: new Errors.InternalError({ detail: "an internal error stopped the request", cause: new Error("canary") }),
    fault: "engine",
    status: 500,
    retryable: false
  }
}

const rows = Object.entries(table) as ReadonlyArray<readonly [Tag, Expected<EngineError>]>

describe("the union", () => {
  it("is closed: every error class of the module is in it", () => {
    const classes = Object.values(Errors).filter(
      (value) => typeof value === "function" && String(value).startsWith("class ")
    )
    expect(classes.map(({ name }) => name).toSorted()).toEqual(rows.map(([tag]) => tag).toSorted())
  })

  for (const [tag, { error, fault, retryable, status }] of rows) {
    it(`${tag} is of the domain ${fault}, has status ${status} and is ${retryable ? "" : "not "}worth a retry`, () => {
      expect(error).toBeInstanceOf(Error)
      expect(error).toMatchObject({ _tag: tag, fault, status, retryable })
      expect(error.message).not.toBe("")
      expect(error.message).not.toMatch(/undefined|\[object/)
      expect(error.message).not.toContain("canary")
    })
  }

  it("follows the upstream's status where that says more", () => {
    const rejected = (fields: object) =>
      new Errors.RequestRejected({ ...told, kind: "invalid_request", ...fields }).status
    expect(rejected({ kind: "not_found" })).toBe(404)
    expect(rejected({ kind: "request_too_large" })).toBe(413)
    expect(rejected({ upstreamStatus: 422 })).toBe(422)
    expect(rejected({ kind: "context_length" })).toBe(400)
    expect(new Errors.ProviderOverloaded({ ...told, upstreamStatus: 503 }).status).toBe(503)
    expect(new Errors.ProviderOverloaded({ ...told, upstreamStatus: 529 }).status).toBe(529)
  })

  it("lets callers retry a limit of ours only when it says when", () => {
    expect(new Errors.RateLimitExceeded({ limit: "x", detail: "" }).retryable).toBe(false)
    expect(retryAfterMsOf(table.QueueFull.error)).toBe(1500)
    expect(retryAfterMsOf(table.StreamTruncated.error)).toBeUndefined()
  })

  it("goes to another provider for every provider fault, for a model that is gone, and for nothing else", () => {
    for (const [, { error, fault }] of rows) expect(fallsBack(error)).toBe(fault === "provider")
    expect(fallsBack(new Errors.RequestRejected({ ...told, kind: "not_found" }))).toBe(true)
  })
})

describe("at the Promise door", () => {
  for (const [tag, { error, fault, retryable, status }] of rows) {
    it(`${tag} is an AIEngineError with the same facts`, async () => {
      const provider = scriptedProvider("upstream-a", () => error, { model: "m" })
      await using engine = new AIEngine(
        {
          providers: [{ name: "upstream-a", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9", model: "m" }],
          retry: { maxAttempts: 1 },
          logging: { level: "none" }
        },
        { providers: [provider] }
      )
      const thrown = await engine.generateText({ prompt: "x" }).then(
        () => undefined,
        (failure: unknown) => failure
      )
      expect(thrown).toBeInstanceOf(AIEngineError)
      expect(thrown).toMatchObject({
        name: "AIEngineError",
        kind: tag,
        fault,
        status,
        retryable,
        message: error.message
      })
      expect((thrown as AIEngineError).cause).toBe(error)
      expect((thrown as AIEngineError).retryAfter).toBe(retryAfterMsOf(error))
      expect((thrown as AIEngineError).provider).toBe("provider" in error ? "upstream-a" : undefined)
      const metrics = await engine.getMetrics()
      expect(metrics).toContain(`ai_errors_total{provider="upstream-a",kind="${tag}",fault="${fault}"} 1`)
    })
  }
})

describe("at the HTTP door", () => {
  let gateway: TestGateway
  let failure: EngineError
  beforeAll(async () => {
    gateway = await startGateway(
      {
        providers: [{ name: "upstream-a", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9", model: "m" }],
        retry: { maxAttempts: 1 },
        breaker: { minimumCalls: 1000 },
        logging: { level: "none" }
      },
      { providers: [scriptedProvider("upstream-a", () => failure, { model: "m" })], virtual: true }
    )
  })
  afterAll(() => gateway.close())

  for (const [tag, { error, fault, status }] of rows) {
    for (const stream of [false, true]) {
      it(`${tag} is a ${status}, also when a stream was asked for (${stream})`, async () => {
        failure = error
        const response = await fetch(`${gateway.url}/v1/chat/completions`, {
          method: "POST",
          headers: { "content-type": "application/json", "x-millrace-cache": "bypass" },
          body: JSON.stringify({ model: "m", stream, messages: [{ role: "user", content: "x" }] })
        })
        expect(response.status).toBe(status)
        expect(response.headers.get("x-millrace-fault")).toBe(fault)
        expect(response.headers.get("x-millrace-request-id")).toMatch(/^req_/)
        const { retryAfterMs } = error as { readonly retryAfterMs?: number }
        expect(response.headers.get("retry-after")).toBe(retryAfterMs === undefined ? null : "2")
        const body = await response.text()
        expect(JSON.parse(body)).toMatchObject({ error: { message: error.message, type: expect.any(String) } })
        expect(body).not.toContain("canary")
        // The provider's own pause is over before the next row.
        await gateway.later("2 seconds")
      })
    }
  }
})

describe("faults of the upstream over HTTP", () => {
  let upstream: TestUpstream
  let gateway: TestGateway
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway(
      {
        providers: [
          {
            name: "upstream-a",
            kind: "openai-compatible",
            baseUrl: upstream.url,
            model: "m",
            apiKey: "test",
            timeout: 200
          }
        ],
        retry: { maxAttempts: 1 },
        breaker: { minimumCalls: 1000 },
        logging: { level: "none" }
      },
      {}
    )
  })
  afterAll(() => Promise.all([gateway.close(), upstream.close()]))

  const cases: ReadonlyArray<
    readonly [name: string, respond: TestUpstream["respond"], status: number, fault: Fault, retryAfter: string | null]
  > = [
    ["401", sendJson(401, { error: { message: "bad key" } }), 502, "provider", null],
    ["403", sendJson(403, { error: { message: "forbidden" } }), 502, "provider", null],
    ["500", sendJson(500, {}), 502, "provider", null],
    ["502", sendJson(502, {}), 502, "provider", null],
    ["503", sendJson(503, {}, { "retry-after": "7" }), 503, "provider", "7"],
    ["529", sendJson(529, {}), 529, "provider", null],
    ["400", sendJson(400, { error: { message: "no" } }), 400, "caller", null],
    ["404", sendJson(404, { error: { message: "no such model" } }), 404, "caller", null],
    ["413", sendJson(413, {}), 413, "caller", null],
    ["422", sendJson(422, {}), 422, "caller", null],
    ["silence", () => undefined, 504, "provider", null],
    ["a closed connection", (response) => void response.destroy(), 502, "provider", null],
    // Last, for it pauses the provider.
    ["429", sendJson(429, { error: { message: "slow down" } }, { "retry-after": "30" }), 429, "provider", "30"]
  ]

  for (const [name, respond, status, fault, retryAfter] of cases) {
    it(`${name} is a ${status} of the domain ${fault} that names the provider where it is the provider's`, async () => {
      upstream.respond = respond
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-millrace-cache": "bypass" },
        body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "x" }] })
      })
      const body = (await response.json()) as { readonly error: { readonly message: string } }
      expect({
        status: response.status,
        fault: response.headers.get("x-millrace-fault"),
        message: body.error.message
      }).toEqual({
        status,
        fault,
        message: expect.stringContaining("upstream-a")
      })
      expect(response.headers.get("retry-after")).toBe(retryAfter)
    })
  }

  it("says at once, and whose it is, that the provider's pause is longer than a request's time", async () => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-millrace-cache": "bypass", "x-millrace-timeout": "50" },
      body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "x" }] })
    })
    expect(response.status).toBe(429)
    expect(response.headers.get("x-millrace-fault")).toBe("provider")
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1)
  })
})
