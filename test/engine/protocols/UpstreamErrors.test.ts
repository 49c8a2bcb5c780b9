import { Redacted, Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { anthropicMessages } from "../../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../../engine/src/protocols/OpenAiResponses.ts"
import * as UpstreamErrors from "../../../engine/src/protocols/UpstreamErrors.ts"
import { apiKey, endpointOf, readText, sse } from "./Samples.ts"

const from = (status: number, body: unknown, headers: { [name: string]: string } = {}) =>
  UpstreamErrors.fromResponse(status, headers, typeof body === "string" ? body : JSON.stringify(body), endpointOf())

const error = (message: string, rest: object = {}) => ({ error: { message, ...rest } })

describe("fromResponse", () => {
  it.each([
    [401, error("no"), "ProviderAuthFailed"],
    [403, error("no"), "ProviderAuthFailed"],
    [400, error("API key not valid. Please pass a valid API key."), "ProviderAuthFailed"],
    [402, error("no"), "ProviderQuotaExceeded"],
    [429, error("no"), "ProviderRateLimited"],
    [429, error("no", { code: "insufficient_quota" }), "ProviderQuotaExceeded"],
    [429, error("no", { type: "exceeded_current_quota_error" }), "ProviderQuotaExceeded"],
    [400, error("Your credit balance is too low to access the API"), "ProviderQuotaExceeded"],
    [413, error("TPM", { type: "tokens", code: "rate_limit_exceeded" }), "ProviderRateLimited"],
    [503, error("busy"), "ProviderOverloaded"],
    [529, error("busy", { type: "overloaded_error" }), "ProviderOverloaded"],
    [500, error("busy", { type: "overloaded_error" }), "ProviderOverloaded"],
    [500, error("oops"), "ProviderServerError"],
    [502, "<html><body>Bad gateway</body></html>", "ProviderServerError"],
    [524, "", "ProviderServerError"],
    [408, error("slow"), "ProviderServerError"],
    [400, error("no", { code: "content_filter" }), "ContentFiltered"],
    [400, error("no", { code: "content_policy_violation" }), "ContentFiltered"],
    [302, "", "ProviderInvalidResponse"]
  ])("maps HTTP %i %j to %s and keeps the status", (status, body, tag) => {
    expect(from(status, body)).toMatchObject({ _tag: tag, upstreamStatus: status, provider: "sample" })
  })

  it.each([
    [400, error("bad field"), "invalid_request"],
    [422, { detail: [{ msg: "Extra inputs are not permitted" }] }, "invalid_request"],
    [404, error("no such model"), "not_found"],
    [413, error("large"), "request_too_large"],
    [400, error("x", { code: "context_length_exceeded" }), "context_length"],
    [400, error("prompt is too long: 3333404 tokens > 200000 maximum"), "context_length"],
    [400, error("This model's maximum context length is 8192 tokens."), "context_length"],
    [400, error("x", { type: "exceed_context_size_error" }), "context_length"]
  ])("maps HTTP %i %j to a rejection of kind %s, which no retry repeats", (status, body, kind) => {
    expect(from(status, body)).toMatchObject({ _tag: "RequestRejected", kind, retryable: false, fault: "caller" })
  })

  it("keeps type, code, message and the wait", () => {
    expect(
      from(429, error("slow down", { type: "tokens", code: "rate_limit_exceeded" }), { "retry-after-ms": "5120" })
    ).toMatchObject({ detail: "slow down", type: "tokens", code: "rate_limit_exceeded", retryAfterMs: 5120 })
  })

  it.each([
    [{ error: "plain text" }, "plain text"],
    [{ message: "bare" }, "bare"],
    [{ detail: "fastapi" }, "fastapi"],
    [[{ error: { message: "in an array" } }], "in an array"],
    [{ message: { detail: [1] } }, '{"detail":[1]}'],
    [
      error("Provider returned error", { metadata: { raw: "upstream said no" } }),
      "Provider returned error: upstream said no"
    ],
    [
      error("Provider returned error", { metadata: { raw: '{"error":{"message":"inner"}}' } }),
      "Provider returned error: inner"
    ],
    ["Too many requests", "HTTP 500: Too many requests"]
  ])("finds the message in %j", (body, detail) => {
    expect(from(500, body)).toMatchObject({ detail })
  })

  it("never quotes HTML and says what came instead", () => {
    expect(from(502, "<!DOCTYPE html><title>secret page</title>")).toMatchObject({
      detail: "HTTP 502 with an HTML page"
    })
    expect(from(500, error("<html><body>secret</body></html>"))).toMatchObject({ detail: "an HTML page" })
    expect(from(500, "")).toMatchObject({ detail: "HTTP 500 with an empty body" })
    expect(from(500, '{"cut":')).toMatchObject({ detail: "HTTP 500 without a message" })
  })

  it("lets no key through that a provider echoes", () => {
    const echoes = [
      `Incorrect API key provided: ${apiKey}.`,
      "Incorrect API key provided: sk-proj-abcdefghijkl1234. You can find…",
      "Incorrect API key provided: sk-inval****-key.",
      "header was Authorization: Bearer abc.def-ghi",
      "key AIzaSyA1234567890abcdefghijk is not valid",
      "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc is expired",
      "subscription 0123456789abcdef0123456789abcdef is blocked",
      "token Zk3abcdefghijklmnopqrstuvwxyz0123456789abcdefGH is blocked"
    ]
    for (const echo of echoes) {
      const found = JSON.stringify(from(400, error(echo, { code: echo, type: echo })))
      expect(found, echo).toContain("[redacted]")
      expect(found).not.toMatch(/canary|abcdefghijk|sk-inval|abc\.def|AIza|eyJ|0123456789abcdef/)
    }
  })

  it("lets no half key through where a long text is cut", () => {
    const long = `${"eyJhbGciOiJI".padEnd(990, "x")}.a `.repeat(4)
    for (let shift = 0; shift < 60; shift++) {
      const echo = `${long.slice(shift)}${apiKey} and ${"more ".repeat(100)}`
      expect(JSON.stringify(from(400, error(echo)))).not.toMatch(/canary/)
    }
  })

  it("leaves ordinary words and links alone", () => {
    const text =
      "See https://platform.openai.com/docs/guides/function-calling#models for gpt-5.4-mini (max_completion_tokens)."
    expect(UpstreamErrors.scrub(text, Redacted.make("sk"))).toBe(text)
  })

  it("bounds every text at 500 characters on one line, whatever comes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 999 }),
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 2000 }),
          fc.json(),
          fc.json().map((json) => `{"error":${json}}`)
        ),
        fc.dictionary(fc.string(), fc.string()),
        (status, body, headers) => {
          const found = UpstreamErrors.fromResponse(status, headers, body, endpointOf())
          const { detail = "", message } = found as { detail?: string; message: string }
          expect(detail.length).toBeLessThanOrEqual(500)
          expect(detail).not.toMatch(/[\n\r\0]/)
          expect(detail.isWellFormed()).toBe(true)
          expect(message).not.toContain(apiKey)
        }
      )
    )
  })

  it("takes time by the length of a text and not by what is in it", () => {
    for (const unit of ["a-", "_-", "a1-", "sk-", "eyJ.", "Bearer ", "<", " "]) {
      const before = process.threadCpuUsage().user
      for (let run = 0; run < 10; run++) UpstreamErrors.scrub(unit.repeat(100_000), undefined)
      const microseconds = (process.threadCpuUsage().user - before) / 10
      expect(microseconds, unit).toBeLessThan(10_000)
    }
  })

  it("survives nesting that can be parsed but not written", () => {
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`
    expect(from(500, `{"error":{"message":${deep}}}`)).toMatchObject({ _tag: "ProviderServerError" })
  })
})

describe("fromPayload", () => {
  it.each([
    [{ type: "error", error: { type: "overloaded_error", message: "x" } }, "ProviderOverloaded", undefined],
    [{ type: "error", error: { type: "rate_limit_error", message: "x" } }, "ProviderRateLimited", undefined],
    [{ type: "error", error: { type: "api_error", message: "x" } }, "ProviderServerError", undefined],
    [error("x", { type: "invalid_request_error" }), "RequestRejected", undefined],
    [error("x", { code: 502 }), "ProviderServerError", 502],
    [error("x", { code: 503 }), "ProviderOverloaded", 503],
    [error("x", { code: "429" }), "ProviderRateLimited", 429],
    [{ error: "plain" }, "ProviderServerError", undefined],
    [error("x", { code: "content_filter", status: 400 }), "ContentFiltered", 400],
    [{}, "ProviderServerError", undefined]
  ])("reads %j by its words and by the status it states", (payload, tag, upstreamStatus) => {
    expect(UpstreamErrors.fromPayload(payload, endpointOf())).toMatchObject({ _tag: tag, upstreamStatus })
  })

  it("keeps the status of the answer when told so", () => {
    expect(UpstreamErrors.fromPayload(error("x", { code: 502 }), endpointOf(), 200)).toMatchObject({
      upstreamStatus: 200,
      code: "502"
    })
  })
})

describe("shapes of errors in use", () => {
  it.each([
    ["an error inside an error", { error: { error: { message: "It is bad.", code: "bad" } } }],
    ["a text inside an error", { error: { error: "It is bad." } }],
    ["a list of errors", { errors: [{ message: "It is bad.", code: "bad" }] }],
    ["a list of texts", { errors: ["It is bad."] }],
    ["a list under error", { error: [{ message: "It is bad." }] }],
    ["AWS", { Message: "It is bad.", __type: "ValidationException" }],
    ["Apigee", { fault: { faultstring: "It is bad.", detail: { errorcode: "x" } } }],
    ["a message under a name of its own", { error_message: "It is bad." }]
  ])("the message of %s is found", (_, body) => {
    expect(from(400, body)).toMatchObject({
      _tag: "RequestRejected",
      detail: "It is bad."
    })
  })

  it("errors nested without end are read without harm", () => {
    const deep = `${'{"error":'.repeat(50_000)}1${"}".repeat(50_000)}`
    expect(from(500, deep)._tag).toBe("ProviderServerError")
  })
})

describe("a failure where an answer was due", () => {
  const protocols = { anthropicMessages, gemini, openAiChat, openAiResponses }

  it.each(Object.entries(protocols))("of %s is one in any shape, whole and streamed", (_, protocol) => {
    for (const body of [
      { message: "It is bad.", code: 500 },
      { detail: "It is bad." },
      { errors: [{ message: "It is bad." }] },
      { error: { error: { message: "It is bad." } } },
      { object: "error", message: "It is bad.", code: 500 }
    ]) {
      const whole = Result.getOrThrow(Result.flip(protocol.decodeWhole(JSON.stringify(body), endpointOf())))
      expect(whole).toMatchObject({ _tag: "ProviderServerError", detail: "It is bad." })
      expect(readText(protocol, sse(body)).error).toMatchObject({ _tag: "ProviderServerError", detail: "It is bad." })
    }
    const listed = JSON.stringify([{ error: { code: 503, message: "It is full.", status: "UNAVAILABLE" } }])
    const full = { _tag: "ProviderOverloaded", detail: "It is full." }
    expect(Result.getOrThrow(Result.flip(protocol.decodeWhole(listed, endpointOf())))).toMatchObject(full)
  })
})
