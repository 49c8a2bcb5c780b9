/**
 * Citations and log probabilities of an answer in every inbound dialect: what is written, whole or streamed, is read back by our
 * own reader of that dialect, and the two agree. Citations of another provider's answer are not given to Anthropic.
 */
import { Result } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Call, makeCall } from "../../engine/src/Call.ts"
import { chatDialect } from "../../engine/src/gateway/ChatAnswer.ts"
import type { InboundDialect } from "../../engine/src/gateway/Dialect.ts"
import { geminiDialect } from "../../engine/src/gateway/GeminiAnswer.ts"
import { messagesDialect } from "../../engine/src/gateway/MessagesAnswer.ts"
import { ResponseMemory } from "../../engine/src/gateway/ResponseMemory.ts"
import { responsesDialect } from "../../engine/src/gateway/ResponsesAnswer.ts"
import { anthropicMessages } from "../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../engine/src/protocols/OpenAiResponses.ts"
import type { Protocol } from "../../engine/src/protocols/Protocol.ts"
import * as Reply from "../../engine/src/Reply.ts"
import * as Usage from "../../engine/src/Usage.ts"
import { endpointOf, readText, requestOf } from "../engine/protocols/Samples.ts"
import { checkMessages, checkResponses, namedEvents, postTo } from "../support/dialects.ts"
import { type Doors, last, openDoors } from "../support/doors.ts"
import { chatCompletion, sendJson } from "../support/upstream.ts"

const clock = { currentTimeMillisUnsafe: () => 1_760_000_000_000 } as Call["clock"]

const callOf = (stream: boolean): Call =>
  makeCall({ ...requestOf({ prompt: "hi", model: "m" }), stream, id: "req_sample" }, clock)

const address: Reply.Citation = { url: "https://a.example", title: "A", quote: "so it says", start: 3, end: 7 }
const file: Reply.Citation = { source: "file-1", title: "a.pdf", quote: "page one", start: 0, end: 2 }
const token: Reply.TokenLogprob = { token: "Ja", logprob: -0.5, top: [{ token: "Nö", logprob: -1 }] }

const answer: Reply.Completion = {
  id: "resp_1",
  model: "drawn",
  content: [
    { type: "text", text: "Jä ßtop", citations: [address, file], logprobs: [token] },
    { type: "tool-call", id: "c", name: "f", arguments: "{}" }
  ],
  finishReason: "tool-calls",
  rawFinishReason: "tool_calls",
  usage: { ...Usage.zero, uncachedInput: 1, output: 2 }
}

interface Sample {
  readonly dialect: InboundDialect
  readonly protocol: Protocol
  /** What the dialect can say of them. */
  readonly citations: ReadonlyArray<Reply.Citation>
  readonly logprobs: boolean
}

const { quote: _, ...unquoted } = address
const samples: ReadonlyArray<Sample> = [
  { dialect: chatDialect, protocol: openAiChat, citations: [address], logprobs: true },
  {
    dialect: responsesDialect(new ResponseMemory(() => 0)),
    protocol: openAiResponses,
    citations: [unquoted, { source: "file-1", title: "a.pdf" }],
    logprobs: true
  },
  {
    dialect: messagesDialect,
    protocol: anthropicMessages,
    citations: [
      { ...address, start: 0, end: 7 },
      { ...file, start: 0, end: 7 }
    ],
    logprobs: false
  },
  {
    dialect: geminiDialect({ model: "m", stream: true, sse: true }),
    protocol: gemini,
    citations: [unquoted, file],
    logprobs: true
  }
]

const bare = (completion: Reply.Completion): ReadonlyArray<Reply.Citation> =>
  Reply.citationsOf(completion).map(({ raw: _, ...citation }) => citation)

