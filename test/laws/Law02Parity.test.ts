/**
 * Law 2, parity: a whole answer equals its stream, collected. For scripted and simulated providers, for hits of either
 * kind of entry, and for both protocols on the wire, however the bytes are cut.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import fc from "fast-check"
import { decode, type EngineConfigInput } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { AIRequest } from "../../engine/src/Request.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import type { Usage } from "../../engine/src/Usage.ts"
import { requestOf, status, withEngine } from "../support/engine.ts"
import { property } from "../support/property.ts"
import { event, eventStream, startUpstream, type TestUpstream } from "../support/upstream.ts"

/** The answer to a request, asked for as a whole or as a stream that is collected. */
const answerOf = Effect.fnUntraced(function* (fields: AIRequest, stream: boolean) {
  const engine = yield* Engine
  const call = yield* engine.call(yield* requestOf({ ...fields, stream }))
  const completion = yield* Effect.scoped(Effect.flatMap(engine.open(call), Reply.collect))
  return { completion, call }
})

/** What a caller can tell apart: blocks without text and the bytes as they came are not among it. */
const visible = ({ wire: _, ...completion }: Reply.Completion): Reply.Completion => ({
  ...completion,
  content: completion.content.filter((block) => block.type !== "text" || block.text !== "")
})

const words = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 })

const toolCall = fc.record({
  type: fc.constant("tool-call" as const),
  id: fc.uuid(),
  name: fc.stringMatching(/^[a-z_]{1,12}$/),
  arguments: fc
    .dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.oneof(fc.string(), fc.integer()))
    .map((value) => JSON.stringify(value))
})

const blocks: fc.Arbitrary<ReadonlyArray<Reply.Block>> = fc
  .record({
    reasoning: fc.option(fc.record({ text: words, signature: fc.option(fc.uuid(), { nil: undefined }) }), {
      nil: undefined
    }),
    text: fc.option(fc.array(words, { minLength: 1, maxLength: 8 }), { nil: undefined }),
    calls: fc.array(toolCall, { maxLength: 3 })
  })
  .filter(({ calls, text }) => text !== undefined || calls.length > 0)
  .map(({ calls, reasoning, text }) => [
    ...(reasoning === undefined
      ? []
      : [
          {
            type: "reasoning" as const,
            text: reasoning.text,
            ...(reasoning.signature === undefined ? {} : { signature: reasoning.signature })
          }
        ]),
    ...(text === undefined ? [] : [{ type: "text" as const, text: text.join("") }]),
    ...calls
  ])

const usages: fc.Arbitrary<Usage> = fc.record({
  uncachedInput: fc.integer({ min: 1, max: 9999 }),
  cacheReadInput: fc.nat({ max: 999 }),
  cacheWriteInput: fc.constant(0),
  output: fc.integer({ min: 50, max: 9999 }),
  reasoning: fc.nat({ max: 50 }),
  estimated: fc.constant(false)
})

const completions: fc.Arbitrary<Reply.Completion> = fc
  .record({
    content: blocks,
    usage: usages,
    length: fc.boolean(),
    leftOut: fc.subarray(["answer.audio", "answer.mcp"])
  })
  .map(({ content, leftOut, length, usage }) => {
    const calls = content.some((block) => block.type === "tool-call")
    return {
      id: "answer-1",
      model: "m",
      content,
      finishReason: length ? "length" : calls ? "tool-calls" : "stop",
      rawFinishReason: length ? "length" : calls ? "tool_calls" : "stop",
      usage,
      ...(leftOut.length === 0 ? {} : { omitted: leftOut })
    }
  })

/** A text cut into pieces, at places that follow from a number. */
const cut = (text: string, seed: number): ReadonlyArray<string> => {
  const characters = [...text]
  const pieces: Array<string> = []
  for (let i = 0, n = seed; i < characters.length; n = (n * 16_807 + 11) % 2_147_483_647) {
    const size = 1 + (n % 4)
    pieces.push(characters.slice(i, i + size).join(""))
    i += size
  }
  return pieces
}

