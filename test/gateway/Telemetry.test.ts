/**
 * Traces of the gateway, at a real OTLP/HTTP collector: what is in them, whom they belong to, and that a collector which is
 * away or does not answer costs nobody anything.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { canaryKey, canaryPrompt } from "../support/canary.ts"
import { ask, post, user } from "../support/client.ts"
import { startGateway, type TestGateway } from "../support/gateway.ts"
import { type Collector, type ReceivedSpan, startCollector } from "../support/otlp.ts"
import {
  answer,
  chatCompletion,
  chatEvents,
  eventStream,
  sendJson,
  startUpstream,
  type TestUpstream
} from "../support/upstream.ts"

let collector: Collector
let upstream: TestUpstream

beforeAll(async () => {
  upstream = await startUpstream()
})
beforeEach(async () => {
  collector = await startCollector()
  upstream.respond = answer("Hello.")
  return () => collector.close()
})
afterAll(() => upstream.close())

const provider = (name: string, more: object = {}) => ({
  name,
  kind: "openai-compatible" as const,
  baseUrl: `${upstream.url}/v1`,
  model: `${name}-model`,
  apiKey: canaryKey,
  ...more
})

type Config = Parameters<typeof startGateway>[0]

/** Runs calls against a gateway that traces, shuts it down, and gives what the collector was sent. */
const traced = async (
  config: Config,
  calls: (url: string, gateway: TestGateway) => Promise<unknown>,
  log?: Array<string>
): Promise<ReadonlyArray<ReceivedSpan>> => {
  const gateway = await startGateway(
    { retry: { baseDelay: 1, maxDelay: 1000 }, ...config, telemetry: { otlp: collector.url, ...config?.telemetry } },
    log === undefined ? {} : { log }
  )
  await calls(gateway.url, gateway)
  await gateway.close()
  return collector.spans
}

const named = (spans: ReadonlyArray<ReceivedSpan>, name: string): ReceivedSpan => {
  const found = spans.filter((span) => span.name === name)
  expect(found.map((span) => span.name)).toEqual([name])
  return found[0]!
}

const events = (span: ReceivedSpan) => span.events.map(({ name }) => name)

