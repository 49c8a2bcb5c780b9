/**
 * What holds for every protocol, whatever the provider sends.
 */
import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Completion, FinishReason } from "../../../engine/src/Reply.ts"
import { anthropicMessages } from "../../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../../engine/src/protocols/OpenAiResponses.ts"
import type { Protocol } from "../../../engine/src/protocols/Protocol.ts"
import { contentBody, contentEvents } from "./GeminiStreams.ts"
import { responseBody, responseEvents } from "./ResponsesStreams.ts"
import { cutAt, endpointOf, named, type NamedEvent, type Read, read, sse } from "./Samples.ts"
import { answer, broken, chatBody, chatEvents, messageBody, messageEvents } from "./Streams.ts"

interface Sample {
  readonly protocol: Protocol
  readonly reasons: ReadonlyArray<readonly [FinishReason, string]>
  readonly body: (completion: Completion) => string
  readonly events: (completion: Completion) => ReadonlyArray<unknown>
  readonly stream: (events: ReadonlyArray<unknown>) => string
  /** The event without which an answer is not complete. */
  readonly terminal: RegExp
  /** False where only the end of the body ends a stream. */
  readonly terminates: boolean
  /** An answer as this dialect can say it. */
  readonly sayable?: (completion: Completion) => Completion
}

/** Where the reason to finish is the same with calls and without, the calls make the difference. */
const byCalls =
  (raw: string) =>
  (completion: Completion): Completion =>
    completion.rawFinishReason === raw && completion.content.some((block) => block.type === "tool-call")
      ? { ...completion, finishReason: "tool-calls" }
      : completion

/** Gemini tells nothing of what it wrote into its cache. */
const withoutCacheWrites = (completion: Completion): Completion => ({
  ...completion,
  usage: {
    ...completion.usage,
    uncachedInput: completion.usage.uncachedInput + completion.usage.cacheWriteInput,
    cacheWriteInput: 0
  }
})

const samples: ReadonlyArray<Sample> = [
  {
    protocol: openAiChat,
    reasons: [
      ["stop", "stop"],
      ["length", "length"],
      ["tool-calls", "tool_calls"],
      ["content-filter", "content_filter"],
      ["other", "something_new"]
    ],
    body: chatBody,
    events: chatEvents,
    stream: (events) => sse(...events),
    terminal: /"finish_reason":"[a-z_]+"\}\]\}/,
    terminates: true
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
    body: messageBody,
    events: messageEvents,
    stream: (events) => named(...(events as ReadonlyArray<NamedEvent>)),
    terminal: /data: \{"type":"message_stop"\}/,
    terminates: true
  },
  {
    protocol: openAiResponses,
    reasons: [
      ["stop", "completed"],
      ["length", "max_output_tokens"],
      ["content-filter", "content_filter"],
      ["other", "something_new"]
    ],
    body: responseBody,
    events: responseEvents,
    stream: (events) => named(...(events as ReadonlyArray<NamedEvent>)),
    terminal: /data: \{"type":"response\.(?:in)?completed?"[^\n]*/,
    terminates: true,
    sayable: byCalls("completed")
  },
  {
    protocol: gemini,
    reasons: [
      ["stop", "STOP"],
      ["length", "MAX_TOKENS"],
      ["content-filter", "SAFETY"],
      ["error", "MALFORMED_FUNCTION_CALL"],
      ["other", "SOMETHING_NEW"]
    ],
    body: contentBody,
    events: contentEvents,
    stream: (events) => sse(...events),
    terminal: /data: [^\n]*"finishReason":"[^\n]*/,
    terminates: false,
    sayable: (completion) => byCalls("STOP")(withoutCacheWrites(completion))
  }
]

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Exactly one end: a finish as the last part, or an error, never both and never neither. */
const endsOnce = ({ error, parts }: Read): void => {
  const finishes = parts.filter((part) => part.type === "finish").length
  expect(finishes).toBe(error === undefined ? 1 : 0)
  if (error === undefined) expect(parts.at(-1)?.type).toBe("finish")
  expect(parts.filter((part) => part.type === "start").length).toBeLessThanOrEqual(1)
}