/** The parts of a completion with its texts and arguments in pieces. */
const inPieces = (completion: Reply.Completion, seed: number): ReadonlyArray<Reply.Part> =>
  Reply.toParts(completion).flatMap((part): ReadonlyArray<Reply.Part> => {
    if (part.type === "text") return cut(part.text, seed).map((text) => ({ type: "text", text }))
    if (part.type !== "tool-call") return [part]
    const { arguments: args, ...head } = part
    return [
      { ...head, arguments: "" },
      ...cut(args, seed).map((piece) => ({ type: "tool-call" as const, index: part.index, arguments: piece }))
    ]
  })

describe("parts", () => {
  it("of a completion are collected to the same completion, also in pieces", () => {
    fc.assert(
      fc.property(completions, fc.nat(), (completion, seed) => {
        for (const parts of [Reply.toParts(completion), inPieces(completion, seed)]) {
          const collector = new Reply.Collector()
          for (const part of parts) {
            expect(collector.complete).toBe(false)
            collector.add(part)
          }
          expect(collector.complete).toBe(true)
          expect(collector.completion()).toEqual(completion)
        }
      })
    )
  })
})

describe("a scripted provider", () => {
  property(
    "gives the same answer whole and streamed, also when it does the other of the two",
    fc.record({ completion: completions, seed: fc.nat() }),
    ({ completion, seed }) => {
      let streams = false
      const providers = [
        scriptedProvider("a", () => (streams ? inPieces(completion, seed) : completion), { model: "m" })
      ]
      return Effect.gen(function* () {
        for (streams of [false, true]) {
          for (const stream of [false, true]) {
            const { call, completion: got } = yield* answerOf({ prompt: "x", cache: { mode: "bypass" } }, stream)
            expect(got).toEqual(completion)
            expect(call.journal.cache).toBe("bypass")
          }
        }
      }).pipe(withEngine({ providers }))
    },
    { runs: 40 }
  )

  property(
    "is replayed from the cache as it was, whether the entry and the reader stream or not",
    fc.record({ completion: completions, seed: fc.nat(), streamFirst: fc.boolean() }),
    ({ completion: given, seed, streamFirst }) => {
      // Only what finished normally is stored.
      const completion: Reply.Completion =
        given.finishReason === "length" ? { ...given, finishReason: "stop", rawFinishReason: "stop" } : given
      const providers = [
        scriptedProvider("a", (call) => (call.request.stream ? inPieces(completion, seed) : completion), { model: "m" })
      ]
      return Effect.gen(function* () {
        const first = yield* answerOf({ prompt: "x" }, streamFirst)
        expect(first.call.journal.cache).toBe("miss")
        for (const stream of [!streamFirst, streamFirst]) {
          const hit = yield* answerOf({ prompt: "x" }, stream)
          expect(hit.call.journal.cache).toBe("hit")
          expect(hit.call.journal.target).toEqual(first.call.journal.target)
          expect(hit.completion).toEqual(completion)
          expect(hit.completion).toEqual(first.completion)
        }
        expect(providers[0]!.calls).toHaveLength(1)
        expect((yield* status).cache).toMatchObject({ entries: 1, hits: 2, misses: 1 })
      }).pipe(withEngine({ providers }))
    },
    { runs: 40 }
  )

  it.effect("is estimated alike when it reports no usage", () => {
    const unreported = {
      uncachedInput: 0,
      cacheReadInput: 0,
      cacheWriteInput: 0,
      output: 0,
      reasoning: 0,
      estimated: true
    }
    const completion: Reply.Completion = {
      id: "1",
      model: "m",
      content: [{ type: "text", text: "A sentence of a few words." }],
      finishReason: "stop",
      rawFinishReason: "stop",
      usage: unreported
    }
    const providers = [
      scriptedProvider("a", (call) => (call.request.stream ? inPieces(completion, 1) : completion), { model: "m" })
    ]
    return Effect.gen(function* () {
      const whole = yield* answerOf({ prompt: "x", cache: { mode: "bypass" } }, false)
      const streamed = yield* answerOf({ prompt: "x", cache: { mode: "bypass" } }, true)
      expect(whole.completion.usage).toEqual(streamed.completion.usage)
      expect(whole.completion.usage).toMatchObject({ estimated: true })
      expect(whole.completion.usage.output).toBeGreaterThan(3)
      expect(whole.completion.usage.uncachedInput).toBeGreaterThan(0)
    }).pipe(withEngine({ providers }))
  })
})

