/**
 * What a provider can do wrong: every bad answer becomes a typed error of the right domain and status in OpenAI's shape,
 * whole and streamed; no key comes out and no prompt is logged; connections and permits are given back.
 */
import type { ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { canaryKey, canaryPrompt } from "../support/canary.ts"
import { type Answer, ask, eventsOf, post, textOf, user } from "../support/client.ts"
import { idle, startGateway, type TestGateway } from "../support/gateway.ts"
import {
  answer,
  chatChunk,
  chatCompletion,
  chatEvents,
  done,
  event,
  eventStream,
  type Respond,
  send,
  sendJson,
  startUpstream,
  type TestUpstream
} from "../support/upstream.ts"

const log: Array<string> = []
let upstream: TestUpstream
let gateway: TestGateway
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway(
    {
      providers: [
        {
          name: "up",
          kind: "openai",
          apiKey: canaryKey,
          baseUrl: `${upstream.url}/v1`,
          model: "gpt-test",
          timeout: 5000,
          idleTimeout: 3000
        },
        { name: "gone", kind: "openai-compatible", baseUrl: "http://127.0.0.1:1/v1", model: "gpt-test" }
      ],
      cache: { enabled: false },
      retry: { maxAttempts: 1 },
      breaker: { minimumCalls: 1_000_000 }
    },
    { virtual: true, log }
  )
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
  const logged = log.join("\n")
  expect(logged).toContain("request failed")
  expect(logged).not.toContain(canaryPrompt)
  expect(logged).not.toContain(canaryKey)
})

/** After whatever the provider did, nothing is left running and the next caller is served. */
afterEach(async () => {
  await gateway.later("10 minutes")
  await idle(gateway)
  upstream.respond = answer("Fine.")
  expect((await ask(gateway.url, user("Are you there?"))).json).toMatchObject({
    choices: [{ message: { content: "Fine." } }]
  })
})

const body = (stream: boolean) => ({ ...user(canaryPrompt), model: "up/gpt-test", stream })

/** Asks while the provider answers in this way; virtual time passes only if `waits`. */
const asked = async (respond: Respond, stream: boolean, waits = false): Promise<Answer> => {
  upstream.respond = respond
  const found = ask(gateway.url, body(stream))
  return waits ? gateway.passUntil(found) : found
}

interface Refusal {
  readonly status: number
  readonly code: string | null
  readonly fault?: string
  readonly says?: RegExp
  readonly retryAfter?: string
}

const expectRefusal = (found: Answer, { code, fault = "provider", retryAfter, says, status }: Refusal): void => {
  expect(found.status, found.text).toBe(status)
  expect(found.headers.get("content-type")).toBe("application/json")
  expect(found.headers.get("x-millrace-fault")).toBe(fault)
  expect(found.headers.get("x-millrace-provider")).toBe("up")
  expect(found.headers.get("x-millrace-request-id")).toMatch(/^req_/)
  expect(found.headers.get("x-millrace-attempts")).toBe("1")
  expect(found.headers.get("retry-after")).toBe(retryAfter ?? null)
  const { error } = found.json as { error: { message: string; type: string; param: null; code: string | null } }
  expect(Object.keys(error).toSorted()).toEqual(["code", "message", "param", "type"])
  expect(error.code).toBe(code)
  if (says !== undefined) expect(error.message).toMatch(says)
  expect(error.message).toContain("up")
  expect(found.text).not.toContain(canaryKey)
  expect([...found.headers].join()).not.toContain(canaryKey)
}

const html = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
const invalid: Refusal = { status: 502, code: "provider_invalid_response" }
const failure = { error: { message: "It broke.", type: "server_error", param: null, code: null } }

const reset = (response: ServerResponse): void => {
  response.socket!.resetAndDestroy()
}

/** Sends the head of an answer and a part of its body, then breaks the connection once that has left. */
const breakOff =
  (headers: { readonly [name: string]: string }, part: string): Respond =>
  (response) => {
    response.writeHead(200, headers)
    response.write(part, () => setImmediate(reset, response))
  }

