import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { gunzipSync } from "node:zlib"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { fingerprintOf, messageLengthMax, messageOf, normalised } from "../../engine/src/ErrorGroups.ts"
import {
  CircuitOpen,
  ContextWindowExceeded,
  InternalError,
  InvalidRequest,
  ModelNotFound,
  ProviderQuotaExceeded,
  ProviderServerError,
  RateLimitExceeded,
  RequestRejected
} from "../../engine/src/Errors.ts"
import type { Message } from "../../engine/src/Request.ts"
import { canaryKey } from "../support/canary.ts"

const target = { provider: "openai", model: "gpt-5.4-mini" }
const nothing = { messages: [], embed: undefined }
const asked = (...contents: ReadonlyArray<Message["content"]>) => ({
  messages: contents.map((content): Message => ({ role: "user", content })),
  embed: undefined
})

describe("a message", () => {
  it.each([
    // Wordings of OpenAI, Anthropic, Google, llama.cpp and vLLM.
    ["invalid x-api-key", "invalid x-api-key"],
    ["Overloaded", "Overloaded"],
    ["prompt is too long: 3333404 tokens > 200000 maximum", "prompt is too long: # tokens # maximum"],
    [
      "The model `llama-3.3-70b-versatlie` does not exist or you do not have access to it.",
      "The model … does not exist or you do not have access to it."
    ],
    [
      "Incorrect API key provided: sk-wrong****-key. You can find your API key at https://platform.openai.com/account/api-keys.",
      "Incorrect API key provided: … You can find your API key at …"
    ],
    [
      "models/gemini-3.6-flahs is not found for API version v1beta, or is not supported for generateContent.",
      "… is not found for API version #, or is not supported for …"
    ],
    [
      "request (2009 tokens) exceeds the available context size (512 tokens), try increasing it",
      "request # tokens exceeds the available context size # tokens, try increasing it"
    ],
    [
      "Rate limit reached for gpt-5 in organization org-a1B2 on tokens per min: Limit 30000, Used 29999.",
      "Rate limit reached for … on tokens per min: Limit #, Used #."
    ]
  ])("%s keeps the words in which APIs speak of errors", (text, message) => {
    expect(normalised(text, [])).toBe(message)
  })

  it.each([
    "mail bob.smith@example.com for access",
    "https://api.example.com/v1?key=hunter2&user=bob",
    "550e8400-e29b-41d4-a716-446655440000",
    "deadbeefcafe0123456789abcdef0123",
    '"my secret is hunter2"',
    "'my secret is hunter2",
    "`rm -rf hunter2`",
    "“hunter2”",
    "Bearer hunter2",
    "kennedy street in Dallas",
    "我的密码是什么",
    "<b>hunter2</b>"
  ])("has nothing of %s", (text) => {
    for (const whole of [text, `bad request: ${text}`, `The value ${text} is not allowed for this model`]) {
      expect(normalised(whole, [])).not.toMatch(
        /hunter|bob|smith|example|550|dead|cafe|secret|kennedy|street|dallas|密|http|rm/i
      )
    }
  })

  it("leaves out what also stands in the prompt, also where its words are those of errors", () => {
    const prompt = "Please reduce the length of the messages after the request failed"
    const error = (detail: string) => new ProviderServerError({ ...target, detail })
    expect(messageOf(error(`Invalid input: ${prompt.toUpperCase()} is not allowed here`), asked(prompt))).toBe(
      "… is not allowed …"
    )
    expect(messageOf(error(`${prompt} The server is not available`), asked(prompt))).toBe(
      "… The server is not available"
    )
    expect(messageOf(error("Please reduce the length of the messages"), asked("Hello"))).toBe(
      "Please reduce the length of the messages"
    )
    const result = { type: "tool-result", id: "1", content: [{ type: "text", text: prompt }] } as const
    for (const request of [
      asked([result]),
      asked([{ ...result, content: prompt }]),
      { messages: [], embed: { input: [prompt], dimensions: undefined } }
    ]) {
      expect(messageOf(error(prompt), request)).toBe("")
    }
  })

  it("with unknown words is dropped where the prompt is too long to be looked through", () => {
    const long = asked("word ".repeat(20_000))
    const error = (detail: string) => new RequestRejected({ ...target, kind: "context_length", detail })
    expect(messageOf(error("prompt is too long: 20001 tokens > 20000 maximum"), long)).toBe(
      "prompt is too long: # tokens # maximum"
    )
    expect(messageOf(error("please reduce the length of this Kennedy"), long)).toBe("")
  })

  it("begins with the code of the provider, where that is one", () => {
    const error = (code: string, detail = "You exceeded your current quota") =>
      messageOf(new ProviderQuotaExceeded({ ...target, detail, code }), nothing)
    expect(error("insufficient_quota")).toBe("insufficient_quota: You exceeded your current quota")
    expect(error(canaryKey)).toBe("You exceeded your current quota")
    expect(error("hunter2", "hunter2")).toBe("")
    expect(messageOf(new ProviderServerError({ ...target, detail: "", type: "server_error" }), nothing)).toBe(
      "server_error"
    )
  })

  it("of a refusal is the same whatever its numbers are", () => {
    for (const waitMs of [1, 20, 34_567]) {
      const error = new RateLimitExceeded({
        limit: "requests per minute",
        detail: `waited ${waitMs} ms for room (queue.maxWait)`
      })
      expect(messageOf(error, nothing)).toBe("waited # ms for room queue.maxWait")
    }
    expect(messageOf(new CircuitOpen(target), nothing)).toBe("… is paused after too many failures circuit open")
  })

  it("of an error of ours names nothing of the caller's", () => {
    expect(messageOf(new ModelNotFound({ model: "hunter2" }), nothing)).toBe("… is not known …")
    expect(messageOf(new InvalidRequest({ field: "hunter2", detail: "expected text, got hunter2" }), nothing)).toBe(
      "expected text, got …"
    )
    expect(messageOf(new InternalError({ detail: "please try again later" }), nothing)).toBe("")
    const exceeded = { ...target, countedTokens: 9000, requestedTokens: 100, allowedTokens: 8000 }
    expect(messageOf(new ContextWindowExceeded(exceeded), nothing)).toBe(
      "the prompt has # tokens and # were requested for the answer, but … allows # in all"
    )
  })

  const word = fc.stringMatching(/^[a-z]{3,12}$/)
  const key = fc.oneof(
    fc.stringMatching(/^sk-[A-Za-z0-9_-]{8,60}$/),
    fc.stringMatching(/^[a-f0-9]{16,64}$/),
    fc.base64String({ minLength: 16, maxLength: 80 }),
    fc.uuid(),
    fc.emailAddress(),
    fc.webUrl({ withQueryParameters: true })
  )
  const phrase = fc.array(
    fc.oneof(word, fc.constantFrom("please", "the", "model", "is", "not", "request", "limit", "7", "30,000")),
    {
      minLength: 1,
      maxLength: 30
    }
  )
  /** Ways in which a text gets into a message of a provider. */
  const echo = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => `Invalid value: ${text}`,
    (text) => `The prompt "${text}" was rejected by the content filter`,
    (text) => `The prompt '${text}' was rejected by the content filter`,
    (text) => `bad request for ${text} in this model, please try again`,
    (text) => JSON.stringify({ error: { message: text } }),
    (text) => `invalid request: ${text}`.slice(0, 60),
    (text) => `model not found (${text})`,
    (text) => `${text}: ${text}`
  )
  /** The words of the prompt in rows of three, as they stand in it. */
  const rows = (words: ReadonlyArray<string>) =>
    words
      .filter((each) => !/\d/.test(each))
      .map((_, index, all) => ` ${all.slice(index, index + 3).join(" ")} `)
      .slice(0, -2)

  it("has no row of three words of any prompt, no digit, no key, and is bounded", () => {
    fc.assert(
      fc.property(phrase, key, echo, (said, secret, inside) => {
        const prompt = said.join(" ")
        const message = normalised(inside(`${prompt} ${secret} ${prompt}`), [prompt])
        const plain = ` ${message.replaceAll(/[^a-z]+/gi, " ").toLowerCase()} `
        for (const row of rows(said)) expect(plain).not.toContain(row)
        expect(message).not.toMatch(/\d/)
        expect(message).not.toContain(secret)
        expect(message.length).toBeLessThanOrEqual(messageLengthMax)
      }),
      { numRuns: 1000 }
    )
  })

  it("has nothing but words of errors, whatever the text", () => {
    const allowed = new Set<string>()
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "grapheme", maxLength: 700 }),
          fc.array(key).map((keys) => keys.join(" "))
        ),
        (text) => {
          const message = normalised(text, [])
          for (const piece of message.split(" ")) allowed.add(piece)
          expect(message).toMatch(/^[A-Za-z_'’./ :,;!?#…-]*$/u)
        }
      ),
      { numRuns: 1000 }
    )
    expect([...allowed].every((piece) => piece.length < 20)).toBe(true)
  })

  it("is found in linear time", () => {
    for (const text of [
      "'".repeat(100_000),
      '"a'.repeat(50_000),
      "a@".repeat(50_000),
      "((((".repeat(20_000),
      "a.".repeat(50_000)
    ]) {
      const start = performance.now()
      normalised(text, [])
      expect(performance.now() - start).toBeLessThan(100)
    }
  })
})