const overConfig =
  (config: EngineConfigInput) =>
  <A, E>(effect: Effect.Effect<A, E, Engine>) =>
    Effect.flatMap(Effect.orDie(decode({ logging: { level: "none" }, ...config })), (decoded) =>
      Effect.provide(effect, Engine.layerOf(decoded))
    )

const requests: fc.Arbitrary<AIRequest> = fc.record(
  {
    prompt: fc.string({ minLength: 1, maxLength: 200 }),
    system: fc.string({ minLength: 1 }),
    temperature: fc.double({ min: 0, max: 2, noNaN: true }),
    maxTokens: fc.integer({ min: 1, max: 100 }),
    seed: fc.integer(),
    tools: fc.constant([
      {
        name: "weather",
        parameters: {
          type: "object",
          properties: { city: { type: "string" }, days: { type: "integer" } },
          required: ["city"]
        }
      }
    ]),
    toolChoice: fc.constantFrom("auto" as const, "none" as const, "required" as const),
    responseFormat: fc.constantFrom<NonNullable<AIRequest["responseFormat"]>>(
      { type: "text" },
      { type: "json" },
      { type: "json-schema", schema: { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] } }
    )
  },
  { requiredKeys: ["prompt"] }
)

describe("the simulated provider", () => {
  for (const simulated of [
    { latency: 0, tokensPerSecond: 0 },
    { latency: 0, tokensPerSecond: 100_000 }
  ]) {
    it.live(`gives the same answer whole and streamed (${simulated.tokensPerSecond} tokens a second)`, () =>
      overConfig({ providers: [{ name: "simulated", kind: "simulated", simulated }] })(
        Effect.gen(function* () {
          const context = yield* Effect.context<Engine>()
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(requests, (request) =>
                Effect.gen(function* () {
                  const bypass: AIRequest = { ...request, cache: { mode: "bypass" } }
                  const whole = yield* answerOf(bypass, false)
                  const streamed = yield* answerOf(bypass, true)
                  expect(visible(streamed.completion)).toEqual(visible(whole.completion))
                  const stored = yield* answerOf(request, true)
                  const hit = yield* answerOf(request, false)
                  expect(visible(hit.completion)).toEqual(visible(stored.completion))
                }).pipe(Effect.provide(context), Effect.runPromise)
              ),
              { numRuns: 40 }
            )
          )
        })
      )
    )
  }
})

/** A completion in OpenAI's shape, whole. */
const openAiWhole = (completion: Reply.Completion) => ({
  id: completion.id,
  object: "chat.completion",
  model: completion.model,
  choices: [
    {
      index: 0,
      message: {
        role: "assistant",
        content: Reply.textOf(completion) || null,
        ...(Reply.reasoningOf(completion) === "" ? {} : { reasoning_content: Reply.reasoningOf(completion) }),
        ...(Reply.toolCallsOf(completion).length === 0
          ? {}
          : {
              tool_calls: Reply.toolCallsOf(completion).map(({ arguments: args, id, name }) => ({
                id,
                type: "function",
                function: { name, arguments: args }
              }))
            })
      },
      finish_reason: completion.rawFinishReason
    }
  ],
  usage: openAiUsage(completion.usage)
})

const openAiUsage = (usage: Usage) => ({
  prompt_tokens: usage.uncachedInput + usage.cacheReadInput,
  completion_tokens: usage.output,
  total_tokens: usage.uncachedInput + usage.cacheReadInput + usage.output,
  prompt_tokens_details: { cached_tokens: usage.cacheReadInput },
  completion_tokens_details: { reasoning_tokens: usage.reasoning }
})

