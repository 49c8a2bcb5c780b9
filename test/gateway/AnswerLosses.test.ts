/**
 * What an answer has and the caller's dialect can't say is never dropped in silence: whole answers name it in
 * `x-millrace-omitted`, streams under `x-millrace` in their last object, hits like the answer that they repeat. Callers of the
 * provider's own dialect get all of it and are told nothing. The official SDKs read past the mark.
 */
import { Result } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Call, makeCall } from "../../engine/src/Call.ts"
import { keyLength } from "../../engine/src/CacheKey.ts"
import { decodeRecord } from "../../engine/src/CacheRecord.ts"
import { lossesOf } from "../../engine/src/gateway/AnswerLosses.ts"
import { messagesDialect } from "../../engine/src/gateway/MessagesAnswer.ts"
import { anthropicMessages } from "../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../engine/src/protocols/OpenAiResponses.ts"
import type { Protocol } from "../../engine/src/protocols/Protocol.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import * as Usage from "../../engine/src/Usage.ts"
import { chatReader, geminiReader, messagesReader, type Reader, responsesReader } from "../conformance/SdkReaders.ts"
import { endpointOf, readText, requestOf } from "../engine/protocols/Samples.ts"
import { namedEvents, postTo } from "../support/dialects.ts"
import { startGateway, type TestGateway } from "../support/gateway.ts"
import {
  chatChunk,
  chatCompletion,
  chatUsage,
  done,
  event,
  eventStream,
  send,
  startUpstream
} from "../support/upstream.ts"
import type { TestUpstream } from "../support/upstream.ts"

const clock = { currentTimeMillisUnsafe: () => 1_760_000_000_000 } as Call["clock"]

interface Sample {
  readonly protocol: Protocol
  readonly whole: object
  readonly stream: string
  readonly omitted: ReadonlyArray<string>
}

const image = { type: "image_url", image_url: { url: "data:image/png;base64,aWNvbg==" } }
const sound = { id: "audio_1", data: "c291bmQ=", transcript: "Here.", expires_at: 1_760_000_000 }
const second = { index: 1, message: { role: "assistant", content: "There." }, finish_reason: "stop" }

const blocks: ReadonlyArray<object> = [
  { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "where" } },
  { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [] },
  { type: "server_tool_use", id: "srvtoolu_2", name: "bash_code_execution", input: {} },
  { type: "bash_code_execution_tool_result", tool_use_id: "srvtoolu_2", content: { type: "x" } },
  { type: "mcp_tool_use", id: "mcptoolu_1", name: "find", server_name: "s", input: {} },
  { type: "text", text: "Here.", citations: null }
]

const items: ReadonlyArray<object> = [
  { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "where" } },
  { type: "code_interpreter_call", id: "ci_1", status: "completed", code: "1", container_id: "c", outputs: null },
  { type: "image_generation_call", id: "ig_1", status: "completed", result: "aWNvbg==" },
  { type: "file_search_call", id: "fs_1", status: "completed", queries: [], results: null },
  { type: "mcp_call", id: "mcp_1", name: "find", server_label: "s", arguments: "{}", output: "" },
  { type: "computer_call", id: "cu_1", call_id: "c", status: "completed", action: {}, pending_safety_checks: [] },
  {
    type: "message",
    id: "msg_1",
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text: "Here.", annotations: [] }]
  }
]
const response = {
  id: "resp_1",
  object: "response",
  created_at: 1_760_000_000,
  status: "completed",
  model: "m",
  output: items,
  usage: { input_tokens: 9, output_tokens: 3, total_tokens: 12 }
}

const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [] as ReadonlyArray<object> }
const candidates = (parts: ReadonlyArray<object>, more: object = {}) => ({
  candidates: [{ index: 0, content: { role: "model", parts }, ...more }],
  modelVersion: "m",
  responseId: "r"
})
const made = [
  { executableCode: { language: "PYTHON", code: "1" } },
  { codeExecutionResult: { outcome: "OUTCOME_OK", output: "1" } },
  { inlineData: { mimeType: "image/png", data: "aWNvbg==" } },
  { inlineData: { mimeType: "audio/wav", data: "c291bmQ=" } }
]
const ending = { finishReason: "STOP", groundingMetadata: { webSearchQueries: ["where"] } }
const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 }

