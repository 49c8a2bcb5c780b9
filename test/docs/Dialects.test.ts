/**
 * `docs/guides/dialects.md` says, field by field, what becomes of a request at an upstream of each protocol, and nothing in it
 * is written by hand: each cell is what our encoders do with a probe of that field. No field is dropped in silence.
 */
import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { anthropicMessages } from "../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../engine/src/protocols/OpenAiResponses.ts"
import type { Endpoint, HttpRequest, Protocol } from "../../engine/src/protocols/Protocol.ts"
import { type Call, makeCall } from "../../engine/src/Call.ts"
import { lossesOf } from "../../engine/src/gateway/AnswerLosses.ts"
import { type LeftOutKind, leftOutKinds } from "../../engine/src/protocols/LeftOut.ts"
import type { Block, Completion } from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import * as Usage from "../../engine/src/Usage.ts"
import { endpointOf, requestOf } from "../engine/protocols/Samples.ts"
import { type Body, type DialectFields, dialectFields } from "./DialectFields.ts"

interface Upstream {
  readonly name: string
  readonly protocol: Protocol
  readonly endpoint: Endpoint
}

const upstreams: ReadonlyArray<Upstream> = [
  {
    name: "Chat",
    protocol: openAiChat,
    endpoint: endpointOf({ baseUrl: "https://api.openai.com/v1", model: "gpt-5.4" })
  },
  {
    name: "Responses",
    protocol: openAiResponses,
    endpoint: endpointOf({ baseUrl: "https://api.openai.com/v1", model: "gpt-5.4" })
  },
  { name: "Anthropic", protocol: anthropicMessages, endpoint: endpointOf({ model: "claude-opus-4-7" }) },
  { name: "Gemini", protocol: gemini, endpoint: endpointOf({ model: "gemini-2.5-flash" }) }
]

type Fate = "as it is" | "carried" | "omitted" | "400"

interface Outcome {
  readonly refused: boolean
  readonly body: string
  readonly omitted: number
}

const outcomeOf = ({ dialect }: DialectFields, body: Body, { endpoint, protocol }: Upstream): Outcome => {
  const decoded = Result.getOrThrow(dialect.decode(body, "default"))
  const request = { ...requestOf({ prompt: "hi" }), ...decoded } as Request
  const encoded: Result.Result<HttpRequest, unknown> = protocol.encode(request, endpoint)
  if (Result.isFailure(encoded)) return { refused: true, body: "", omitted: 0 }
  const hints = request.wire?.hints?.() ?? []
  return { refused: false, body: encoded.success.body, omitted: hints.length + (encoded.success.omitted?.length ?? 0) }
}

/** What becomes of a field; undefined when nobody is told that it is gone. */
const fateOf = (fields: DialectFields, field: string, upstream: Upstream): Fate | undefined => {
  if (fields.dialect.dialect === upstream.protocol.dialect) return "as it is"
  const base = { ...fields.base, ...fields.contexts[field] }
  const after = outcomeOf(fields, { ...base, ...fields.probes[field] }, upstream)
  if (after.refused) return "400"
  const before = outcomeOf(fields, base, upstream)
  if (after.omitted > before.omitted) return "omitted"
  return after.body === before.body ? undefined : "carried"
}

const url = { url: "https://example.com", title: "t", start: 0, end: 1 }
const token = { token: "a", logprob: -1, top: [] }

/** By what an answer may say: the blocks that say it. */
const answerProbes: { readonly [name: string]: ReadonlyArray<Block> } = {
  "citation of an address": [{ type: "text", text: "a", citations: [url] }],
  "citation of a file or document": [{ type: "text", text: "a", citations: [{ source: "file-1", quote: "q" }] }],
  "quote of a citation": [{ type: "text", text: "a", citations: [{ ...url, quote: "quoted" }] }],
  "place of a citation in the text": [{ type: "text", text: "ab", citations: [{ ...url, start: 1, end: 2 }] }],
  "log probabilities": [{ type: "text", text: "a", logprobs: [token] }],
  reasoning: [{ type: "reasoning", text: "thought" }],
  "signature of Anthropic": [{ type: "reasoning", text: "t", signature: "c2ln" }],
  "redacted reasoning of Anthropic": [{ type: "reasoning", text: "", redacted: "c2ln" }],
  "encrypted reasoning of OpenAI": [{ type: "reasoning", text: "t", signature: "openai-responses:summary:rs_1:enc" }],
  "signature of Gemini at a call": [
    { type: "reasoning", text: "", signature: "gemini:c2ln" },
    { type: "tool-call", id: "c", name: "f", arguments: "{}" }
  ],
  refusal: [{ type: "refusal", text: "no" }]
}