/** Answers that are wrong whether or not a stream was asked for. */
const wrong: ReadonlyArray<readonly [name: string, respond: Respond, refusal: Refusal]> = [
  ["an HTML page", send(200, { "content-type": "text/html" }, html), { ...invalid, says: /HTML/ }],
  [
    "an HTML page that says it is JSON",
    send(200, { "content-type": "application/json" }, html),
    { ...invalid, says: /HTML/ }
  ],
  [
    "JSON that is cut off",
    send(200, { "content-type": "application/json" }, JSON.stringify(chatCompletion("x")).slice(0, 99)),
    invalid
  ],
  [
    "JSON that breaks off",
    breakOff({ "content-type": "application/json", "content-length": "900" }, `{"id":"x",`),
    invalid
  ],
  ["plain text", send(200, { "content-type": "text/plain" }, "Hello!"), invalid],
  ["bytes", send(200, { "content-type": "image/png" }, Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2])), invalid],
  [
    "gzip that nobody asked for",
    send(200, { "content-type": "application/json" }, gzipSync(JSON.stringify(chatCompletion("x")))),
    invalid
  ],
  ["nothing", send(200, { "content-type": "application/json" }), invalid],
  ["nothing without a type", send(200, {}), invalid],
  ["JSON of something else", sendJson(200, { hello: "world" }), invalid],
  ["no choice", sendJson(200, { ...chatCompletion("x"), choices: [] }), invalid],
  ["an error inside a 200", sendJson(200, failure), { status: 502, code: "provider_server_error", says: /It broke/ }],
  [
    "a rate limit inside a 200",
    sendJson(200, { error: { message: "Slow down.", type: "rate_limit_error" } }),
    { status: 429, code: "rate_limit_exceeded", retryAfter: "1" }
  ],
  ["a redirect", send(302, { location: "/elsewhere" }), { ...invalid, says: /redirect/ }],
  ["a reset before the headers", reset, { status: 502, code: "provider_unreachable" }],
  [
    "a closed connection before the headers",
    (response) => void response.socket!.destroy(),
    { status: 502, code: "provider_unreachable" }
  ],
  [
    "401 that echoes the key",
    (response, { headers }) =>
      sendJson(401, {
        error: {
          message: `Incorrect API key provided: ${headers.authorization}`,
          type: "invalid_request_error",
          code: "invalid_api_key"
        }
      })(response, undefined as never),
    { status: 502, code: "provider_auth_failed", says: /^up did not accept the configured API key/ }
  ],
  [
    "403",
    sendJson(403, { error: { message: `key ${canaryKey} has no access` } }),
    { status: 502, code: "provider_auth_failed", says: /up/ }
  ],
  [
    "404",
    sendJson(404, { error: { message: "The model does not exist", code: "model_not_found" } }),
    { status: 404, code: "model_not_found", fault: "caller" }
  ],
  [
    "400",
    sendJson(400, { error: { message: `bad: ${canaryKey}`, type: "invalid_request_error", code: "bad_thing" } }),
    { status: 400, code: "bad_thing", fault: "caller" }
  ],
  ["413", sendJson(413, { error: { message: "too large" } }), { status: 413, code: null, fault: "caller" }],
  [
    "422",
    sendJson(422, { detail: [{ loc: ["body"], msg: "field required" }] }),
    { status: 422, code: null, fault: "caller" }
  ],
  [
    "a prompt that is too long",
    sendJson(400, { error: { message: "maximum context length is 10", code: "context_length_exceeded" } }),
    { status: 400, code: "context_length_exceeded", fault: "caller" }
  ],
  [
    "a prompt that is filtered",
    sendJson(400, { error: { message: "filtered", code: "content_filter" } }),
    { status: 400, code: "content_filter", fault: "caller" }
  ],
  ["429 without a time", sendJson(429, failure), { status: 429, code: "rate_limit_exceeded", retryAfter: "1" }],
  [
    "429 with seconds",
    sendJson(429, failure, { "retry-after": "7" }),
    { status: 429, code: "rate_limit_exceeded", retryAfter: "7" }
  ],
  [
    "429 with milliseconds",
    sendJson(429, failure, { "retry-after-ms": "1500" }),
    { status: 429, code: "rate_limit_exceeded", retryAfter: "2" }
  ],
  [
    "429 with a date",
    sendJson(429, failure, { date: "Sun, 22 Nov 2026 12:00:00 GMT", "retry-after": "Sun, 22 Nov 2026 12:00:09 GMT" }),
    { status: 429, code: "rate_limit_exceeded", retryAfter: "9" }
  ],
  [
    "429 with nonsense",
    sendJson(429, failure, { "retry-after": "soon" }),
    { status: 429, code: "rate_limit_exceeded", retryAfter: "1" }
  ],
  [
    "429 for want of money",
    sendJson(429, { error: { message: "You exceeded your current quota", code: "insufficient_quota" } }),
    { status: 429, code: "insufficient_quota" }
  ],
  ["500", sendJson(500, failure), { status: 502, code: "provider_server_error" }],
  [
    "500 with an HTML page",
    send(500, { "content-type": "text/html" }, html),
    { status: 502, code: "provider_server_error" }
  ],
  ["500 with nothing", send(500, {}), { status: 502, code: "provider_server_error" }],
  ["502", sendJson(502, failure), { status: 502, code: "provider_server_error" }],
  [
    "503",
    sendJson(503, failure, { "retry-after": "3" }),
    { status: 503, code: "provider_overloaded", retryAfter: "3" }
  ],
  ["529", sendJson(529, failure), { status: 529, code: "provider_overloaded" }]
]