const tameUsage = ({ completion: { usage } }: Read): void => {
  for (const count of [
    usage.uncachedInput,
    usage.cacheReadInput,
    usage.cacheWriteInput,
    usage.output,
    usage.reasoning
  ]) {
    expect(Number.isFinite(count) && count >= 0).toBe(true)
  }
  expect(usage.reasoning).toBeLessThanOrEqual(usage.output)
}

describe.each(samples.map((sample) => [sample.protocol.dialect, sample] as const))("%s", (_, sample) => {
  const { protocol } = sample
  const completions = answer(sample.reasons).map(sample.sayable ?? ((completion) => completion))

  it("gives the answer back that was sent, whole and streamed, cut anywhere", () => {
    fc.assert(
      fc.property(completions, fc.array(fc.nat(4000), { maxLength: 20 }), (completion, offsets) => {
        const whole = Result.getOrThrow(protocol.decodeWhole(sample.body(completion), endpointOf()))
        const streamed = read(protocol, cutAt(bytesOf(sample.stream(sample.events(completion))), offsets))
        expect(streamed.error).toBeUndefined()
        endsOnce(streamed)
        expect(whole).toEqual(completion)
        expect(streamed.completion).toEqual(completion)
      })
    )
  })

  it("calls a stream truncated that ends before its terminal event, wherever it was cut", () => {
    fc.assert(
      fc.property(completions, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (completion, share) => {
        const text = sample.stream(sample.events(completion))
        const terminal = sample.terminal.exec(text)!
        const complete = bytesOf(text.slice(0, terminal.index + terminal[0].length)).length
        const cut = Math.floor(share * complete)
        const cutShort = read(protocol, [bytesOf(text).subarray(0, cut)])
        expect(cutShort.error).toMatchObject({ _tag: "StreamTruncated", retryable: true })
        endsOnce(cutShort)
        expect(read(protocol, [bytesOf(text).subarray(0, complete)]).error).toBeUndefined()
      })
    )
  })

  it.runIf(sample.terminates)("adds nothing after the end", () => {
    fc.assert(
      fc.property(completions, completions, (first, second) => {
        const one = read(protocol, [bytesOf(sample.stream(sample.events(first)))])
        const two = read(
          protocol,
          [first, second].map((answered) => bytesOf(sample.stream(sample.events(answered))))
        )
        expect(two).toEqual(one)
      }),
      { numRuns: 30 }
    )
  })

  it("never throws and ends once, whatever bytes come", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(300)), (bytes, offsets) => {
        endsOnce(read(protocol, cutAt(bytes, offsets), { wire: true }))
        const text = new TextDecoder().decode(bytes)
        expect(Result.isFailure(protocol.decodeWhole(text, endpointOf()))).toBe(true)
        protocol.decodeError(500, { "retry-after": text }, text, endpointOf())
      })
    )
  })

  it("never throws and ends once, whatever values the events hold", () => {
    const streams = completions.chain((completion) =>
      fc.tuple(
        ...sample.events(completion).map((event) => (typeof event === "string" ? fc.constant(event) : broken(event)))
      )
    )
    fc.assert(
      fc.property(streams, (events) => {
        const text = events
          .map((event) => `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`)
          .join("")
        const result = read(protocol, [bytesOf(text)], { wire: true })
        endsOnce(result)
        tameUsage(result)
      }),
      { numRuns: 60 }
    )
  })

  it("never throws, whatever values a body holds", () => {
    const bodies = completions.chain((completion) => broken(JSON.parse(sample.body(completion))))
    fc.assert(
      fc.property(fc.oneof(bodies, fc.jsonValue()), (value) => {
        const body = JSON.stringify(value)
        const decoded = protocol.decodeWhole(body, endpointOf(), { wire: true })
        if (Result.isSuccess(decoded)) expect(decoded.success.wire).toEqual({ dialect: protocol.dialect, body })
        protocol.decodeError(400, {}, body, endpointOf())
      })
    )
  })

  it("survives nesting that can be parsed but not written", () => {
    const deep = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`
    for (const body of [
      `{"content":[{"type":"tool_use","input":${deep}}]}`,
      `{"choices":[{"message":{"tool_calls":[{"function":{"arguments":${deep}}}]}}]}`,
      `{"output":[{"type":"function_call","arguments":${deep}}]}`,
      `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":${deep}}}]}}]}`
    ]) {
      protocol.decodeWhole(body, endpointOf())
    }
  })
})