const openAiEvents = (completion: Reply.Completion, seed: number): string => {
  const { id, model } = completion
  const chunk = (delta: object, finishReason: string | null | undefined = null) =>
    event({ id, model, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finishReason }] })
  const out = [chunk({ role: "assistant", content: "" })]
  for (const part of inPieces(completion, seed)) {
    if (part.type === "text") out.push(chunk({ content: part.text }))
    if (part.type === "reasoning") out.push(...cut(part.text, seed).map((text) => chunk({ reasoning_content: text })))
    if (part.type === "tool-call") {
      const { arguments: args, id: callId, index, name } = part
      const head = callId === undefined ? {} : { id: callId, type: "function" }
      out.push(
        chunk({
          tool_calls: [{ index, ...head, function: { ...(name === undefined ? {} : { name }), arguments: args } }]
        })
      )
    }
  }
  out.push(chunk({}, completion.rawFinishReason))
  out.push(event({ id, model, object: "chat.completion.chunk", choices: [], usage: openAiUsage(completion.usage) }))
  return `${out.join("")}data: [DONE]\n\n`
}

const stopReasons: { readonly [reason: string]: string } = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use"
}

const anthropicUsage = (usage: Usage) => ({
  input_tokens: usage.uncachedInput,
  cache_read_input_tokens: usage.cacheReadInput,
  cache_creation_input_tokens: 0,
  output_tokens: usage.output,
  output_tokens_details: { thinking_tokens: usage.reasoning }
})

const anthropicWhole = (completion: Reply.Completion) => ({
  id: completion.id,
  type: "message",
  role: "assistant",
  model: completion.model,
  content: completion.content.map((block) => {
    switch (block.type) {
      case "tool-call":
        return { type: "tool_use", id: block.id, name: block.name, input: JSON.parse(block.arguments) as unknown }
      case "reasoning":
        return { type: "thinking", thinking: block.text, signature: block.signature ?? "" }
      default:
        return { type: "text", text: block.text }
    }
  }),
  stop_reason: stopReasons[completion.rawFinishReason!],
  usage: anthropicUsage(completion.usage)
})

const anthropicEvents = (completion: Reply.Completion, seed: number): string => {
  const typed = (data: { readonly type: string; readonly [key: string]: unknown }) =>
    `event: ${data.type}\n${event(data)}`
  const { content, id, model, rawFinishReason, usage } = completion
  const delta = (index: number, value: object) => typed({ type: "content_block_delta", index, delta: value })
  const out = [
    typed({
      type: "message_start",
      message: { id, model, role: "assistant", content: [], usage: { ...anthropicUsage(usage), output_tokens: 1 } }
    }),
    typed({ type: "ping" })
  ]
  content.forEach((block, index) => {
    const begin = (value: object) => out.push(typed({ type: "content_block_start", index, content_block: value }))
    if (block.type === "tool-call") {
      begin({ type: "tool_use", id: block.id, name: block.name, input: {} })
      for (const piece of cut(block.arguments, seed))
        out.push(delta(index, { type: "input_json_delta", partial_json: piece }))
    } else if (block.type === "reasoning") {
      begin({ type: "thinking", thinking: "", signature: "" })
      for (const piece of cut(block.text, seed)) out.push(delta(index, { type: "thinking_delta", thinking: piece }))
      if (block.signature !== undefined) out.push(delta(index, { type: "signature_delta", signature: block.signature }))
    } else {
      begin({ type: "text", text: "" })
      for (const piece of cut(block.text, seed)) out.push(delta(index, { type: "text_delta", text: piece }))
    }
    out.push(typed({ type: "content_block_stop", index }))
  })
  out.push(
    typed({
      type: "message_delta",
      delta: { stop_reason: stopReasons[rawFinishReason!] },
      usage: { output_tokens: usage.output, output_tokens_details: { thinking_tokens: usage.reasoning } }
    })
  )
  return `${out.join("")}${typed({ type: "message_stop" })}`
}

