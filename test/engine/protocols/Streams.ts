/**
 * Random answers and what a provider would send for them, for property tests.
 *
 * An answer is drawn as a completion; `chatEvents` and `messageEvents` write it as the events of a stream, in deltas of
 * random length, and `chatBody` and `messageBody` as one body. Each is a small server of its dialect.
 */
import fc from "fast-check"
import type { NamedEvent } from "./Samples.ts"
import type { Block, Completion, FinishReason } from "../../../engine/src/Reply.ts"

type Written = Extract<Block, { readonly type: "text" | "reasoning" | "tool-call" }>

/** A completion with reasoning, text, then tool calls: the order every dialect can express. */
export const answer = (reasons: ReadonlyArray<readonly [FinishReason, string]>): fc.Arbitrary<Completion> =>
  fc
    .record({
      reasoning: fc.string({ unit: "grapheme", maxLength: 40 }),
      text: fc.string({ unit: "grapheme", maxLength: 80 }),
      calls: fc.array(
        fc.record({
          name: fc.string({ minLength: 1, maxLength: 8 }),
          input: fc.dictionary(fc.string(), fc.jsonValue())
        }),
        {
          maxLength: 3
        }
      ),
      reason: fc.constantFrom(...reasons),
      counts: fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000), fc.nat(1000), fc.nat(1000))
    })
    .map(
      ({ reasoning, text, calls, reason, counts: [uncachedInput, cacheReadInput, cacheWriteInput, rest, thought] }) => {
        const content: Array<Written> = []
        if (reasoning !== "") content.push({ type: "reasoning", text: reasoning })
        if (text !== "") content.push({ type: "text", text })
        calls.forEach(({ name, input }, index) =>
          content.push({ type: "tool-call", id: `call_${index}`, name, arguments: JSON.stringify(input) })
        )
        return {
          id: "resp_1",
          model: "drawn",
          content,
          finishReason: reason[0],
          rawFinishReason: reason[1],
          usage: {
            uncachedInput,
            cacheReadInput,
            cacheWriteInput,
            output: rest + thought,
            reasoning: thought,
            estimated: false
          }
        }
      }
    )

/** Cuts a text into pieces of 1 to 7 characters, never inside a character. */
export const pieces = (text: string): ReadonlyArray<string> => {
  const characters = Array.from(text)
  const out: Array<string> = []
  for (let i = 0; i < characters.length; i += 1 + (i % 7)) out.push(characters.slice(i, i + 1 + (i % 7)).join(""))
  return out
}

const chatUsage = ({ usage }: Completion) => ({
  prompt_tokens: usage.uncachedInput + usage.cacheReadInput + usage.cacheWriteInput,
  completion_tokens: usage.output,
  total_tokens: usage.uncachedInput + usage.cacheReadInput + usage.cacheWriteInput + usage.output,
  prompt_tokens_details: { cached_tokens: usage.cacheReadInput, cache_write_tokens: usage.cacheWriteInput },
  completion_tokens_details: { reasoning_tokens: usage.reasoning }
})

export const chatEvents = (completion: Completion): ReadonlyArray<unknown> => {
  const chunk = (delta: object, finish: string | null = null) => ({
    id: completion.id,
    object: "chat.completion.chunk",
    model: completion.model,
    choices: [{ index: 0, delta, finish_reason: finish }]
  })
  const events: Array<unknown> = [chunk({ role: "assistant", content: "" })]
  let index = 0
  for (const block of completion.content) {
    if (block.type === "text") for (const content of pieces(block.text)) events.push(chunk({ content }))
    if (block.type === "reasoning") {
      for (const reasoning_content of pieces(block.text)) events.push(chunk({ reasoning_content }))
    }
    if (block.type !== "tool-call") continue
    const at = index++
    events.push(
      chunk({
        tool_calls: [{ index: at, id: block.id, type: "function", function: { name: block.name, arguments: "" } }]
      })
    )
    for (const piece of pieces(block.arguments)) {
      events.push(chunk({ tool_calls: [{ index: at, function: { arguments: piece } }] }))
    }
  }
  events.push(chunk({}, completion.rawFinishReason))
  events.push({ id: completion.id, model: completion.model, choices: [], usage: chatUsage(completion) })
  events.push("[DONE]")
  return events
}