const prompts = path.resolve(import.meta.dirname, "../../../shared/data/prompts/arena-hard.jsonl.gz")

describe.skipIf(!existsSync(prompts))("real prompts (../shared/data/prompts)", () => {
  it("leave no row of three words in a message that echoes them", () => {
    const lines = gunzipSync(readFileSync(prompts)).toString().trim().split("\n").slice(0, 500)
    for (const line of lines) {
      const prompt = String(Object.values(JSON.parse(line) as object).findLast((value) => typeof value === "string"))
      for (const detail of [
        prompt,
        `Invalid request: ${prompt}`,
        `the content ${prompt.slice(20)} was rejected by the server`
      ]) {
        const plain = (text: string) =>
          text
            .toLowerCase()
            .replaceAll(/[^a-z]+/g, " ")
            .trim()
        const said = ` ${plain(prompt)} `
        for (const run of normalised(detail, [prompt]).split("…")) {
          const words = plain(run).split(" ")
          const rows = words.slice(2).map((_, at) => ` ${words.slice(at, at + 3).join(" ")} `)
          expect(rows.filter((row) => said.includes(row))).toEqual([])
        }
      }
    }
  })
})

describe("a fingerprint", () => {
  const of = (detail: string, fields: object = {}) =>
    fingerprintOf({ kind: "RequestRejected", ...target, message: normalised(detail, []), ...fields })

  it("is the same for failures that differ in ids, numbers and quoted text", () => {
    const one = of("Rate limit reached for 'a' in req_1234: Limit 30, Used 29.")
    expect(one).toMatch(/^[0-9a-f]{16}$/)
    expect(of("Rate limit reached for 'bcd' in req_99ff: limit 70, used 7.")).toBe(one)
  })

  it("differs by kind, provider, model and wording", () => {
    const all = [
      of("invalid request"),
      of("invalid request", { kind: "ProviderServerError" }),
      of("invalid request", { provider: "anthropic" }),
      of("invalid request", { model: "o3" }),
      of("invalid request", { model: null }),
      of("invalid response")
    ]
    expect(new Set(all).size).toBe(all.length)
  })
})
