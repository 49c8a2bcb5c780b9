/**
 * An engine behind an engine, through both adapters of an SDK: nothing of an answer or a request is lost on the way.
 */
import { Effect, Layer, ManagedRuntime, Stream } from "effect"
import { LanguageModel } from "effect/ai"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { AIEngine, Engine, type Provider, Reply } from "millrace"
import { createMillrace, fromAiSdk } from "millrace/ai-sdk"
import { layer, provider } from "millrace/effect-ai"
import { completionOf, scriptedProvider } from "millrace/testing"

const quiet = { logging: { level: "none" }, cache: { enabled: false } } as const

let answer: Reply.Completion
let pieces: (completion: Reply.Completion) => ReadonlyArray<Reply.Part>

const innermost = scriptedProvider("openai", (call) => (call.request.stream ? pieces(answer) : answer), {
  model: "gpt-5.4-mini"
})

const closing: Array<() => Promise<void>> = []
afterAll(() => Promise.all(closing.map((close) => close())))

const outer = (made: Provider): AIEngine => {
  const engine = new AIEngine(quiet, { providers: [made] })
  closing.push(() => engine.dispose())
  return engine
}

const throughAiSdk = (): AIEngine => {
  const inner = new AIEngine(quiet, { providers: [innermost] })
  closing.push(() => inner.dispose())
  return outer(fromAiSdk("inner", createMillrace(inner)("openai/gpt-5.4-mini")))
}

const throughEffect = (): AIEngine => {
  const Inner = Layer.provide(layer(), Engine.layer(quiet, { providers: [innermost] }))
  const runtime = ManagedRuntime.make(Layer.orDie(Inner))
  closing.push(() => runtime.dispose())
  return outer(provider("inner", runtime.runSync(LanguageModel.LanguageModel), { model: "gpt-5.4-mini" }))
}

const text = fc.string({ minLength: 1, maxLength: 6 })

const place = fc
  .tuple(fc.nat(9), fc.nat(9), text)
  .map(([start, length, quote]) => ({ start, end: start + length + 1, quote }))

const citation: fc.Arbitrary<Reply.Citation> = fc
  .tuple(
    fc.oneof(
      fc.record({ url: fc.webUrl().map((url) => new URL(url).href), title: text }),
      fc.record({ source: fc.string({ minLength: 1 }), title: text })
    ),
    fc.option(place, { nil: {} })
  )
  .map(([source, place]) => ({ ...source, ...place }))

const block: fc.Arbitrary<Reply.Block> = fc.oneof(
  fc.record({ type: fc.constant("text" as const), text }),
  fc.record({
    type: fc.constant("text" as const),
    text,
    citations: fc.array(citation, { minLength: 1, maxLength: 3 })
  }),
  fc.record({ type: fc.constant("refusal" as const), text }),
  fc.record({ type: fc.constant("reasoning" as const), text }),
  fc.record({ type: fc.constant("reasoning" as const), text, signature: text }),
  fc.record({ type: fc.constant("reasoning" as const), text: fc.constant(""), redacted: text }),
  fc.record({
    type: fc.constant("tool-call" as const),
    id: fc.uuid(),
    name: fc.constantFrom("weather", "clock"),
    arguments: fc
      .dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 1 }))
      .map((args) => JSON.stringify(args))
  })
)

const tokens = fc.nat(1000)

const completion: fc.Arbitrary<Reply.Completion> = fc
  .record({
    content: fc.array(block, { maxLength: 6 }),
    finishReason: fc.constantFrom("stop", "length", "tool-calls", "content-filter", "other" as const),
    uncachedInput: tokens,
    cacheReadInput: tokens,
    cacheWriteInput: tokens,
    text: fc.integer({ min: 1, max: 1000 }),
    reasoning: tokens
  })
  .map(({ content, finishReason, reasoning, text, ...input }) => {
    const collector = new Reply.Collector()
    const completion = {
      ...completionOf("gpt-5.4-mini", "", { ...input, output: text + reasoning, reasoning }),
      id: "r1",
      content,
      finishReason,
      rawFinishReason: finishReason
    }
    // Neighbours of one kind are one block wherever an answer is put together.
    for (const part of Reply.toParts(completion)) collector.add(part)
    return collector.completion()
  })

