/**
 * Providers in the admin API: how they are doing, and opening and closing their circuits by hand. A real engine behind a real
 * gateway, on virtual time.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Provider } from "../../engine/src/AdminAnswers.ts"
import { ProviderServerError, RequestRejected } from "../../engine/src/Errors.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { adminToken, startGateway, type TestGateway } from "../support/gateway.ts"

const at = { provider: "a", model: "m" }
const answers: Record<string, () => string | ProviderServerError | RequestRejected> = {
  good: () => "fine",
  bad: () => new ProviderServerError({ ...at, detail: "500" }),
  wrong: () => new RequestRejected({ ...at, kind: "invalid_request", detail: "bad field" })
}

let gateway: TestGateway

beforeEach(async () => {
  const a = scriptedProvider("a", (call) => {
    const prompt = JSON.stringify(call.request.messages)
    return Object.entries(answers).find(([word]) => prompt.includes(word))![1]()
  })
  gateway = await startGateway(
    {
      providers: [
        { name: "a", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9", model: "m" },
        { name: "b", kind: "simulated" }
      ],
      cache: { enabled: false },
      retry: { maxAttempts: 1 },
      breaker: { minimumCalls: 100, consecutiveFailures: 3, openFor: 30_000 },
      logging: { level: "none" }
    },
    { virtual: true, providers: [a] }
  )
})
afterEach(() => gateway.close())

const ask = async (text: string, model = "a/m") => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: text }] })
  })
  await response.text()
  return response
}

const admin = async (path: string, body?: unknown) => {
  const response = await fetch(`${gateway.url}/admin/api/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return { status: response.status, json: (await response.json()) as any }
}

const providerA = async (): Promise<Provider> =>
  (await admin("providers")).json.providers.find(({ name }: Provider) => name === "a")

describe("POST providers/{name}/breaker", () => {
  it("opens every circuit of a provider, and says what it did", async () => {
    await ask("good")
    const { json, status } = await admin("providers/a/breaker", { state: "open", forMs: 60_000 })
    expect(status).toBe(200)
    expect(json).toMatchObject({
      name: "a",
      breaker: "open",
      circuits: [{ model: "m", state: "open", manual: true, retryMs: 60_000 }]
    })
    const refused = await ask("good")
    expect(refused.status).toBe(503)
    expect(refused.headers.get("retry-after")).toBe("60")
    expect((await ask("good", "a/another")).status).toBe(503)
    expect((await admin("status")).json.providers[0]).toMatchObject({ name: "a", breaker: "open" })
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
    expect(metrics).toContain('ai_circuit_state{provider="a"} 2')
  })

  it("opens one model alone", async () => {
    await admin("providers/a/breaker", { state: "open", model: "m" })
    expect((await ask("good")).status).toBe(503)
    expect((await ask("good", "a/another")).status).toBe(200)
  })

  it("ends an order by a probe, or by auto", async () => {
    await admin("providers/a/breaker", { state: "open" })
    await gateway.later(30_000)
    expect((await ask("good")).status).toBe(200)
    expect((await providerA()).breaker).toBe("closed")
    await admin("providers/a/breaker", { state: "open", forMs: 3_600_000 })
    expect((await admin("providers/a/breaker", { state: "auto" })).json.breaker).toBe("closed")
    expect((await ask("good")).status).toBe(200)
  })

  it("closes a circuit that its failures have opened, and holds it closed for as long as it is told", async () => {
    for (let i = 0; i < 3; i++) expect((await ask("bad")).status).toBe(502)
    expect((await ask("good")).status).toBe(503)
    await admin("providers/a/breaker", { state: "closed", forMs: 10_000 })
    for (let i = 0; i < 5; i++) expect((await ask("bad")).status).toBe(502)
    expect((await providerA()).circuits).toMatchObject([{ manual: true, state: "closed", consecutiveFailures: 5 }])
    await gateway.later(10_000)
    expect((await ask("bad")).status).toBe(502)
    expect((await ask("good")).status).toBe(503)
    expect((await providerA()).circuits).toMatchObject([{ manual: false, state: "open" }])
  })

  it("leaves a circuit open that its failures have opened when it is left to the outcomes", async () => {
    for (let i = 0; i < 3; i++) await ask("bad")
    expect((await admin("providers/a/breaker", { state: "auto" })).json.breaker).toBe("open")
  })

  it("is 404 for a provider that is not there, and names every wrong field", async () => {
    expect(await admin("providers/nobody/breaker", { state: "open" })).toMatchObject({
      status: 404,
      json: { _tag: "NotFound", message: 'no provider is named "nobody"' }
    })
    for (const body of [{}, { state: "half-open" }, { state: "open", forMs: -1 }, { state: "open", model: "" }]) {
      const { json, status } = await admin("providers/a/breaker", body)
      expect(status, JSON.stringify(body)).toBe(400)
      expect(json).toMatchObject({ _tag: "BadRequest" })
    }
    expect((await providerA()).breaker).toBe("closed")
  })
})

describe("POST providers/{name}/probe", () => {
  it("calls the provider once and says what came of it, and the call is in the sums", async () => {
    answers["OK"] = () => "OK"
    expect(await admin("providers/a/probe", {})).toMatchObject({
      status: 200,
      json: { provider: "a", model: "m", ok: true, error: null }
    })
    answers["OK"] = () => new ProviderServerError({ ...at, detail: "500" })
    expect(await admin("providers/a/probe", { model: "other" })).toMatchObject({
      status: 200,
      json: { provider: "a", model: "other", ok: false, error: { kind: "ProviderServerError" } }
    })
    delete answers["OK"]
    expect((await providerA()).attempts).toMatchObject({ attempts: 2, succeeded: 1, failed: 1 })
    await admin("providers/a/breaker", { state: "open", forMs: 60_000 })
    expect((await admin("providers/a/probe", {})).json).toMatchObject({ ok: false, error: { kind: "CircuitOpen" } })
  })

  it("is 404 for a provider that is not there", async () => {
    expect(await admin("providers/nobody/probe", {})).toMatchObject({ status: 404, json: { _tag: "NotFound" } })
  })
})

describe("the figures of a provider", () => {
  it("count its attempts, and leave callers' faults out of its success rate", async () => {
    for (const text of ["good", "good", "good", "bad", "wrong", "wrong"]) await ask(text)
    expect((await gateway.status()).providers).toMatchObject([
      {
        name: "a",
        attempts: {
          attempts: 6,
          succeeded: 3,
          failed: 1,
          rejected: 2,
          left: 0,
          retries: 0,
          hedges: 0,
          rescuedByRetry: 0,
          rescuedByFallback: 0,
          rescuedByHedge: 0,
          successRate: 0.75
        }
      },
      { name: "b", attempts: { attempts: 0, successRate: null } }
    ])
    expect((await providerA()).circuits).toMatchObject([{ model: "m", calls: 6, failures: 1 }])
  })
})
