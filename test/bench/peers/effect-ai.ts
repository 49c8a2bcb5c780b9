/**
 * `effect/ai` with a language model that answers at once, for comparison.
 */
import { Effect, Stream } from "effect"
import { LanguageModel, type Response } from "effect/ai"
import { chunkText, wholeText } from "../workload.ts"

const finish = {
  type: "finish",
  reason: "stop",
  usage: {
    inputTokens: { uncached: 200, total: 200, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 50, text: 50, reasoning: 0 }
  },
  response: undefined
} as const

const deltas = (chunks: number): ReadonlyArray<Response.StreamPartEncoded> => [
  { type: "text-start", id: "0" },
  ...Array.from({ length: chunks }, () => ({ type: "text-delta", id: "0", delta: chunkText }) as const),
  { type: "text-end", id: "0" },
  finish
]

/** A model whose answer is there at once, streamed in `chunks` deltas that come one by one. */
export const instantModel = (chunks: number): Promise<LanguageModel.LanguageModel> => {
  const parts = deltas(chunks)
  return Effect.runPromise(
    LanguageModel.make({
      generateText: () => Effect.succeed([{ type: "text", text: wholeText }, finish]),
      streamText: () => Stream.fromIterable(parts).pipe(Stream.rechunk(1))
    })
  )
}