/** Deltas of one or more characters each. */
const cut =
  (size: number) =>
  (completion: Reply.Completion): ReadonlyArray<Reply.Part> =>
    Reply.toParts(completion).flatMap((part): ReadonlyArray<Reply.Part> => {
      if (part.type === "text" || part.type === "refusal") {
        return slices(part.text, size).map((text) => ({ type: part.type, text }))
      }
      if (part.type !== "tool-call") return [part]
      const [first = "", ...rest] = slices(part.arguments, size)
      return [
        { ...part, arguments: first },
        ...rest.map((piece) => ({ type: "tool-call" as const, index: part.index, arguments: piece }))
      ]
    })

const slices = (text: string, size: number): ReadonlyArray<string> =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, index) => text.slice(index * size, (index + 1) * size))

describe.each([
  ["the AI SDK", throughAiSdk],
  ["Effect's AI modules", throughEffect]
])("through %s", (_, make) => {
  const engine = make()

  it("a whole and a streamed answer come out as they went in", async () => {
    await fc.assert(
      fc.asyncProperty(completion, fc.integer({ min: 1, max: 5 }), async (sent, size) => {
        answer = sent
        pieces = cut(size)
        const whole = await engine.generateText({ prompt: "x" })
        expect(whole.blocks).toEqual(sent.content)
        expect([whole.finishReason, whole.responseId]).toEqual([sent.finishReason, "r1"])
        expect(whole.usage).toMatchObject({
          cachedTokens: sent.usage.cacheReadInput,
          cacheWriteTokens: sent.usage.cacheWriteInput,
          completionTokens: sent.usage.output,
          reasoningTokens: sent.usage.reasoning
        })
        const collector = new Reply.Collector()
        for await (const part of engine.streamParts({ prompt: "x" })) collector.add(part)
        expect(collector.completion()).toEqual(sent)
      }),
      { numRuns: 60 }
    )
  })

  it("what an answer said is what the provider is told on the next turn", async () => {
    await fc.assert(
      fc.asyncProperty(completion, async (sent) => {
        answer = sent
        const { blocks } = await engine.generateText({ prompt: "x" })
        const content = blocks.filter((block) => block.type !== "refusal")
        await engine.generateText({
          messages: [
            { role: "user", content: "x" },
            { role: "assistant", content },
            { role: "user", content: "y" }
          ]
        })
        const told = innermost.calls.at(-1)!.request.messages.find(({ role }) => role === "assistant")
        // What a text rests on is for people to read; no provider is told.
        const said = content.map((block) => (block.type === "text" ? { type: block.type, text: block.text } : block))
        expect(told?.content ?? []).toEqual(said)
      }),
      { numRuns: 60 }
    )
  })
})

it("takes a stream that is left early back from both engines", async () => {
  let closed = 0
  const open = Effect.as(
    Effect.addFinalizer(() => Effect.sync(() => void closed++)),
    Reply.parts(Stream.concat(Stream.make({ type: "text" as const, text: "one" }), Stream.never))
  )
  const endless = scriptedProvider("openai", () => open, { model: "gpt-5.4-mini" })
  await using inner = new AIEngine(quiet, { providers: [endless] })
  await using engine = new AIEngine(quiet, { providers: [fromAiSdk("inner", createMillrace(inner)())] })
  for await (const read of engine.streamText({ prompt: "x" })) {
    expect(read).toBe("one")
    break
  }
  expect(closed).toBe(1)
  expect((await inner.getStatus()).providers[0]!.active).toBe(0)
})