describe("spans at a collector", () => {
  it("are one for the request and one below it for the attempt, with GenAI attributes, flushed at shutdown", async () => {
    upstream.respond = sendJson(200, {
      ...chatCompletion("Hello."),
      usage: {
        prompt_tokens: 20,
        completion_tokens: 7,
        prompt_tokens_details: { cached_tokens: 5 },
        completion_tokens_details: { reasoning_tokens: 4 }
      }
    })
    let requestId: string | null = null
    const spans = await traced({ providers: [provider("up")] }, async (url) => {
      const found = await ask(url, user("Hi", { temperature: 0.5, max_tokens: 9, seed: 3 }))
      requestId = found.headers.get("x-millrace-request-id")
    })
    expect(spans.length).toBe(2)
    const request = named(spans, "Engine.generate")
    const attempt = named(spans, "chat up-model")
    expect(attempt.parentSpanId).toBe(request.spanId)
    expect(attempt.traceId).toBe(request.traceId)
    expect([request.kind, attempt.kind]).toEqual([2, 3])
    expect(request.attributes).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "up",
      "gen_ai.request.max_tokens": 9,
      "gen_ai.usage.input_tokens": 20,
      "gen_ai.usage.output_tokens": 7,
      "millrace.request.id": requestId,
      "millrace.tenant": "default",
      "millrace.cache": "miss",
      "millrace.attempts": 1
    })
    expect(attempt.attributes).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "up",
      "gen_ai.request.model": "up-model",
      "gen_ai.request.temperature": 0.5,
      "gen_ai.request.seed": 3,
      "gen_ai.response.id": "chatcmpl-upstream",
      "gen_ai.response.finish_reasons": ["stop"],
      "gen_ai.usage.input_tokens": 20,
      "gen_ai.usage.output_tokens": 7,
      "gen_ai.usage.cache_read.input_tokens": 5,
      "gen_ai.usage.reasoning.output_tokens": 4,
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(upstream.url).port),
      "millrace.attempt": 1
    })
    expect(request.resource).toMatchObject({ "service.name": "millrace", "service.version": expect.any(String) })
    expect(request.resource["service.instance.id"]).toMatch(/^[0-9a-f-]{36}$/)
    expect([request.scope, request.status.code]).toEqual(["millrace", 1])
    expect(events(request)).toEqual(["millrace.cache", "millrace.first_token"])
    expect(attempt.start >= request.start && attempt.end <= request.end).toBe(true)
  })

  it("say why there was another attempt: the provider again, then the next one", async () => {
    let failures = 0
    upstream.respond = (response, request) =>
      ++failures <= 2
        ? sendJson(500, { error: { message: request.text } })(response, request)
        : answer("Hello.")(response, request)
    const spans = await traced(
      {
        providers: [provider("first"), provider("second")],
        aliases: { both: ["first/first-model", "second/second-model"] }
      },
      (url) => ask(url, user("Hi", { model: "both" }))
    )
    const request = named(spans, "Engine.generate")
    expect(events(request).filter((name) => name === "millrace.fallback" || name === "millrace.retry")).toEqual([
      "millrace.fallback",
      "millrace.retry"
    ])
    const fallback = request.events.find(({ name }) => name === "millrace.fallback")!
    expect(fallback.attributes).toMatchObject({
      "millrace.from.provider": "first",
      "millrace.to.provider": "second",
      "error.type": "ProviderServerError"
    })
    const retry = request.events.find(({ name }) => name === "millrace.retry")!
    expect(retry.attributes["millrace.retry.delay_ms"]).toBeGreaterThanOrEqual(1)
    const failed = spans.filter(({ name, status }) => name.startsWith("chat ") && status.code === 2)
    expect(failed.length).toBe(2)
    expect(failed[0]!.attributes).toMatchObject({
      "error.type": "ProviderServerError",
      "millrace.fault": "provider",
      "http.response.status_code": 500
    })
    expect(failed[0]!.status.message).toBe("ProviderServerError")
    expect(request.status.code).toBe(1)
  })

  it("tell a cache hit, with no attempt below it and no usage that nobody paid for", async () => {
    const spans = await traced({ providers: [provider("up")] }, async (url) => {
      await ask(url, user("Hi"))
      await ask(url, user("Hi"))
    })
    const [miss, hit] = spans
      .filter(({ name }) => name === "Engine.generate")
      .sort((a, b) => (a.start < b.start ? -1 : 1))
    expect([miss!.attributes["millrace.cache"], hit!.attributes["millrace.cache"]]).toEqual(["miss", "hit"])
    expect(spans.filter(({ parentSpanId }) => parentSpanId === hit!.spanId)).toEqual([])
    const cache = hit!.events.find(({ name }) => name === "millrace.cache")!
    expect(cache.attributes).toMatchObject({
      "millrace.cache.result": "hit",
      "millrace.cache.age_ms": expect.any(Number)
    })
    expect(hit!.attributes).toMatchObject({ "millrace.saved_tokens": 12 })
    expect(hit!.attributes).not.toHaveProperty("gen_ai.usage.input_tokens")
  })

  it("tell a call that was served the answer to a similar prompt, and how similar it was", async () => {
    const cache = { semantic: { mode: "on" as const } }
    const spans = await traced({ providers: [provider("up")], cache }, async (url) => {
      await ask(url, user("What is the capital of France?", { temperature: 0 }))
      const similar = await ask(url, user("what is the capital of France", { temperature: 0 }))
      expect(similar.headers.get("x-millrace-cache")).toBe("semantic")
    })
    const semantic = spans.find(({ attributes }) => attributes["millrace.cache"] === "semantic")!
    const event = semantic.events.find(({ name }) => name === "millrace.cache")!
    expect(event.attributes["millrace.cache.similarity"]).toBeGreaterThan(0.85)
  })

  it("tell the queue: when an attempt entered it and when it left", async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    const arrived = upstream.next()
    upstream.respond = async (response, request) => {
      await held
      return answer("Hello.")(response, request)
    }
    const spans = await traced(
      { providers: [provider("up", { rateLimits: { concurrent: 1 } })] },
      async (url, gateway) => {
        const first = ask(url, user("One"))
        await arrived
        const second = ask(url, user("Two"))
        while ((await gateway.status()).queue.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
        release()
        await Promise.all([first, second])
      }
    )
    const waited = spans.filter(
      (span) => span.name.startsWith("chat ") && events(span).includes("millrace.queue.entered")
    )
    expect(waited.length).toBe(1)
    const [entered, left] = waited[0]!.events.filter(({ name }) => name.startsWith("millrace.queue"))
    expect([entered!.name, left!.name]).toEqual(["millrace.queue.entered", "millrace.queue.left"])
    expect(left!.at > entered!.at).toBe(true)
    expect(left!.attributes).toMatchObject({
      "millrace.queue.admitted": true,
      "millrace.queue.wait_ms": expect.any(Number)
    })
    expect(waited[0]!.attributes["millrace.queue_ms"]).toBe(left!.attributes["millrace.queue.wait_ms"])
  })

  it("end with the stream, not with its first token, and tell the time to it", async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    const [start, first, ...rest] = chatEvents(["Hel", "lo."])
    upstream.respond = async (response) => {
      response.writeHead(200, eventStream)
      response.write(`${start}${first}`)
      await held
      response.end(rest.join(""))
    }
    const spans = await traced({ providers: [provider("up")] }, async (url) => {
      const response = await post(url, user("Hi", { stream: true }))
      const reader = response.body!.getReader()
      await reader.read()
      await new Promise((resolve) => setTimeout(resolve, 30))
      release()
      while (!(await reader.read()).done);
    })
    const request = named(spans, "Engine.stream")
    const attempt = named(spans, "chat up-model")
    for (const span of [request, attempt]) {
      const token = span.events.find(({ name }) => name === "millrace.first_token")!
      expect(span.end - token.at).toBeGreaterThan(20_000_000n)
      expect(span.attributes["gen_ai.request.stream"]).toBe(true)
    }
    expect(attempt.attributes["gen_ai.response.time_to_first_chunk"]).toBeLessThan(5)
  })

  it("are errors without any text where a stream breaks off, and unset where the caller leaves", async () => {
    upstream.respond = (response) => {
      response.writeHead(200, eventStream)
      response.end(chatEvents(["Hel", "lo."]).slice(0, 2).join(""))
    }
    let spans = await traced({ providers: [provider("up")] }, async (url) => {
      await (await post(url, user(canaryPrompt, { stream: true }))).text()
    })
    expect(named(spans, "Engine.stream").status).toEqual({ code: 2, message: "StreamTruncated" })
    const arrived = upstream.next()
    const before = collector.spans.length
    upstream.respond = () => undefined
    spans = await traced({ providers: [provider("up")] }, async (url) => {
      const leaving = new AbortController()
      const call = post(url, user("Hi"), { signal: leaving.signal }).catch(() => undefined)
      const { aborted } = await arrived
      leaving.abort()
      await Promise.all([call, aborted])
    })
    const left = spans.slice(before).find(({ name }) => name === "Engine.generate")!
    expect(left.attributes["error.type"]).toBe("Cancelled")
    expect(left.status.code).toBe(0)
  })
})

