/**
 * Citations and log probabilities, from every protocol's own form to the canonical one: the same whole and streamed, placed in
 * the text of the answer. Shapes are those of the providers' references.
 */
import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { anthropicMessages } from "../../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { openAiCompletions } from "../../../engine/src/protocols/OpenAiCompletions.ts"
import { openAiResponses } from "../../../engine/src/protocols/OpenAiResponses.ts"
import type { Protocol } from "../../../engine/src/protocols/Protocol.ts"
import { type Citation, citationsOf, type Completion, logprobsOf } from "../../../engine/src/Reply.ts"
import { endpointOf, readText } from "./Samples.ts"

const whole = (protocol: Protocol, body: object): Completion =>
  Result.getOrThrow(protocol.decodeWhole(JSON.stringify(body), endpointOf()))

const streamed = (protocol: Protocol, ...events: ReadonlyArray<object>): Completion => {
  const text = events.map((event) => {
    const name = "type" in event ? `event: ${String(event.type)}\n` : ""
    return `${name}data: ${JSON.stringify(event)}\n\n`
  })
  const { completion, error } = readText(protocol, text.join(""))
  expect(error).toBeUndefined()
  return completion
}

const bare = (completion: Completion): ReadonlyArray<Citation> =>
  citationsOf(completion).map(({ raw: _, ...citation }) => citation)

describe("Anthropic", () => {
  const located = {
    type: "char_location",
    cited_text: "grass is green",
    document_index: 0,
    document_title: "facts.txt",
    start_char_index: 0,
    end_char_index: 14,
    file_id: null
  }
  const found = {
    type: "web_search_result_location",
    cited_text: "sky",
    encrypted_index: "Eo8B",
    title: "Sky",
    url: "https://example.com/sky"
  }
  const expected = [
    { quote: "grass is green", title: "facts.txt", source: "document:0", start: 3, end: 8 },
    { quote: "sky", title: "Sky", url: "https://example.com/sky", start: 8, end: 12 }
  ]
  const start = { type: "message_start", message: { id: "m", model: "claude", usage: { input_tokens: 1 } } }
  const end = [
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
    { type: "message_stop" }
  ]

  it("holds a citation for its block, whole and streamed", () => {
    const answer = whole(anthropicMessages, {
      id: "m",
      content: [
        { type: "text", text: "So " },
        { type: "text", text: "green", citations: [located] },
        { type: "text", text: "blue", citations: [found] }
      ],
      stop_reason: "end_turn",
      usage: { input_tokens: 1, output_tokens: 2 }
    })
    expect(bare(answer)).toEqual(expected)
    expect(citationsOf(answer)[1]!.raw).toEqual({ dialect: "anthropic-messages", value: found })
    const block = (index: number, text: string, ...citations: ReadonlyArray<object>) => [
      { type: "content_block_start", index, content_block: { type: "text", text: "", citations: [] } },
      ...citations.map((citation) => ({
        type: "content_block_delta",
        index,
        delta: { type: "citations_delta", citation }
      })),
      { type: "content_block_delta", index, delta: { type: "text_delta", text } },
      { type: "content_block_stop", index }
    ]
    const stream = streamed(
      anthropicMessages,
      start,
      ...block(0, "So "),
      ...block(1, "green", located),
      ...block(2, "blue", found),
      ...end
    )
    expect(stream.content).toEqual(answer.content)
  })
})

describe("OpenAI Responses", () => {
  const cited = { type: "url_citation", start_index: 0, end_index: 2, title: "T", url: "https://example.com" }
  const file = { type: "file_citation", file_id: "file-1", filename: "a.pdf", index: 2 }
  const logprobs = [
    { token: "two", logprob: -0.5, bytes: [116], top_logprobs: [{ token: "2", logprob: -1, bytes: [50] }] }
  ]
  const message = {
    type: "message",
    id: "msg",
    content: [
      { type: "output_text", text: "one", annotations: [] },
      { type: "output_text", text: "two", annotations: [cited, file], logprobs }
    ]
  }
  const response = {
    id: "r",
    model: "gpt",
    status: "completed",
    output: [message],
    usage: { input_tokens: 1, output_tokens: 2 }
  }

  it("places annotations in the whole text, whole and streamed, with events of their own or without", () => {
    const answer = whole(openAiResponses, response)
    expect(bare(answer)).toEqual([
      { url: "https://example.com", title: "T", start: 3, end: 5 },
      { title: "a.pdf", source: "file-1" }
    ])
    expect(logprobsOf(answer)).toEqual([
      { token: "two", logprob: -0.5, bytes: [116], top: [{ token: "2", logprob: -1, bytes: [50] }] }
    ])
    const at = { output_index: 0, item_id: "msg" }
    const deltas = [
      { type: "response.created", response: { id: "r", model: "gpt" } },
      { type: "response.output_item.added", ...at, item: { type: "message", id: "msg", content: [] } },
      { type: "response.output_text.delta", ...at, content_index: 0, delta: "one" },
      { type: "response.output_text.delta", ...at, content_index: 1, delta: "two", logprobs }
    ]
    const annotation = (annotation: object) => ({
      type: "response.output_text.annotation.added",
      ...at,
      content_index: 1,
      annotation
    })
    const end = [
      { type: "response.output_item.done", ...at, item: message },
      { type: "response.completed", response }
    ]
    for (const events of [[annotation(cited), annotation(file)], [annotation(cited)], []]) {
      expect(streamed(openAiResponses, ...deltas, ...events, ...end).content).toEqual(answer.content)
    }
  })
})

