/**
 * A completion as Gemini would send it: as the chunks of a stream, and as one body.
 */
import type { Block, Completion } from "../../../engine/src/Reply.ts"
import { pieces } from "./Streams.ts"

const chunkOf = (completion: Completion, parts: ReadonlyArray<object>, rest: object = {}, usage: object = {}) => ({
  candidates: [{ content: { role: "model", parts }, index: 0, ...rest }],
  usageMetadata: { promptTokenCount: 1, totalTokenCount: 1, ...usage },
  modelVersion: completion.model,
  responseId: completion.id
})

const usageMetadata = ({ usage }: Completion) => {
  const prompt = usage.uncachedInput + usage.cacheReadInput
  return {
    promptTokenCount: prompt,
    cachedContentTokenCount: usage.cacheReadInput,
    candidatesTokenCount: usage.output - usage.reasoning,
    thoughtsTokenCount: usage.reasoning,
    totalTokenCount: prompt + usage.output
  }
}

const partsOf = (block: Block, cut: (text: string) => ReadonlyArray<string>): ReadonlyArray<object> => {
  if (block.type === "tool-call") {
    const args = JSON.parse(block.arguments) as unknown
    return [{ functionCall: { id: block.id, name: block.name, args } }]
  }
  return cut(block.text).map((text) => (block.type === "reasoning" ? { text, thought: true } : { text }))
}

export const contentEvents = (completion: Completion): ReadonlyArray<unknown> => [
  ...completion.content.flatMap((block) => partsOf(block, pieces).map((part) => chunkOf(completion, [part]))),
  chunkOf(completion, [], { finishReason: completion.rawFinishReason }, usageMetadata(completion))
]

export const contentBody = (completion: Completion): string =>
  JSON.stringify(
    chunkOf(
      completion,
      completion.content.flatMap((block) => partsOf(block, (text) => [text])),
      { finishReason: completion.rawFinishReason },
      usageMetadata(completion)
    )
  )