export const chatBody = (completion: Completion): string => {
  const text = completion.content.find((block) => block.type === "text")
  const reasoning = completion.content.find((block) => block.type === "reasoning")
  const calls = completion.content.filter((block) => block.type === "tool-call")
  return JSON.stringify({
    id: completion.id,
    object: "chat.completion",
    model: completion.model,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: text?.text ?? null,
          reasoning_content: reasoning?.text,
          tool_calls: calls.map((call) => ({
            id: call.id,
            type: "function",
            function: { name: call.name, arguments: call.arguments }
          }))
        },
        finish_reason: completion.rawFinishReason
      }
    ],
    usage: chatUsage(completion)
  })
}

const messageUsage = ({ usage }: Completion) => ({
  input_tokens: usage.uncachedInput,
  cache_read_input_tokens: usage.cacheReadInput,
  cache_creation_input_tokens: usage.cacheWriteInput,
  output_tokens: usage.output,
  output_tokens_details: { thinking_tokens: usage.reasoning }
})

export const messageEvents = (completion: Completion): ReadonlyArray<NamedEvent> => [
  {
    type: "message_start",
    message: {
      id: completion.id,
      model: completion.model,
      content: [],
      usage: { ...messageUsage(completion), output_tokens: 1 }
    }
  },
  { type: "ping" },
  ...completion.content.flatMap((block, index) => [
    { type: "content_block_start", index, content_block: opening(block) },
    ...deltas(block).map((delta) => ({ type: "content_block_delta", index, delta })),
    { type: "content_block_stop", index }
  ]),
  { type: "message_delta", delta: { stop_reason: completion.rawFinishReason }, usage: messageUsage(completion) },
  { type: "message_stop" }
]

const opening = (block: Block): object => {
  if (block.type === "tool-call") return { type: "tool_use", id: block.id, name: block.name, input: {} }
  return block.type === "reasoning" ? { type: "thinking", thinking: "" } : { type: "text", text: "" }
}

const deltas = (block: Block): ReadonlyArray<object> => {
  if (block.type === "tool-call") {
    return pieces(block.arguments).map((partial_json) => ({ type: "input_json_delta", partial_json }))
  }
  return block.type === "reasoning"
    ? pieces(block.text).map((thinking) => ({ type: "thinking_delta", thinking }))
    : pieces(block.text).map((text) => ({ type: "text_delta", text }))
}

export const messageBody = (completion: Completion): string =>
  JSON.stringify({
    id: completion.id,
    type: "message",
    model: completion.model,
    content: completion.content.map((block) => {
      if (block.type === "tool-call") {
        return { type: "tool_use", id: block.id, name: block.name, input: JSON.parse(block.arguments) as unknown }
      }
      return block.type === "reasoning"
        ? { type: "thinking", thinking: block.text }
        : { type: "text", text: block.text }
    }),
    stop_reason: completion.rawFinishReason,
    usage: messageUsage(completion)
  })

/** A JSON value in which a few places hold something else: what a broken or hostile provider might send. */
export const broken = (value: unknown): fc.Arbitrary<unknown> =>
  fc
    .array(fc.tuple(fc.nat(200), fc.oneof(fc.jsonValue(), fc.constantFrom(null, "", {}, [], -1, 1e308))), {
      maxLength: 4
    })
    .map((changes) => {
      let position = 0
      const visit = (current: unknown): unknown => {
        const change = changes.find(([at]) => at === position)
        position++
        if (change !== undefined) return change[1]
        if (Array.isArray(current)) return current.map(visit)
        if (typeof current !== "object" || current === null) return current
        return Object.fromEntries(Object.entries(current).map(([key, inner]) => [key, visit(inner)]))
      }
      return visit(value)
    })