describe("names of attributes", () => {
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude",
    content: [{ type: "text", text: "Hello." }],
    stop_reason: "end_turn",
    usage: { input_tokens: 9, cache_creation_input_tokens: 6, output_tokens: 3 }
  }
  const asked = async (optIn: string | undefined) => {
    const before = process.env["OTEL_SEMCONV_STABILITY_OPT_IN"]
    if (optIn === undefined) delete process.env["OTEL_SEMCONV_STABILITY_OPT_IN"]
    else process.env["OTEL_SEMCONV_STABILITY_OPT_IN"] = optIn
    try {
      upstream.respond = sendJson(200, message)
      const anthropic = {
        name: "claude",
        kind: "anthropic" as const,
        baseUrl: upstream.url,
        model: "claude",
        apiKey: canaryKey
      }
      return named(
        await traced({ providers: [anthropic] }, (url) =>
          ask(url, user("Hi", { reasoning_effort: "low", max_tokens: 4000 }))
        ),
        "chat claude"
      ).attributes
    } finally {
      if (before === undefined) delete process.env["OTEL_SEMCONV_STABILITY_OPT_IN"]
      else process.env["OTEL_SEMCONV_STABILITY_OPT_IN"] = before
    }
  }

  it("are those of v1.41 by default", async () => {
    const attributes = await asked(undefined)
    expect(attributes).toMatchObject({
      "gen_ai.provider.name": "anthropic",
      "gen_ai.usage.cache_creation.input_tokens": 6
    })
    expect(attributes).not.toHaveProperty("gen_ai.usage.cache_write.input_tokens")
    expect(attributes).not.toHaveProperty("gen_ai.request.reasoning.level")
  })

  it("are the newest where OTEL_SEMCONV_STABILITY_OPT_IN asks for them, among other things", async () => {
    const attributes = await asked("http/dup, gen_ai_latest_experimental")
    expect(attributes).toMatchObject({
      "gen_ai.usage.cache_write.input_tokens": 6,
      "gen_ai.request.reasoning.level": "low"
    })
    expect(attributes).not.toHaveProperty("gen_ai.usage.cache_creation.input_tokens")
  })
})