describe.each([
  ["whole", false],
  ["streamed", true]
] as const)("asked for a %s answer, a provider that sends", (_, stream) => {
  it.each(wrong)("%s", async (_, respond, refusal) => {
    const before = upstream.requests.length
    expectRefusal(await asked(respond, stream), refusal)
    expect(upstream.requests.length).toBe(before + 1)
  })

  it("nothing at all: 504 after its timeout", async () => {
    const found = await asked(() => undefined, stream, true)
    expectRefusal(found, { status: 504, code: "provider_timeout", says: /5000 ms/ })
    await upstream.requests.at(-1)!.aborted
  })

  it("headers and then nothing: 504 after its timeout", async () => {
    const found = await asked(
      (response) => {
        response.writeHead(200, stream ? eventStream : { "content-type": "application/json" })
        response.flushHeaders()
      },
      stream,
      true
    )
    expectRefusal(found, { status: 504, code: "provider_timeout" })
    await upstream.requests.at(-1)!.aborted
  })

  it("an endless body: 502 at a bound", async () => {
    const spaces = Buffer.alloc(1 << 20, 0x20)
    const found = await asked((response) => {
      response.writeHead(200, { "content-type": "application/json" })
      response.write(`{"id":`)
      pour(response, spaces)
    }, stream)
    expectRefusal(found, { status: 502, code: "provider_invalid_response", says: /bytes/ })
    await upstream.requests.at(-1)!.aborted
  }, 60_000)

  it("no connection: 502", async () => {
    const found = await ask(gateway.url, { ...body(stream), model: "gone/gpt-test" })
    expect(found.status).toBe(502)
    expect(found.json).toMatchObject({
      error: { code: "provider_unreachable", message: expect.stringContaining("gone") as string }
    })
  })
})

/** Writes the same bytes until the other side hangs up. */
const pour = (response: ServerResponse, bytes: Buffer): void => {
  if (response.destroyed) return
  if (response.write(bytes)) setImmediate(pour, response, bytes)
  else response.once("drain", () => pour(response, bytes))
}

describe("whatever a caller wanted", () => {
  it("whole, a stream is read to its end", async () => {
    const found = await asked(send(200, eventStream, chatEvents(["Hello ", "there."]).join("")), false)
    expect(found.json).toMatchObject({
      choices: [{ message: { content: "Hello there." }, finish_reason: "stop" }],
      usage: { prompt_tokens: 9, completion_tokens: 3 }
    })
  })

  it("whole, a stream that breaks off is an error with its status", async () => {
    const found = await asked(send(200, eventStream, chatEvents(["Hello ", "there."]).slice(0, 2).join("")), false)
    expectRefusal(found, { status: 502, code: "stream_truncated" })
  })

  it("streamed, a whole answer is streamed", async () => {
    const found = await asked(sendJson(200, chatCompletion("Hello there.")), true)
    const events = eventsOf(found.text)
    expect(textOf(events)).toBe("Hello there.")
    expect(events.at(-1)).toBe("[DONE]")
  })

  it("streamed, events under another type are read", async () => {
    const found = await asked(send(200, { "content-type": "text/plain" }, chatEvents(["Hello."]).join("")), true)
    expect(textOf(eventsOf(found.text))).toBe("Hello.")
  })
})

describe("a stream that fails before its first part has a real status", () => {
  const opening = event(chatChunk({ role: "assistant", content: "" }))
  it.each<[string, string, Refusal]>([
    ["no event", "", { status: 502, code: "stream_truncated" }],
    ["only comments", ": ping\n\n: ping\n\n", { status: 502, code: "stream_truncated" }],
    ["only [DONE]", done, { status: 502, code: "stream_truncated" }],
    ["only a role", opening, { status: 502, code: "stream_truncated" }],
    ["an error as its first event", event(failure), { status: 502, code: "provider_server_error" }],
    ["an error after the role", opening + event(failure), { status: 502, code: "provider_server_error" }],
    [
      "a named error event",
      `event: error\n${event({ message: "overloaded", type: "overloaded_error" })}`,
      { status: 529, code: "provider_overloaded" }
    ],
    [
      "a rate limit as its first event",
      event({ error: { message: "slow down", code: 429 } }),
      { status: 429, code: "rate_limit_exceeded", retryAfter: "1" }
    ],
    ["an event that is no JSON", "data: {oops\n\n", { status: 502, code: "provider_invalid_response" }]
  ])("%s", async (_, text, refusal) => {
    expectRefusal(await asked(send(200, eventStream, text), true), refusal)
  })

  it("a reset", async () => {
    expectRefusal(await asked(breakOff(eventStream, opening), true), { status: 502, code: "stream_truncated" })
  })

  it("comments for ever: 504 after its timeout", async () => {
    const found = await asked(
      (response) => {
        response.writeHead(200, eventStream)
        drip(response, ": ping\n\n")
      },
      true,
      true
    )
    expectRefusal(found, { status: 504, code: "provider_timeout" })
    await upstream.requests.at(-1)!.aborted
  })

  it("a line without an end: 502 at a bound", async () => {
    const found = await asked((response) => {
      response.writeHead(200, eventStream)
      response.write("data: ")
      pour(response, Buffer.alloc(1 << 20, 0x61))
    }, true)
    expectRefusal(found, { status: 502, code: "provider_invalid_response" })
  })
})