const typed = (data: { readonly type: string }): string => `event: ${data.type}\n${event(data)}`

const samples: { readonly [provider: string]: Sample } = {
  chat: {
    protocol: openAiChat,
    whole: {
      ...chatCompletion(""),
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Here.", audio: sound, images: [image] },
          finish_reason: "stop"
        },
        second
      ]
    },
    stream: [
      event(chatChunk({ role: "assistant", content: "He", audio: { id: "audio_1", data: "c2" } })),
      event({ ...chatChunk({}), choices: [{ index: 1, delta: { content: "There." }, finish_reason: null }] }),
      event(chatChunk({ content: "re.", images: [image] })),
      event(chatChunk({}, "stop")),
      event({ ...chatChunk({}), choices: [], usage: chatUsage }),
      done
    ].join(""),
    omitted: ["answer.audio", "answer.choices", "answer.image"]
  },
  responses: {
    protocol: openAiResponses,
    whole: response,
    stream: [
      { type: "response.created", response: { ...response, status: "in_progress", output: [] } },
      ...items.flatMap((item, index) => [
        { type: "response.output_item.added", output_index: index, item: { ...item, content: [] } },
        ...("content" in item
          ? [{ type: "response.output_text.delta", output_index: index, content_index: 0, delta: "Here." }]
          : []),
        { type: "response.output_item.done", output_index: index, item }
      ]),
      { type: "response.completed", response }
    ]
      .map(typed)
      .join(""),
    omitted: [
      "answer.code_execution",
      "answer.computer_use",
      "answer.file_search",
      "answer.image",
      "answer.mcp",
      "answer.web_search"
    ]
  },
  messages: {
    protocol: anthropicMessages,
    whole: { ...message, content: blocks, stop_reason: "end_turn", usage: { input_tokens: 9, output_tokens: 3 } },
    stream: [
      { type: "message_start", message: { ...message, usage: { input_tokens: 9, output_tokens: 1 } } },
      ...blocks.flatMap((block, index) => [
        { type: "content_block_start", index, content_block: block },
        { type: "content_block_stop", index }
      ]),
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } },
      { type: "message_stop" }
    ]
      .map(typed)
      .join(""),
    omitted: ["answer.code_execution", "answer.mcp", "answer.web_search"]
  },
  gemini: {
    protocol: gemini,
    whole: { ...candidates([...made, { text: "Here." }], ending), usageMetadata },
    stream: [...made.map((part) => candidates([part])), { ...candidates([{ text: "Here." }], ending), usageMetadata }]
      .map(event)
      .join(""),
    omitted: ["answer.audio", "answer.code_execution", "answer.image", "answer.web_search"]
  }
}

interface Caller {
  readonly path: (model: string, stream: boolean) => string
  readonly body: (model: string, stream: boolean) => object
  readonly reader: (url: string) => Reader
  /** The object of a stream that bears the mark. */
  readonly marked: (data: ReadonlyArray<any>) => any
}