describe("trace context", () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c"
  const parent = "b7ad6b7169203331"
  const headers = {
    traceparent: `00-${traceId}-${parent}-01`,
    tracestate: "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
    baggage: "secret=canary-baggage"
  }

  it("comes in: the request's span is a child of the caller's, and keeps its tracestate", async () => {
    const spans = await traced({ providers: [provider("up")] }, (url) => ask(url, user("Hi"), { headers }))
    const request = named(spans, "Engine.generate")
    expect([request.traceId, request.parentSpanId]).toEqual([traceId, parent])
    expect(request.traceState).toBe(headers.tracestate)
    expect(named(spans, "chat up-model").traceState).toBe(headers.tracestate)
  })

  it("goes out to a server of one's own: the provider's parent is the attempt, and no baggage goes along", async () => {
    const spans = await traced({ providers: [provider("up")] }, (url) => ask(url, user("Hi"), { headers }))
    const sent = upstream.requests.at(-1)!.headers
    expect(sent["traceparent"]).toBe(`00-${traceId}-${named(spans, "chat up-model").spanId}-01`)
    expect(sent["tracestate"]).toBe(headers.tracestate)
    expect(sent["baggage"]).toBeUndefined()
    expect(
      JSON.stringify(collector.spans, (_, value: unknown) => (typeof value === "bigint" ? 0 : value))
    ).not.toContain("canary-baggage")
  })

  it("goes to nobody where it is told so", async () => {
    await traced({ providers: [provider("up")], telemetry: { propagate: "none" } }, (url) =>
      ask(url, user("Hi"), { headers })
    )
    const sent = upstream.requests.at(-1)!.headers
    expect([sent["traceparent"], sent["tracestate"]]).toEqual([undefined, undefined])
  })

  it("is passed on as it came by a gateway that does not trace", async () => {
    const gateway = await startGateway({ providers: [provider("up")] })
    await ask(gateway.url, user("Hi"), { headers })
    await gateway.close()
    const sent = upstream.requests.at(-1)!.headers
    expect([sent["traceparent"], sent["tracestate"]]).toEqual([headers.traceparent, headers.tracestate])
  })

  it.each([
    ["a version that can't be", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    ["ids of zeros", "00-00000000000000000000000000000000-b7ad6b7169203331-01"],
    ["capital letters", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"],
    ["more than there is in version 00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"],
    ["nonsense", "canary"]
  ])("begins anew, and refuses nothing, for %s", async (_, traceparent) => {
    const spans = await traced({ providers: [provider("up")] }, async (url) => {
      expect((await ask(url, user("Hi"), { headers: { traceparent } })).status).toBe(200)
    })
    expect(named(spans, "Engine.generate").parentSpanId).toBeUndefined()
  })

  it("is read as far as it is known in a version that is newer", async () => {
    const traceparent = `01-${traceId}-${parent}-01-more`
    const spans = await traced({ providers: [provider("up")] }, (url) =>
      ask(url, user("Hi"), { headers: { traceparent } })
    )
    expect(named(spans, "Engine.generate").traceId).toBe(traceId)
  })
})

describe("sampling", () => {
  it("records the share of the traces that begin here, and those of callers as they say", async () => {
    const config = { providers: [provider("up")], telemetry: { sample: 0 } }
    const flags = (flag: string) => ({
      headers: { traceparent: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flag}` }
    })
    const spans = await traced(config, async (url) => {
      await ask(url, user("mine"))
      await ask(url, user("theirs, recorded"), flags("01"))
      await ask(url, user("theirs, not recorded"), flags("00"))
    })
    expect(spans.filter(({ name }) => name === "Engine.generate").length).toBe(1)
    expect(upstream.requests.slice(-3).map(({ headers }) => String(headers["traceparent"]).slice(-2))).toEqual([
      "00",
      "01",
      "00"
    ])
  })
})

describe("content", () => {
  it("is on no span unless it is switched on", async () => {
    await traced({ providers: [provider("up")] }, (url) => ask(url, user(canaryPrompt)))
    expect(collector.bodies.join()).not.toContain("canary")
    expect(collector.bodies.join()).not.toContain("Hello.")
  })

  it("is on the attempt's span in the form of the conventions where it is, and the key still isn't", async () => {
    const spans = await traced({ providers: [provider("up")], telemetry: { content: true } }, (url) =>
      ask(url, user(canaryPrompt))
    )
    const { attributes } = named(spans, "chat up-model")
    expect(JSON.parse(String(attributes["gen_ai.input.messages"]))).toEqual([
      { role: "user", parts: [{ type: "text", content: canaryPrompt }] }
    ])
    expect(JSON.parse(String(attributes["gen_ai.output.messages"]))).toEqual([
      { role: "assistant", parts: [{ type: "text", content: "Hello." }], finish_reason: "stop" }
    ])
    expect(collector.bodies.join()).not.toContain(canaryKey)
  })
})

describe("a collector that is ill", () => {
  const many = async (url: string, count: number) => {
    const started = performance.now()
    for (let i = 0; i < count; i++) expect((await ask(url, user(`Hi ${i}`))).status).toBe(200)
    return (performance.now() - started) / count
  }

  it("costs no latency when it does not answer, and a shutdown does not wait for it for long", async () => {
    collector.mode = "stall"
    const log: Array<string> = []
    const started = performance.now()
    let meanMs = 0
    await traced({ providers: [provider("up")] }, async (url) => void (meanMs = await many(url, 50)), log)
    expect(meanMs).toBeLessThan(200)
    expect(performance.now() - started).toBeLessThan(15_000)
    expect(log.filter((line) => line.includes("spans were not delivered"))).toHaveLength(1)
  }, 20_000)

  it("drops and counts what does not fit, and tells it once", async () => {
    process.env["OTEL_BSP_MAX_QUEUE_SIZE"] = "8"
    collector.mode = "stall"
    const log: Array<string> = []
    try {
      await traced({ providers: [provider("up")] }, (url) => many(url, 30), log)
    } finally {
      delete process.env["OTEL_BSP_MAX_QUEUE_SIZE"]
    }
    expect(log.filter((line) => line.includes("spans get lost"))).toHaveLength(1)
    expect(log.filter((line) => line.includes("spans were not delivered"))).toHaveLength(1)
  }, 20_000)

  it("fails nothing when it is not there, or refuses", async () => {
    const log: Array<string> = []
    collector.mode = 400
    await traced({ providers: [provider("up")] }, (url) => many(url, 3), log)
    const gone = await startCollector()
    await gone.close()
    await traced({ providers: [provider("up")], telemetry: { otlp: gone.url } }, (url) => many(url, 3), log)
    expect(log.filter((line) => line.includes("spans were not delivered"))).toHaveLength(2)
  }, 20_000)
})