/** Writes the same text for ever, slowly enough for others. */
const drip = (response: ServerResponse, text: string): void => {
  if (response.destroyed) return
  response.write(text)
  setTimeout(drip, 5, response, text)
}

describe("a stream that fails after its first part ends with an error and neither finish_reason nor [DONE]", () => {
  const begun = chatEvents(["Hello ", "there."]).slice(0, 3).join("")
  const later =
    (then: (response: ServerResponse) => void): Respond =>
    (response) => {
      response.writeHead(200, eventStream)
      response.write(begun, () => setImmediate(then, response))
    }
  it.each<[string, (response: ServerResponse) => void, string]>([
    ["an error event", (response) => void response.end(event(failure)), "provider_server_error"],
    ["a reset", reset, "stream_truncated"],
    ["an end", (response) => void response.end(), "stream_truncated"],
    ["[DONE] in the middle of a chunk", (response) => void response.end(`data: {"choices":[{"del`), "stream_truncated"],
    ["an event that is no JSON", (response) => void response.end("data: <html>\n\n"), "provider_invalid_response"],
    ["silence", () => undefined, "stream_stalled"],
    ["comments for ever", (response) => drip(response, ": ping\n\n"), "stream_stalled"],
    [
      "endless text",
      (response) => pour(response, Buffer.from(event(chatChunk({ content: "x".repeat(1 << 19) })))),
      "provider_invalid_response"
    ]
  ])(
    "%s",
    async (name, then, code) => {
      const waits = name === "silence" || name === "comments for ever"
      const found = await asked(later(then), true, waits)
      expect(found.status).toBe(200)
      const events = eventsOf(found.text)
      expect(textOf(events).startsWith("Hello there.")).toBe(true)
      expect(events.at(-1)).toMatchObject({ error: { code, message: expect.stringContaining("up") as string } })
      expect(events.filter((each) => each === "[DONE]" || each.choices?.[0]?.finish_reason != null)).toEqual([])
      expect(found.text).not.toContain(canaryKey)
    },
    60_000
  )
})

describe("a paused provider", () => {
  it("answers 429 with a Retry-After that counts down, without being asked again", async () => {
    const found = await asked(sendJson(429, failure, { "retry-after": "100" }), false)
    expect(found.headers.get("retry-after")).toBe("100")
    const before = upstream.requests.length
    upstream.respond = answer("Back.")
    await gateway.later("10 seconds")
    const paused = await ask(gateway.url, body(false))
    expect(paused.status).toBe(429)
    expect(paused.headers.get("retry-after")).toBe("90")
    await gateway.later("50.5 seconds")
    const streamed = await ask(gateway.url, body(true))
    expect(streamed.headers.get("retry-after")).toBe("40")
    expect(streamed.json).toMatchObject({ error: { type: "rate_limit_error", code: "rate_limit_exceeded" } })
    expect(upstream.requests.length).toBe(before)
    await gateway.later("40 seconds")
    expect((await ask(gateway.url, body(false))).status).toBe(200)
  })
})

describe("a caller who leaves", () => {
  it.each([
    ["before the headers", () => undefined],
    ["before the first part", (response: ServerResponse) => response.writeHead(200, eventStream).flushHeaders()],
    [
      "in the middle of a stream",
      (response: ServerResponse) =>
        void response.writeHead(200, eventStream).write(chatEvents(["Hello "]).slice(0, 2).join(""))
    ]
  ] as ReadonlyArray<[string, Respond]>)("%s closes the provider's connection", async (name, respond) => {
    upstream.respond = respond
    const came = upstream.next()
    const leave = new AbortController()
    const answered = post(gateway.url, body(true), { signal: leave.signal })
    const { aborted } = await came
    if (name === "in the middle of a stream") await (await answered).body!.getReader().read()
    leave.abort()
    await answered.catch(() => undefined)
    await aborted
    const status = await idle(gateway)
    expect(status.providers[0]!.active).toBe(0)
  })
})
