/**
 * What holds for every pair of an upstream protocol and an inbound dialect: any valid stream in, cut anywhere, gives a valid
 * stream out with exactly one terminal event, which says the same to a reader of that dialect; one that breaks off
 * anywhere gives what came and one error.
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
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
import { completionTokens, promptTokens } from "../../engine/src/Usage.ts"
import { contentEvents } from "../engine/protocols/GeminiStreams.ts"
import { responseEvents } from "../engine/protocols/ResponsesStreams.ts"
import {
  cutAt,
  named,
  type NamedEvent,
  read,
  type Read,
  readText,
  requestOf,
  sse
} from "../engine/protocols/Samples.ts"
import { answer, chatEvents, messageEvents } from "../engine/protocols/Streams.ts"
import { checkGemini, checkMessages, checkResponses, namedEvents } from "../support/dialects.ts"
import { dataOf } from "./ChatReader.ts"

interface Upstream {
  readonly protocol: Protocol
  readonly reasons: ReadonlyArray<readonly [Reply.FinishReason, string]>
  readonly stream: (completion: Reply.Completion) => string
}

const upstreams: ReadonlyArray<Upstream> = [
  {
    protocol: openAiChat,
    reasons: [
      ["stop", "stop"],
      ["length", "length"],
      ["tool-calls", "tool_calls"],
      ["content-filter", "content_filter"],
      ["other", "something_new"]
    ],
    stream: (completion) => sse(...chatEvents(completion))
  },
  {
    protocol: openAiResponses,
    reasons: [
      ["stop", "completed"],
      ["length", "max_output_tokens"],
      ["content-filter", "content_filter"],
      ["other", "something_new"]
    ],
    stream: (completion) => named(...(responseEvents(completion) as ReadonlyArray<NamedEvent>))
  },
  {
    protocol: anthropicMessages,
    reasons: [
      ["stop", "end_turn"],
      ["length", "max_tokens"],
      ["tool-calls", "tool_use"],
      ["content-filter", "refusal"],
      ["other", "something_new"]
    ],
    stream: (completion) => named(...messageEvents(completion))
  },
  {
    protocol: gemini,
    reasons: [
      ["stop", "STOP"],
      ["length", "MAX_TOKENS"],
      ["content-filter", "SAFETY"],
      ["other", "SOMETHING_NEW"]
    ],
    stream: (completion) => sse(...contentEvents(completion))
  }
]

interface Inbound {
  readonly dialect: InboundDialect
  readonly protocol: Protocol
  /** Fails unless the text is a stream of this dialect. */
  readonly check: (text: string) => void
  /** How many times the stream ends, well or badly. */
  readonly ends: (text: string) => number
}

const types = (text: string): ReadonlyArray<string> => dataOf(text).map((data) => data.type as string)
const countOf = (items: ReadonlyArray<unknown>): number => items.length

const inbounds: ReadonlyArray<Inbound> = [
  {
    dialect: chatDialect,
    protocol: openAiChat,
    check: (text) => {
      const events = dataOf(text)
      const last = events.at(-1)
      expect(last === "[DONE]" || last.error !== undefined).toBe(true)
      const reasons = events.flatMap((event) => event.choices?.[0]?.finish_reason ?? [])
      expect(reasons).toHaveLength(last === "[DONE]" ? 1 : 0)
      expect(new Set(events.flatMap((event) => event.id ?? [])).size).toBeLessThanOrEqual(1)
    },
    ends: (text) => countOf(dataOf(text).filter((event) => event === "[DONE]" || event.error !== undefined))
  },
  {
    dialect: responsesDialect(new ResponseMemory(() => 0)),
    protocol: openAiResponses,
    check: (text) => checkResponses(namedEvents(text)),
    ends: (text) => countOf(types(text).filter((type) => /^response\.(?:completed|incomplete|failed)$/.test(type)))
  },
  {
    dialect: messagesDialect,
    protocol: anthropicMessages,
    check: (text) => checkMessages(namedEvents(text)),
    ends: (text) => countOf(types(text).filter((type) => type === "message_stop" || type === "error"))
  },
  {
    dialect: geminiDialect({ model: "m", stream: true, sse: true }),
    protocol: gemini,
    check: (text) => checkGemini(dataOf(text)),
    ends: (text) =>
      countOf(
        dataOf(text).filter((chunk) => chunk.error !== undefined || chunk.candidates[0].finishReason !== undefined)
      )
  }
]

