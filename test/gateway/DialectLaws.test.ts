/**
 * What holds for every inbound dialect, whatever is asked and answered: what is written can be read back by our own reader
 * of the same dialect, and a stream ends exactly once.
 */
import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Call, makeCall } from "../../engine/src/Call.ts"
import { StreamTruncated } from "../../engine/src/Errors.ts"
import type { InboundDialect } from "../../engine/src/gateway/Dialect.ts"
import { geminiDialect } from "../../engine/src/gateway/GeminiAnswer.ts"
import { messagesDialect } from "../../engine/src/gateway/MessagesAnswer.ts"
import { ResponseMemory } from "../../engine/src/gateway/ResponseMemory.ts"
import { responsesDialect } from "../../engine/src/gateway/ResponsesAnswer.ts"
import { anthropicMessages } from "../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../engine/src/protocols/Gemini.ts"
import { openAiResponses } from "../../engine/src/protocols/OpenAiResponses.ts"
import type { Protocol } from "../../engine/src/protocols/Protocol.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { endpointOf, read, requestOf } from "../engine/protocols/Samples.ts"
import { checkGemini, checkMessages, checkResponses, namedEvents } from "../support/dialects.ts"

interface Sample {
  readonly dialect: InboundDialect
  readonly protocol: Protocol
  readonly check: (text: string) => void
  /** Signatures that the dialect's own provider writes. */
  readonly signature: string
}

const data = (text: string) => namedEvents(text).map((event) => event.data as unknown)

const samples: ReadonlyArray<Sample> = [
  {
    dialect: messagesDialect,
    protocol: anthropicMessages,
    check: (text) => checkMessages(namedEvents(text)),
    signature: "EqQB"
  },
  {
    dialect: responsesDialect(new ResponseMemory(() => 0)),
    protocol: openAiResponses,
    check: (text) => checkResponses(namedEvents(text)),
    signature: "openai-responses:summary:rs_1:gAAA"
  },
  {
    dialect: geminiDialect({ model: "m", stream: true, sse: true }),
    protocol: gemini,
    check: (text) => checkGemini(data(text)),
    signature: "gemini:CiQB"
  }
]

const clock = { currentTimeMillisUnsafe: () => 1_760_000_000_000 } as Call["clock"]

const callOf = (stream: boolean): Call =>
  makeCall({ ...requestOf({ prompt: "hi", model: "m" }), stream, id: "req_sample" }, clock)

const words = fc.string({ unit: "grapheme", maxLength: 30 })

/** Parts of one answer: text, refusals, thoughts and calls in any order, calls in pieces that may interleave. */
const answers = (signature: string): fc.Arbitrary<ReadonlyArray<Reply.Part>> =>
  fc
    .record({
      steps: fc.array(
        fc.oneof(
          fc.record({ type: fc.constant("text" as const), text: words }),
          fc.record({ type: fc.constant("reasoning" as const), text: words }),
          fc.record({ type: fc.constant("reasoning" as const), text: words, signature: fc.constant(signature) }),
          fc.record({ type: fc.constant("call" as const), input: fc.dictionary(words, fc.jsonValue()) })
        ),
        { maxLength: 8 }
      ),
      cut: fc.nat(9),
      interleave: fc.boolean(),
      counts: fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999))
    })
    .map(({ counts: [input, output, thought], cut, interleave, steps }) => {
      const parts: Array<Reply.Part> = [{ type: "start", id: "resp_1", model: "drawn" }]
      const late: Array<Reply.Part> = []
      let index = 0
      for (const step of steps) {
        if (step.type !== "call") {
          // Items have ids of their own.
          const own = "signature" in step ? { signature: step.signature.replace("rs_1", `rs_${parts.length}`) } : {}
          parts.push({ ...step, ...own })
          continue
        }
        const written = JSON.stringify(step.input)
        parts.push({ type: "tool-call", index, id: `call_${index}`, name: "look", arguments: written.slice(0, cut) })
        const rest: Reply.Part = { type: "tool-call", index: index++, arguments: written.slice(cut) }
        ;(interleave ? late : parts).push(rest)
      }
      const usage = {
        uncachedInput: input,
        cacheReadInput: 0,
        cacheWriteInput: 0,
        output: output + thought,
        reasoning: thought,
        estimated: false
      }
      const finishReason = index > 0 ? "tool-calls" : "stop"
      return [...parts, ...late, { type: "finish", finishReason, rawFinishReason: undefined, usage }]
    })