describe.each(samples.map((sample) => [sample.protocol.dialect, sample] as const))("%s", (_, sample) => {
  const { citations, dialect, logprobs, protocol } = sample

  it("carries citations and log probabilities, whole and streamed alike", () => {
    const whole = Result.getOrThrow(protocol.decodeWhole(dialect.encodeWhole(callOf(false), answer), endpointOf()))
    expect(bare(whole)).toEqual(citations)
    expect(Reply.logprobsOf(whole)).toEqual(logprobs ? [token] : [])
    const encoder = dialect.encodeStream!(callOf(true))
    const text =
      Reply.toParts(answer)
        .map((part) => encoder.part(part))
        .join("") + encoder.end()
    const { completion, error } = readText(protocol, text)
    expect(error).toBeUndefined()
    expect(bare(completion)).toEqual(citations)
    expect(Reply.logprobsOf(completion)).toEqual(logprobs ? [token] : [])
    expect(Reply.textOf(completion)).toBe("Jä ßtop")
  })

  it("writes a citation of its own dialect as its provider wrote it", () => {
    const value =
      protocol.dialect === "gemini"
        ? { web: { uri: "https://a.example", title: "A", domain: "a.example" } }
        : { own: "form" }
    const cited = { url: "https://a.example", raw: { dialect: protocol.dialect, value } }
    const text = dialect.encodeWhole(callOf(false), {
      ...answer,
      content: [{ type: "text", text: "Ja", citations: [cited] }]
    })
    expect(text).toContain(JSON.stringify(value))
  })

  it("survives citations that come after their text, and before any", () => {
    const parts = Reply.toParts(answer)
    const citation: Reply.Part = { type: "citation", citation: address }
    for (const at of [1, parts.length - 1]) {
      const encoder = dialect.encodeStream!(callOf(true))
      const text =
        parts
          .toSpliced(at, 0, citation)
          .map((part) => encoder.part(part))
          .join("") + encoder.end()
      if (protocol === openAiResponses) checkResponses(namedEvents(text))
      if (protocol === anthropicMessages) checkMessages(namedEvents(text))
      const { completion } = readText(protocol, text)
      expect(Reply.textOf(completion)).toBe("Jä ßtop")
      // Anthropic's citations belong to a block that is open; none is after the call.
      const late = protocol === anthropicMessages && at > 1
      const distinct = protocol === gemini ? citations.length : citations.length + 1
      expect(Reply.citationsOf(completion).length).toBeGreaterThanOrEqual(late ? citations.length : distinct)
    }
  })
})

describe("through the gateway", () => {
  let doors: Doors
  beforeAll(async () => {
    doors = await openDoors()
  })
  afterAll(() => doors.close())

  it("citations of another provider are taken out before Anthropic sees them, and reported", async () => {
    const annotations = [
      { type: "url_citation", url_citation: { url: "https://a.example", title: "A", start_index: 0, end_index: 2 } }
    ]
    const { choices, ...rest } = chatCompletion("hi")
    doors.compatible.respond = sendJson(200, {
      ...rest,
      choices: [{ ...choices[0], message: { role: "assistant", content: "hi", annotations } }]
    })
    const ask = (model: string, ...turns: ReadonlyArray<object>) =>
      postTo(`${doors.gateway.url}/v1/messages`, {
        model,
        max_tokens: 100,
        messages: [{ role: "user", content: "a" }, ...turns]
      })
    const first = await ask("compatible/m")
    expect(first.json.content[0].citations).toMatchObject([
      { type: "web_search_result_location", url: "https://a.example" }
    ])
    const own = { type: "char_location", cited_text: "x", document_index: 0, start_char_index: 0, end_char_index: 1 }
    const content = [{ ...first.json.content[0], citations: [...first.json.content[0].citations, own] }]
    doors.anthropic.respond = sendJson(200, {
      id: "msg",
      type: "message",
      role: "assistant",
      model: "m",
      content: [{ type: "text", text: "ok" }],
      stop_reason: "end_turn",
      usage: { input_tokens: 1, output_tokens: 1 }
    })
    const second = await ask("anthropic/m", { role: "assistant", content }, { role: "user", content: "b" })
    expect(last(doors.anthropic).json["messages"][1].content).toEqual([{ type: "text", text: "hi", citations: [own] }])
    expect(second.headers.get("x-millrace-omitted")).toContain("messages[1].content[0].citations")
  })

  it("a method that Gemini has and the gateway has not is 404", async () => {
    const response = await fetch(`${doors.gateway.url}/v1beta/models/m:predictLongRunning`, {
      method: "POST",
      body: "{}"
    })
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: { code: 404, status: "NOT_FOUND" } })
  })
})