const clock = { currentTimeMillisUnsafe: () => 1_760_000_000_000 } as Call["clock"]

const callOf = (): Call => {
  const request = requestOf({ prompt: "hi", model: "m" })
  const body = { stream_options: { include_usage: true } }
  const wire = { dialect: "openai-chat", body, needs: [] } as const
  return makeCall({ ...request, stream: true, id: "req_sample", wire }, clock)
}

/** What the caller gets of these bytes, and what our own reader made of them. */
const translated = (upstream: Upstream, inbound: Inbound, bytes: ReadonlyArray<Uint8Array>) => {
  const wire = upstream.protocol.dialect === inbound.dialect.dialect
  const found = read(upstream.protocol, bytes, { wire })
  const encoder = inbound.dialect.encodeStream!(callOf())
  const begun = found.parts.map((part) => encoder.part(part)).join("")
  return { found, text: begun + (found.error === undefined ? encoder.end() : encoder.error(found.error)) }
}

/** What an answer says, without what dialects name in their own way. */
const saying = ({ completion }: Read) => ({
  text: Reply.textOf(completion),
  reasoning: Reply.reasoningOf(completion),
  calls: Reply.toolCallsOf(completion).map(({ arguments: args, id, name }) => ({ id, name, input: JSON.parse(args) })),
  prompt: promptTokens(completion.usage),
  output: completionTokens(completion.usage),
  thought: completion.usage.reasoning,
  cut: completion.finishReason === "length",
  filtered: completion.finishReason === "content-filter"
})

const pairs = upstreams.flatMap((upstream) =>
  inbounds.map((inbound) => [upstream.protocol.dialect, inbound.dialect.dialect, upstream, inbound] as const)
)

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

describe.each(pairs)("%s for a caller of %s", (from, to, upstream, inbound) => {
  const completions = answer(upstream.reasons)

  it("a stream that was cut anywhere says the same and ends once", () => {
    fc.assert(
      fc.property(completions, fc.array(fc.nat(4000), { maxLength: 20 }), (completion, offsets) => {
        const { found, text } = translated(upstream, inbound, cutAt(bytesOf(upstream.stream(completion)), offsets))
        expect(found.error).toBeUndefined()
        expect(inbound.ends(text)).toBe(1)
        if (from !== to) inbound.check(text)
        const heard = readText(inbound.protocol, text)
        expect(heard.error).toBeUndefined()
        expect(saying(heard)).toEqual(saying(found))
      }),
      { numRuns: 60 }
    )
  })

  it("a stream that breaks off anywhere ends once, with an error", () => {
    fc.assert(
      fc.property(completions, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (completion, share) => {
        const bytes = bytesOf(upstream.stream(completion))
        const { found, text } = translated(upstream, inbound, [bytes.subarray(0, Math.floor(share * bytes.length))])
        if (from !== to) inbound.check(text)
        const heard = readText(inbound.protocol, text)
        if (found.error === undefined) {
          expect(inbound.ends(text)).toBe(1)
          return
        }
        expect(heard.error).toBeDefined()
        // Google's reason to finish may have come before its stream broke off.
        expect(inbound.ends(text)).toBeLessThanOrEqual(to === "gemini" && from === to ? 2 : 1)
        expect(Reply.textOf(found.completion).startsWith(Reply.textOf(heard.completion))).toBe(true)
      }),
      { numRuns: 60 }
    )
  })
})
