/**
 * What `POST /v1/chat/completions` promises beside its bodies: who is asked, what an answer costs and counts, deadlines,
 * when a failure is tried again, readiness, metrics and traces.
 */
import { Tracer } from "effect"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { ask, eventsOf, get, textOf, user } from "../support/client.ts"
import { idle, startGateway, type TestGateway } from "../support/gateway.ts"
import {
  answer,
  chatCompletion,
  chatEvents,
  eventStream,
  type Respond,
  send,
  sendJson,
  startUpstream,
  type TestUpstream
} from "../support/upstream.ts"

const failure = { error: { message: "It broke.", type: "server_error" } }

/** Answers one call after the other; the last answer stays. */
const inTurn = (...responds: ReadonlyArray<Respond>): Respond => {
  let next = 0
  return (response, request) => responds[Math.min(next++, responds.length - 1)]!(response, request)
}

let first: TestUpstream
let second: TestUpstream
let gateway: TestGateway
const spans: Array<Tracer.Span> = []
beforeAll(async () => {
  first = await startUpstream()
  second = await startUpstream()
  const shared = { kind: "openai-compatible", model: "m" } as const
  gateway = await startGateway(
    {
      providers: [
        {
          ...shared,
          name: "first",
          baseUrl: first.url,
          models: ["m", "org/m"],
          pricing: { input: 1_000_000, output: 2_000_000 }
        },
        { ...shared, name: "second", baseUrl: second.url, models: ["m"] },
        { ...shared, name: "open", baseUrl: second.url }
      ],
      aliases: { chain: ["first/m", "second/m"] },
      cache: { enabled: false },
      retry: { maxAttempts: 2, baseDelay: 1000 },
      breaker: { minimumCalls: 1_000_000 }
    },
    { virtual: true, tracer: collecting }
  )
})
afterAll(async () => {
  await gateway.close()
  await first.close()
  await second.close()
})
afterEach(async () => {
  await idle(gateway)
  first.respond = answer("First.")
  second.respond = answer("Second.")
  spans.length = 0
})

const collecting = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    spans.push(span)
    return span
  }
})

/** Calls that each provider has had since. */
const counting = () => {
  const before = [first.requests.length, second.requests.length] as const
  return () => [first.requests.length - before[0], second.requests.length - before[1]]
}

describe("a model", () => {
  it.each([
    ["provider/model", "first/m"],
    ["a model of one provider", "org/m"]
  ])("by %s never falls back", async (_, model) => {
    first.respond = sendJson(500, failure)
    const calls = counting()
    const found = await gateway.passUntil(ask(gateway.url, user("Hi", { model })))
    expect([found.status, found.headers.get("x-millrace-provider")]).toEqual([502, "first"])
    expect(calls()).toEqual([2, 0])
  })

  it.each(["chain", "m"])("by %s falls back in order", async (model) => {
    first.respond = sendJson(401, failure)
    const calls = counting()
    const found = await ask(gateway.url, user("Hi", { model }))
    expect([found.status, found.headers.get("x-millrace-provider"), found.headers.get("x-millrace-attempts")]).toEqual([
      200,
      "second",
      "2"
    ])
    expect(calls()).toEqual([1, 1])
  })

  it("that the named provider does not serve is not looked for elsewhere", async () => {
    const calls = counting()
    const found = await ask(gateway.url, user("Hi", { model: "second/other" }))
    expect([found.status, found.json.error.code]).toEqual([404, "model_not_found"])
    expect(calls()).toEqual([0, 0])
  })

  it("that nobody lists goes to who lists none", async () => {
    const found = await ask(gateway.url, user("Hi", { model: "meta/llama" }))
    expect([found.status, found.headers.get("x-millrace-provider"), found.headers.get("x-millrace-model")]).toEqual([
      200,
      "open",
      "meta/llama"
    ])
  })
})

describe("a failure", () => {
  const broken = send(200, eventStream, chatEvents(["Half "]).slice(0, 2).join(""))

  it.each([false, true])("before the first part is tried again (stream: %s)", async (stream) => {
    first.respond = inTurn(sendJson(500, failure), answer("Finally."))
    const found = await gateway.passUntil(ask(gateway.url, user("Hi", { model: "first/m", stream })))
    expect([found.status, found.headers.get("x-millrace-attempts")]).toEqual([200, "2"])
    expect(found.text).toContain("Finally.")
  })

  it("in the middle of a provider's stream is tried again for a caller who wants a whole answer", async () => {
    first.respond = inTurn(broken, answer("Whole."))
    const found = await gateway.passUntil(ask(gateway.url, user("Hi", { model: "first/m" })))
    expect([found.status, found.headers.get("x-millrace-attempts")]).toEqual([200, "2"])
    expect(found.json.choices[0].message.content).toBe("Whole.")
  })

  it("in the middle of a stream is never tried again", async () => {
    first.respond = inTurn(broken, answer("Again."))
    const calls = counting()
    const found = await ask(gateway.url, user("Hi", { model: "chain", stream: true }))
    const events = eventsOf(found.text)
    expect(textOf(events)).toBe("Half ")
    expect(events.at(-1)).toMatchObject({ error: { code: "stream_truncated" } })
    expect(calls()).toEqual([1, 0])
  })
})