/** What the answer would be without what is probed. */
const plainBlock = (block: Block): ReadonlyArray<Block> => {
  if (block.type === "text") {
    const moved = block.citations?.map(({ quote: _, ...citation }) => ({ ...citation, start: 0, end: 1 }))
    const probesPart =
      block.text === "ab" || block.citations?.some(({ quote, url }) => quote !== undefined && url !== undefined)
    return [
      { type: "text", text: block.text, ...(probesPart === true && moved !== undefined ? { citations: moved } : {}) }
    ]
  }
  return block.type === "reasoning" && block.text === "t"
    ? [{ type: "reasoning", text: "t" }]
    : block.type === "tool-call"
      ? [block]
      : []
}

const completionOf = (content: ReadonlyArray<Block>): Completion => ({
  id: "1",
  model: "m",
  content,
  finishReason: "stop",
  rawFinishReason: "stop",
  usage: Usage.zero
})

/** What each word for a kind of content stands for. */
const leftOutMeanings: { readonly [K in LeftOutKind]: string } = {
  audio: "sound, with its transcript",
  choices: "choices or candidates after the first",
  code_execution: "code that the provider ran, and what came of it",
  compaction: "a summary that stands for earlier turns",
  computer_use: "actions on a computer",
  file: "files of other kinds",
  file_search: "searches in stored files",
  image: "generated images",
  mcp: "calls of MCP servers, lists of their tools, requests for approval",
  other: "what none of these is, such as the legacy `function_call`",
  shell: "commands of a shell, patches",
  tool_search: "searches among tools",
  video: "generated videos",
  web_fetch: "pages that the provider read",
  web_search: "searches of the web: their queries and results (citations are carried)"
}

const answerFate = ({ dialect }: DialectFields, content: ReadonlyArray<Block>): string => {
  const clock = { currentTimeMillisUnsafe: () => 1_760_000_000_000 } as Call["clock"]
  const written = (blocks: ReadonlyArray<Block>) => {
    const call = makeCall({ ...requestOf({ prompt: "hi", model: "m" }), id: "req_sample" }, clock)
    return dialect.encodeWhole(call, completionOf(blocks)).replaceAll(/(?<=req_sample_)\w{16}/g, "")
  }
  if (written(content) !== written(content.flatMap(plainBlock))) return "carried"
  return lossesOf(dialect.dialect, completionOf(content)).length > 0 ? "omitted" : "lost"
}

const namesIn = (schema: unknown): ReadonlyArray<string> => {
  const { ast } = schema as { readonly ast: { readonly propertySignatures: ReadonlyArray<{ readonly name: string }> } }
  return ast.propertySignatures.map(({ name }) => name)
}

