/**
 * A completion as a server of the Responses API would send it: as the events of a stream, and as one body.
 */
import type { Block, Completion } from "../../../engine/src/Reply.ts"
import type { NamedEvent } from "./Samples.ts"
import { pieces } from "./Streams.ts"

const responseUsage = ({ usage }: Completion) => {
  const input = usage.uncachedInput + usage.cacheReadInput + usage.cacheWriteInput
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cacheReadInput, cache_write_tokens: usage.cacheWriteInput },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: input + usage.output
  }
}

const itemOf = (block: Block, index: number): NamedEvent => {
  if (block.type === "tool-call") {
    const { arguments: args, id: call_id, name } = block
    return { type: "function_call", id: `fc_${index}`, call_id, name, arguments: args, status: "completed" }
  }
  if (block.type === "reasoning") {
    return { type: "reasoning", id: `rs_${index}`, summary: [{ type: "summary_text", text: block.text }] }
  }
  const content = [{ type: "output_text", text: block.text, annotations: [] }]
  return { type: "message", id: `msg_${index}`, role: "assistant", status: "completed", content }
}

const response = (completion: Completion, status: string, rest: object = {}) => ({
  id: completion.id,
  object: "response",
  model: completion.model,
  status,
  error: null,
  output: [],
  ...rest
})

/** `completed`, or `incomplete` with the reason. */
const ended = (completion: Completion) => {
  const raw = completion.rawFinishReason
  const rest = { output: completion.content.map(itemOf), usage: responseUsage(completion) }
  return raw === "completed"
    ? response(completion, "completed", { ...rest, incomplete_details: null })
    : response(completion, "incomplete", { ...rest, incomplete_details: { reason: raw } })
}

export const responseBody = (completion: Completion): string => JSON.stringify(ended(completion))

export const responseEvents = (completion: Completion): ReadonlyArray<NamedEvent> => [
  { type: "response.created", response: response(completion, "in_progress") },
  { type: "response.in_progress", response: response(completion, "in_progress") },
  ...completion.content.flatMap((block, output_index) => {
    const item = itemOf(block, output_index)
    const place = { output_index, item_id: item["id"] }
    return [
      { type: "response.output_item.added", output_index, item: { ...item, arguments: "", content: [], summary: [] } },
      ...deltasOf(block).map((delta) => ({ ...delta, ...place })),
      { type: "response.output_item.done", output_index, item }
    ]
  }),
  {
    type: completion.rawFinishReason === "completed" ? "response.completed" : "response.incomplete",
    response: ended(completion)
  }
]

const deltasOf = (block: Block): ReadonlyArray<NamedEvent> => {
  switch (block.type) {
    case "tool-call":
      return pieces(block.arguments).map((delta) => ({ type: "response.function_call_arguments.delta", delta }))
    case "reasoning":
      return pieces(block.text).map((delta) => ({
        type: "response.reasoning_summary_text.delta",
        summary_index: 0,
        delta
      }))
    default:
      return pieces(block.text).map((delta) => ({ type: "response.output_text.delta", content_index: 0, delta }))
  }
}