describe("OpenAI Chat", () => {
  const annotation = {
    type: "url_citation",
    url_citation: { url: "https://a.example", title: "A", start_index: 0, end_index: 2, content: "q" }
  }
  const choice = { index: 0, finish_reason: "stop" }

  it("reads annotations, and lists of addresses beside the answer that annotations have not named", () => {
    const beside = {
      citations: ["https://a.example", "https://b.example"],
      search_results: [{ url: "https://b.example", title: "B", snippet: "s" }]
    }
    const answer = whole(openAiChat, {
      id: "c",
      choices: [{ ...choice, message: { content: "hi [1]", annotations: [annotation] } }],
      ...beside
    })
    expect(bare(answer)).toEqual([
      { url: "https://a.example", title: "A", quote: "q", start: 0, end: 2 },
      { url: "https://b.example", title: "B", quote: "s" }
    ])
    const stream = streamed(
      openAiChat,
      { id: "c", choices: [{ index: 0, delta: { content: "hi " } }], citations: ["https://a.example"] },
      { id: "c", choices: [{ index: 0, delta: { content: "[1]" } }], ...beside },
      { id: "c", choices: [{ ...choice, delta: { annotations: [annotation] } }], ...beside }
    )
    expect(stream.content).toEqual(answer.content)
  })

  it("reads log probabilities of both of its forms", () => {
    const content = [{ token: "hi", logprob: -0.1, bytes: null, top_logprobs: [{ token: "ho", logprob: -2 }] }]
    const expected = [{ token: "hi", logprob: -0.1, top: [{ token: "ho", logprob: -2 }] }]
    const message = { ...choice, message: { content: "hi" }, logprobs: { content, refusal: null } }
    expect(logprobsOf(whole(openAiChat, { id: "c", choices: [message] }))).toEqual(expected)
    const delta = { ...choice, delta: { content: "hi" }, logprobs: { content } }
    expect(logprobsOf(streamed(openAiChat, { id: "c", choices: [delta] }))).toEqual(expected)
    const legacy = { tokens: ["hi"], token_logprobs: [-0.1], top_logprobs: [{ ho: -2 }], text_offset: [0] }
    expect(
      logprobsOf(whole(openAiCompletions, { id: "c", choices: [{ ...choice, text: "hi", logprobs: legacy }] }))
    ).toEqual(expected)
  })
})

describe("Gemini", () => {
  const groundingMetadata = {
    groundingChunks: [
      { web: { uri: "https://a.example", title: "A" } },
      { retrievedContext: { title: "Doc", text: "quoted", fileSearchStore: "stores/1" } },
      { web: { uri: "https://unused.example", title: "U" } }
    ],
    groundingSupports: [{ segment: { startIndex: 6, endIndex: 10, text: "zwei" }, groundingChunkIndices: [0, 1] }]
  }
  const citationMetadata = {
    citationSources: [{ startIndex: 0, endIndex: 5, uri: "https://c.example", license: "mit" }]
  }
  const expected = [
    { url: "https://a.example", title: "A", start: 5, end: 9 },
    { title: "Doc", quote: "quoted", source: "stores/1", start: 5, end: 9 },
    { url: "https://unused.example", title: "U" },
    { url: "https://c.example", start: 0, end: 4 }
  ]

  it("turns bytes into places in the text, whole and streamed", () => {
    const parts = (...texts: ReadonlyArray<string>) => ({ content: { parts: texts.map((text) => ({ text })) } })
    const answer = whole(gemini, {
      candidates: [{ ...parts("einß zwei"), finishReason: "STOP", groundingMetadata, citationMetadata }]
    })
    expect(bare(answer)).toEqual(expected)
    const stream = streamed(
      gemini,
      { candidates: [{ ...parts("einß"), citationMetadata }] },
      { candidates: [{ ...parts(" zwei"), finishReason: "STOP", groundingMetadata, citationMetadata }] }
    )
    expect(stream.content).toEqual(answer.content)
  })

  it("reads log probabilities", () => {
    const logprobsResult = {
      chosenCandidates: [{ token: "a", tokenId: 1, logProbability: -0.1 }],
      topCandidates: [{ candidates: [{ token: "b", logProbability: -2 }] }]
    }
    const candidate = { content: { parts: [{ text: "a" }] }, finishReason: "STOP", logprobsResult }
    expect(logprobsOf(whole(gemini, { candidates: [candidate] }))).toEqual([
      { token: "a", logprob: -0.1, top: [{ token: "b", logprob: -2 }] }
    ])
  })

  it("keeps the sources of an answer that was blocked before its text", () => {
    const answer = whole(gemini, { candidates: [{ finishReason: "RECITATION", citationMetadata }] })
    expect(answer).toMatchObject({ finishReason: "content-filter" })
    expect(bare(answer)).toEqual([{ url: "https://c.example" }])
  })
})