describe("a protocol on the wire", () => {
  const protocols = [
    { kind: "openai-compatible", whole: openAiWhole, events: openAiEvents, signatures: false, stop: undefined },
    { kind: "anthropic", whole: anthropicWhole, events: anthropicEvents, signatures: true, stop: stopReasons }
  ] as const

  for (const { events, kind, signatures, stop, whole } of protocols) {
    it.live(`decodes the same answer from a body and from a stream, however its bytes are cut (${kind})`, () =>
      Effect.gen(function* () {
        let answer: Reply.Completion
        let seed = 0
        const upstream: TestUpstream = yield* Effect.acquireRelease(
          Effect.promise(() =>
            startUpstream(async (response, request) => {
              if (request.json["stream"] !== true) {
                response.writeHead(200, { "content-type": "application/json" })
                response.end(JSON.stringify(whole(answer)))
                return
              }
              response.writeHead(200, eventStream)
              const bytes = Buffer.from(events(answer, seed))
              for (let at = 0; at < bytes.length;) {
                const size = 1 + ((seed + at) % 300)
                await new Promise<void>((resolve) => response.write(bytes.subarray(at, at + size), () => resolve()))
                at += size
              }
              response.end()
            })
          ),
          (server) => Effect.promise(server.close)
        )
        yield* overConfig({
          providers: [{ name: "a", kind, baseUrl: upstream.url, model: "m", apiKey: "test", maxTokens: 1000 }],
          retry: { maxAttempts: 1 }
        })(
          Effect.gen(function* () {
            const context = yield* Effect.context<Engine>()
            yield* Effect.promise(() =>
              fc.assert(
                fc.asyncProperty(completions, fc.nat({ max: 10_000 }), ({ omitted: _, ...completion }, cutAt) => {
                  answer = completion
                  seed = cutAt
                  return Effect.gen(function* () {
                    const bypass: AIRequest = { prompt: "x", cache: { mode: "bypass" } }
                    const fromBody = visible((yield* answerOf(bypass, false)).completion)
                    const fromStream = visible((yield* answerOf(bypass, true)).completion)
                    expect(fromStream).toEqual(fromBody)
                    expect(fromBody).toEqual({
                      ...completion,
                      rawFinishReason:
                        stop === undefined ? completion.rawFinishReason : stop[completion.rawFinishReason!],
                      content: signatures
                        ? completion.content
                        : completion.content.map((block) =>
                            block.type === "reasoning" ? { type: "reasoning", text: block.text } : block
                          )
                    })
                  }).pipe(Effect.provide(context), Effect.runPromise)
                }),
                { numRuns: 40 }
              )
            )
          })
        )
      }).pipe(Effect.scoped)
    )
  }
})

describe("the doors", () => {
  it.effect("generateText and streamText tell the same text, tools, usage and finish reason", () => {
    const completion: Reply.Completion = {
      id: "1",
      model: "m",
      content: [
        { type: "reasoning", text: "hm" },
        { type: "text", text: "Let me look." },
        { type: "tool-call", id: "call_1", name: "weather", arguments: '{"city":"Lima"}' }
      ],
      finishReason: "tool-calls",
      rawFinishReason: "tool_calls",
      usage: { uncachedInput: 7, cacheReadInput: 2, cacheWriteInput: 1, output: 30, reasoning: 4, estimated: false }
    }
    const providers = [
      scriptedProvider("a", (call) => (call.request.stream ? inPieces(completion, 3) : completion), { model: "m" })
    ]
    return Effect.gen(function* () {
      for (const cache of [{ mode: "bypass" }, { mode: "default" }, { mode: "default" }] as const) {
        const whole = yield* Engine.generateText({ prompt: "x", cache })
        const collector = new Reply.Collector()
        yield* Stream.runForEach(Engine.streamText({ prompt: "x", cache }), (part) =>
          Effect.sync(() => collector.add(part))
        )
        expect(collector.completion()).toEqual(completion)
        expect(whole).toMatchObject({
          content: "Let me look.",
          reasoning: "hm",
          toolCalls: [{ id: "call_1", name: "weather", arguments: '{"city":"Lima"}' }],
          finishReason: "tool-calls",
          usage: { promptTokens: 10, completionTokens: 30, totalTokens: 40, cachedTokens: 2, reasoningTokens: 4 }
        })
      }
    }).pipe(withEngine({ providers }))
  })
})