const written = (dialect: InboundDialect, parts: ReadonlyArray<Reply.Part>): string => {
  const encoder = dialect.encodeStream!(callOf(true))
  return parts.map((part) => encoder.part(part)).join("") + encoder.end()
}

const collected = (parts: ReadonlyArray<Reply.Part>): Reply.Completion => {
  const collector = new Reply.Collector()
  for (const part of parts) collector.add(part)
  return collector.completion()
}

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** What an answer says, without names that each dialect gives itself. */
const saying = ({ content, finishReason, model, usage }: Reply.Completion) => {
  const merged = collected([
    ...content.map((block, index): Reply.Part => (block.type === "tool-call" ? { ...block, index } : block)),
    { type: "finish", finishReason, rawFinishReason: undefined, usage }
  ])
  // Without text it makes no difference whether a signature stands for a summary.
  const blocks = merged.content.map((block) =>
    block.type === "reasoning" && block.text === "" && block.signature !== undefined
      ? { ...block, signature: block.signature.replace(":content:", ":summary:") }
      : block
  )
  return { content: blocks, finishReason, model, usage }
}

describe.each(samples.map((sample) => [sample.dialect.dialect, sample] as const))("%s", (_, sample) => {
  const { dialect, protocol } = sample

  it("keeps the grammar of its streams, with calls in any order", () => {
    fc.assert(fc.property(answers(sample.signature), (parts) => sample.check(written(dialect, parts))))
  })

  it("writes what our reader of the same dialect reads back, whole and streamed", () => {
    fc.assert(
      fc.property(answers(sample.signature), (parts) => {
        const completion = collected(parts)
        const whole = Result.getOrThrow(
          protocol.decodeWhole(dialect.encodeWhole(callOf(false), completion), endpointOf())
        )
        expect(saying(whole)).toEqual(saying(completion))
        const streamed = read(protocol, [bytesOf(written(dialect, Reply.toParts(completion)))])
        expect(streamed.error).toBeUndefined()
        expect(saying(streamed.completion)).toEqual(saying(completion))
      })
    )
  })

  it("loses nothing when calls interleave: their order may change, their arguments don't", () => {
    fc.assert(
      fc.property(answers(sample.signature), (parts) => {
        const streamed = read(protocol, [bytesOf(written(dialect, parts))])
        expect(streamed.error).toBeUndefined()
        const sortedCalls = (completion: Reply.Completion) =>
          Reply.toolCallsOf(completion)
            .map((call) => JSON.stringify([call.id, call.name, JSON.parse(call.arguments || "{}")]))
            .sort()
        const completion = collected(parts)
        expect(sortedCalls(streamed.completion)).toEqual(sortedCalls(completion))
        expect(Reply.textOf(streamed.completion)).toBe(Reply.textOf(completion))
        expect(Reply.reasoningOf(streamed.completion)).toBe(Reply.reasoningOf(completion))
      })
    )
  })

  it("ends with one error and nothing else, wherever the answer breaks off", () => {
    const error = new StreamTruncated({ provider: "p", model: "m", detail: "gone" })
    fc.assert(
      fc.property(answers(sample.signature), fc.nat(20), (parts, at) => {
        const encoder = dialect.encodeStream!(callOf(true))
        const kept = parts.slice(0, Math.min(at, parts.length - 1))
        const text = kept.map((part) => encoder.part(part)).join("") + encoder.error(error)
        sample.check(text)
        expect(text).toContain("the stream of p ended early: gone")
        const result = read(protocol, [bytesOf(text)])
        expect(result.error).toBeDefined()
      })
    )
  })
})

it("items of reasoning have ids of their own, also where a provider gave several the same", () => {
  const signature = "openai-responses:summary:rs_1:gAAA"
  const parts: ReadonlyArray<Reply.Part> = [
    { type: "start", id: "resp_1", model: "m" },
    { type: "reasoning", text: "one", signature },
    { type: "reasoning", text: "two", signature },
    ...Reply.toParts({ ...collected([]), content: [{ type: "text", text: "three" }] }).slice(1)
  ]
  const { protocol, dialect } = samples.find((sample) => sample.protocol === openAiResponses)!
  const text = written(dialect, parts)
  checkResponses(namedEvents(text))
  const ids = namedEvents(text).flatMap(({ data }) => (data.type === "response.output_item.done" ? [data.item.id] : []))
  expect(ids[0]).toBe("rs_1")
  expect(new Set(ids).size).toBe(3)
  expect(Reply.reasoningOf(read(protocol, [bytesOf(text)]).completion)).toBe("onetwo")
})