describe.each(dialectFields.map((fields) => [fields.dialect.dialect, fields] as const))("%s", (_, fields) => {
  it("has a probe for every field of its schema", () => {
    const probed = Object.keys(fields.probes).map((field) => field.split(/[ .[]/, 1)[0]!)
    const known = namesIn(fields.schema).filter((name) => !fields.served.includes(name))
    expect(known.filter((name) => !probed.includes(name))).toEqual([])
  })

  it("loses nothing of an answer in silence", () => {
    const silent = Object.entries(answerProbes).filter(([, block]) => answerFate(fields, block) === "lost")
    expect(silent).toEqual([])
  })

  it("drops no field in silence, whatever protocol the upstream speaks", () => {
    const silent = Object.keys(fields.probes).flatMap((field) =>
      upstreams
        .filter((upstream) => fateOf(fields, field, upstream) === undefined)
        .map(({ name }) => `${field} at ${name}`)
    )
    expect(silent).toEqual([])
  })
})

it("the guide says what was found", async () => {
  await expect(guide()).toMatchFileSnapshot("../../docs/guides/dialects.md")
})

const guide = (): string =>
  [
    "# What each dialect carries",
    "",
    "A caller speaks the dialect it knows, the upstream its own protocol. This guide says what becomes of each field on the",
    "way; it is generated from what the encoders do (`test/docs/Dialects.test.ts`), with `api.openai.com` and `gpt-5.4`,",
    "`claude-opus-4-7` and `gemini-2.5-flash` as upstreams.",
    "",
    "- **as it is**: dialect and protocol are the same; the body goes through, unknown fields too, and so does the answer.",
    "- **carried**: translated into the upstream's own form.",
    "- **omitted**: a hint, or a field that is not known; it is left out and listed in `x-millrace-omitted`. Paths are the",
    "  caller's own for these, and canonical ones (`messages[0].name`) for what the protocol itself leaves out.",
    "- **400**: it would change the meaning and can't be said there; the error names it, and nothing is sent.",
    "",
    ...dialectFields.flatMap((fields) => [
      `## ${fields.title}`,
      "",
      `| field | ${upstreams.map(({ name }) => name).join(" | ")} |`,
      `|---|${upstreams.map(() => "---|").join("")}`,
      ...Object.keys(fields.probes).map(
        (field) =>
          `| ${field} | ${upstreams.map((upstream) => fateOf(fields, field, upstream) ?? "lost").join(" | ")} |`
      ),
      "",
      ...(fields.served.length === 0
        ? []
        : [`The gateway itself acts on ${fields.served.map((field) => `\`${field}\``).join(", ")}.`, ""])
    ]),
    "## Answers",
    "",
    "What an upstream of another protocol says in its answer, by the dialect of the caller. Where both are the same, the answer",
    "goes through as it came. A cached answer keeps all of it. What is **omitted** is named: for a whole answer in",
    "`x-millrace-omitted`, for a stream, whose headers are gone by then, in `x-millrace.omitted` of its last object (Chat: the",
    "chunk with the usage, else the one with the finish reason; Responses: `response` of the last event; Messages:",
    "`message_delta`; Gemini: the last chunk). The official SDKs read past it. Hits and coalesced calls name the same.",
    "",
    `| answer | ${dialectFields.map(({ title }) => title.replace(/ \(.*/, "")).join(" | ")} |`,
    `|---|${dialectFields.map(() => "---|").join("")}`,
    ...Object.entries(answerProbes).map(
      ([name, block]) => `| ${name} | ${dialectFields.map((fields) => answerFate(fields, block)).join(" | ")} |`
    ),
    "",
    "Citations are read from Anthropic's `citations`, `annotations` of Chat and Responses, Gemini's `groundingMetadata` and",
    "`citationMetadata`, and the lists of addresses of Perplexity and xAI. `start` and `end` count UTF-16 code units of the whole",
    "text; Gemini's are written in bytes. A caller of Messages gets the citations that come while their text is open; those that",
    "another provider hands out after it has moved on to something else are left out of a stream and named. Names are",
    "`answer.citations` (some have no place at all), `answer.citations.quote`, `answer.citations.place` and `answer.logprobs`. The",
    "AI SDK and Effect get `source` parts.",
    "",
    "What only the provider's own form has is omitted for callers of other dialects, and named in the same places; content is",
    "never repeated there. `AIResponse.omitted`, the warnings of the AI SDK's `generateText` and `omitted` in the metadata of",
    "either adapter's last part have the names too. A stream of the same dialect that is answered from the cache is written",
    "anew, and says so if the provider's had any of this.",
    "",
    "| name | what the answer had |",
    "|---|---|",
    ...leftOutKinds.map((kind) => `| \`answer.${kind}\` | ${leftOutMeanings[kind]} |`),
    "",
    "Callers of the same dialect get all of it. A reason to finish that a dialect has no word for is its normal end; Gemini's",
    "malformed call is a failed response for Responses and `error` for Chat. Arguments of a call that are no JSON object stay",
    "the text that the model wrote; Gemini ends with `MALFORMED_FUNCTION_CALL` instead, and Anthropic's SDK reports them in a",
    "stream, since it parses them itself.",
    "A stream that stops without its end is an error in every dialect, also where the provider's own SDK returns what came.",
    "",
    "## Reasoning",
    "",
    "An effort and a budget of tokens stand for each other where a provider knows only one of them. Efforts become budgets for",
    "Gemini before 3 (low 1,024, medium 8,192, high 24,576, as Google maps them) and for Claude before 4.6 (a share of",
    "`max_tokens`: minimal .1, low .2, medium .5, high .8, xhigh .95, at least 1,024). A budget becomes the least of Google's",
    "efforts that it fits in, and high above, for OpenAI and compatible servers; routers get it as `reasoning.max_tokens`.",
    "",
    "Signed reasoning goes back to the provider that signed it, through any dialect: it travels in `signature`,",
    "`encrypted_content` or `thoughtSignature` under a label; for callers of Chat in `reasoning_details`, as OpenRouter has them,",
    "and Gemini's signatures of calls in `extra_content.google.thought_signature`, as Google's compatible endpoint has them. What",
    "another provider signed is taken out of a body that goes through as it is, and reported, since the upstream would refuse all",
    "of it. So are citations that Millrace wrote for another provider's answer.",
    "",
    "## State",
    "",
    "`previous_response_id` and `item_reference` of responses that were made here work over every upstream: the process",
    "remembers them for an hour within a bound of memory, for the tenant alone, and not with `store: false`. Message threads of",
    "Anthropic's SDK are refused elsewhere in the way that makes the SDK send the whole conversation.",
    ""
  ].join("\n")