const messages = [{ role: "user", content: "where?" }]
const callers: { readonly [dialect: string]: Caller } = {
  chat: {
    path: () => "/v1/chat/completions",
    body: (model, stream) => ({ model, stream, messages }),
    reader: (url) => chatReader(`${url}/v1`),
    marked: (data) => data.at(-1)
  },
  responses: {
    path: () => "/v1/responses",
    body: (model, stream) => ({ model, stream, input: "where?" }),
    reader: (url) => responsesReader(`${url}/v1`),
    marked: (data) => data.at(-1).response
  },
  messages: {
    path: () => "/v1/messages",
    body: (model, stream) => ({ model, stream, max_tokens: 100, messages }),
    reader: messagesReader,
    marked: (data) => data.find(({ type }) => type === "message_delta")
  },
  gemini: {
    path: (model, stream) => `/v1beta/models/${model}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: () => ({ contents: [{ role: "user", parts: [{ text: "where?" }] }] }),
    reader: geminiReader,
    marked: (data) => data.at(-1)
  }
}

const pairs = Object.keys(samples).flatMap((from) => Object.keys(callers).map((to) => [from, to] as const))

describe.each(Object.entries(samples))("a %s answer", (_, { omitted, protocol, stream, whole }) => {
  it("names what it left out, whole and streamed alike", () => {
    const completion = Result.getOrThrow(protocol.decodeWhole(JSON.stringify(whole), endpointOf()))
    const streamed = readText(protocol, stream)
    expect(streamed.error).toBeUndefined()
    expect(completion.omitted).toEqual(omitted)
    expect(streamed.completion.omitted).toEqual(omitted)
    expect(Reply.textOf(streamed.completion)).toBe("Here.")
    expect(JSON.stringify(completion.omitted)).not.toContain("find")
  })
})

it("fields that are there and empty are nothing that was left out", () => {
  const empty = {
    audio: { id: "", data: "", transcript: "", expires_at: 0 },
    function_call: { name: "", arguments: "" },
    images: [],
    executed_tools: null
  }
  const { choices, ...rest } = chatCompletion("Here.")
  const body = { ...rest, choices: [{ ...choices[0], message: { ...choices[0]!.message, ...empty } }] }
  const completion = Result.getOrThrow(openAiChat.decodeWhole(JSON.stringify(body), endpointOf()))
  expect(completion).not.toHaveProperty("omitted")
})

describe("through the gateway", () => {
  let gateway: TestGateway
  const upstreams: Array<TestUpstream> = []
  beforeAll(async () => {
    const start = async (name: string, kind: string, more: object = {}) => {
      const { stream, whole } = samples[name]!
      const upstream = await startUpstream((reply, request) =>
        request.json["stream"] === true || request.path.includes("stream")
          ? send(200, eventStream, stream)(reply, request)
          : send(200, { "content-type": "application/json" }, JSON.stringify(whole))(reply, request)
      )
      upstreams.push(upstream)
      return { name, kind, apiKey: "canary-key", models: ["m"], baseUrl: upstream.url, ...more }
    }
    gateway = await startGateway({
      providers: [
        await start("chat", "openai-compatible", { api: "chat" }),
        await start("responses", "openai", { api: "responses" }),
        await start("messages", "anthropic"),
        await start("gemini", "google")
      ] as never,
      retry: { maxAttempts: 1, maxDelay: 1000 }
    })
  })
  afterAll(async () => {
    await gateway.close()
    await Promise.all(upstreams.map((upstream) => upstream.close()))
  })

  const ask = async (to: string, model: string, stream: boolean) => {
    const caller = callers[to]!
    const url = `${gateway.url}${caller.path(model, stream)}`
    const answer = await postTo(url, caller.body(model, stream), {
      headers: { "x-millrace-cache-namespace": `${to}-${stream}` }
    })
    expect(answer.status, answer.text).toBe(200)
    const data = stream ? namedEvents(answer.text.replace(done, "")).map((event) => event.data) : []
    return {
      cache: answer.headers.get("x-millrace-cache"),
      header: answer.headers.get("x-millrace-omitted") ?? undefined,
      mark: stream ? caller.marked(data)["x-millrace"] : undefined,
      text: answer.text
    }
  }

  it.each(pairs)("%s answers tell callers of %s what they lack", async (from, to) => {
    const { omitted } = samples[from]!
    const lost = from === to ? undefined : omitted
    for (const cache of ["miss", "hit"]) {
      const whole = await ask(to, `${from}/m`, false)
      expect(whole).toMatchObject({ cache, header: lost?.join(", "), mark: undefined })
      const streamed = await ask(to, `${from}/m`, true)
      expect(streamed.cache).toBe(cache)
      expect(streamed.header).toBeUndefined()
      // A stream is kept without the provider's own events, so its hit lacks them in every dialect.
      expect(streamed.mark).toEqual(cache === "hit" || lost !== undefined ? { omitted } : undefined)
    }
  })

  it.each(pairs.filter(([from, to]) => from !== to))(
    "the SDK reads %s answers as a caller of %s, mark and all",
    async (from, to) => {
      const heard = await callers[to]!.reader(gateway.url).ask(`${from}/m`, true)
      expect(heard.text).toBe("Here.")
    }
  )

  it("a follower of a call is told what its own dialect lacks", async () => {
    const seen = upstreams[0]!.requests.length
    const body = { messages: [{ role: "user", content: "together" }] }
    const answers = await Promise.all(
      Array.from({ length: 3 }, () =>
        postTo(`${gateway.url}/v1/messages`, { ...body, model: "chat/m", max_tokens: 100 })
      )
    )
    expect(upstreams[0]!.requests.length).toBe(seen + 1)
    for (const { headers } of answers) {
      expect(headers.get("x-millrace-omitted")).toBe(samples["chat"]!.omitted.join(", "))
    }
  })

  it("a Chat stream says it beside its usage, or beside its finish reason where no usage was asked for", async () => {
    for (const include_usage of [true, false]) {
      const { text } = await postTo(`${gateway.url}/v1/chat/completions`, {
        ...callers["chat"]!.body("gemini/m", true),
        stream_options: { include_usage }
      })
      const chunks = namedEvents(text.replace(done, "")).map(({ data }) => data)
      expect(chunks.filter((chunk) => "x-millrace" in chunk)).toEqual([chunks.at(-1)])
      expect(chunks.at(-1)["x-millrace"]).toEqual({ omitted: samples["gemini"]!.omitted })
      expect(chunks.at(-1).usage !== undefined).toBe(include_usage)
    }
  })
})

describe("a dialect", () => {
  const completion = (citation: Reply.Citation): Reply.Completion => ({
    id: "1",
    model: "m",
    content: [{ type: "text", text: "ab", citations: [citation], logprobs: [{ token: "a", logprob: 0, top: [] }] }],
    finishReason: "stop",
    rawFinishReason: "stop",
    usage: Usage.zero
  })

  it("names the citations, and what of them, it has no place for", () => {
    const address = completion({ url: "https://a.example", quote: "q", start: 0, end: 1 })
    const file = completion({ source: "file-1" })
    expect(lossesOf("openai-chat", address)).toEqual([])
    expect(lossesOf("openai-chat", file)).toEqual(["answer.citations"])
    expect(lossesOf("openai-responses", address)).toEqual(["answer.citations.quote"])
    expect(lossesOf("anthropic-messages", address)).toEqual(["answer.citations.place", "answer.logprobs"])
    expect(lossesOf("gemini", address)).toEqual(["answer.citations.quote"])
    expect(lossesOf("gemini", { ...address, wire: { dialect: "gemini", body: "{}" } })).toEqual([])
  })

  it("names a citation that came after the text had closed, where that is too late", () => {
    const encoder = messagesDialect.encodeStream!(makeCall({ ...requestOf({ prompt: "hi" }), stream: true }, clock))
    const parts: ReadonlyArray<Reply.Part> = [
      { type: "start", id: "1", model: "m" },
      { type: "text", text: "ab" },
      { type: "tool-call", index: 0, id: "c", name: "f", arguments: "{}" },
      { type: "citation", citation: { url: "https://a.example" } },
      { type: "finish", finishReason: "tool-calls", rawFinishReason: "tool_calls", usage: Usage.zero }
    ]
    const text = parts.map((part) => encoder.part(part)).join("")
    const delta = namedEvents(text).find(({ event }) => event === "message_delta")
    expect(delta?.data["x-millrace"]).toEqual({ omitted: ["answer.citations"] })
  })
})

it("an entry of the cache that leaves the process keeps the names", () => {
  const completion = { ...completionOf("m", "hi"), omitted: ["answer.image"] }
  const record = {
    key: "k".repeat(keyLength),
    provider: "p",
    model: "m",
    tenant: "t",
    namespace: null,
    storedAtMs: 1,
    expiresAtMs: 2,
    latencyMs: 1,
    completion
  }
  expect(Result.getOrThrow(decodeRecord(structuredClone(record))).completion.omitted).toEqual(completion.omitted)
})