describe("usage", () => {
  const unstated = { ...chatCompletion("Some text of nine words that nobody has counted."), usage: undefined }

  it("is estimated and marked where the provider states none", async () => {
    first.respond = sendJson(200, unstated)
    const { json } = await ask(gateway.url, user("How many tokens?", { model: "first/m" }))
    expect(json["x-millrace"]).toEqual({ usage_estimated: true })
    expect(json.usage.prompt_tokens).toBeGreaterThan(0)
    expect(json.usage.completion_tokens).toBeGreaterThan(0)
    expect(json.id).toBe("chatcmpl-upstream")
  })

  it("of a stream is estimated and marked when it was asked for, under the ids of the stream", async () => {
    first.respond = send(200, eventStream, chatEvents(["Some ", "text."], false).join(""))
    const found = await ask(
      gateway.url,
      user("Hi", { model: "first/m", stream: true, stream_options: { include_usage: true } })
    )
    const usage = eventsOf(found.text).at(-2)
    expect(usage).toMatchObject({ id: "chatcmpl-upstream", choices: [], "x-millrace": { usage_estimated: true } })
    expect(usage.usage.total_tokens).toBe(usage.usage.prompt_tokens + usage.usage.completion_tokens)
    const plain = await ask(gateway.url, user("Hi", { model: "first/m", stream: true }))
    expect(eventsOf(plain.text).some((event) => event.usage !== undefined)).toBe(false)
  })

  it("has its price on whole answers of a known price, and only there", async () => {
    const priced = await ask(gateway.url, user("Hi", { model: "first/m" }))
    expect(priced.headers.get("x-millrace-cost-usd")).toBe("15")
    const unpriced = await ask(gateway.url, user("Hi", { model: "second/m" }))
    expect(unpriced.headers.get("x-millrace-cost-usd")).toBeNull()
  })
})

describe("a deadline", () => {
  const headers = { "x-millrace-timeout": "2000" }

  it("that passes before the first part is 504, ours, and not to be retried", async () => {
    first.respond = () => undefined
    const found = await gateway.passUntil(ask(gateway.url, user("Hi", { model: "first/m", stream: true }), { headers }))
    expect(found.status).toBe(504)
    expect(found.json.error.code).toBe("deadline_exceeded")
    expect([found.headers.get("x-millrace-fault"), found.headers.get("x-should-retry")]).toEqual(["policy", "false"])
    await first.requests.at(-1)!.aborted
  })

  it("that passes in a stream ends it with an error", async () => {
    first.respond = (response) => {
      response.writeHead(200, eventStream)
      response.write(chatEvents(["Hello "]).slice(0, 2).join(""))
    }
    const found = await gateway.passUntil(ask(gateway.url, user("Hi", { model: "first/m", stream: true }), { headers }))
    expect(found.status).toBe(200)
    expect(eventsOf(found.text).at(-1)).toMatchObject({ error: { code: "deadline_exceeded" } })
    await first.requests.at(-1)!.aborted
  })
})

describe("who watches", () => {
  it("reads the metrics of a call", async () => {
    await ask(gateway.url, user("Hi", { model: "second/m" }))
    const found = await get(`${gateway.url}/metrics`)
    expect(found.headers.get("content-type")).toMatch(/^text\/plain/)
    expect(found.text).toMatch(/ai_requests_total\{provider="second",model="m",status="success"\} \d+/)
    expect(found.text).toMatch(/ai_active_requests\{provider="first"\} 0/)
  })

  it("finds the call's spans under the caller's own", async () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c"
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` }
    const found = await ask(gateway.url, user("Hi", { model: "second/m" }), { headers })
    const call = spans.find(({ name }) => name === "Engine.generate")!
    expect(call.traceId).toBe(traceId)
    expect(call.attributes.get("millrace.request.id")).toBe(found.headers.get("x-millrace-request-id"))
    expect(spans.filter((span) => span.traceId === traceId).length).toBe(2)
  })

  it("hears that it is not ready while every circuit is open, and why", async () => {
    const upstream = await startUpstream(sendJson(500, failure))
    const fragile = await startGateway(
      {
        providers: [{ name: "up", kind: "openai-compatible", baseUrl: upstream.url, model: "m" }],
        retry: { maxAttempts: 1 },
        breaker: { minimumCalls: 1, failureRate: 0.1, openFor: 10_000 }
      },
      { virtual: true }
    )
    expect((await get(`${fragile.url}/health/ready`)).status).toBe(200)
    await ask(fragile.url, user("Hi"))
    const unready = await get(`${fragile.url}/health/ready`)
    expect([unready.status, unready.json.reasons]).toEqual([503, ["circuit of up is open"]])
    const refused = await ask(fragile.url, user("Hi"))
    expect([refused.status, refused.json.error.code, refused.headers.get("retry-after")]).toEqual([
      503,
      "circuit_open",
      "10"
    ])
    expect(refused.headers.get("x-millrace-attempts")).toBe("0")
    expect(upstream.requests.length).toBe(1)
    await fragile.close()
    await upstream.close()
  })
})
