/**
 * The AI SDK with a model that answers at once, for comparison.
 */
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage
} from "@ai-sdk/provider"
import { generateText, streamText, wrapLanguageModel } from "ai"
import { LRUCache } from "lru-cache"
import { chunkText, wholeText } from "../workload.ts"

const usage: LanguageModelV4Usage = {
  inputTokens: { total: 200, noCache: 200, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 50, text: 50, reasoning: 0 }
}

const finishReason = { unified: "stop", raw: "stop" } as const

/** A model whose answer is there at once, streamed in `chunks` deltas. */
const instantModel = (chunks: number): LanguageModelV4 => ({
  specificationVersion: "v4",
  provider: "instant",
  modelId: "instant",
  supportedUrls: {},
  doGenerate: () =>
    Promise.resolve({ content: [{ type: "text", text: wholeText }], finishReason, usage, warnings: [] }),
  doStream: () => Promise.resolve({ stream: streamOf(chunks) })
})

const streamOf = (chunks: number): ReadableStream<LanguageModelV4StreamPart> => {
  let sent = -2
  return new ReadableStream({
    pull: (controller) => {
      sent++
      if (sent === -1) {
        controller.enqueue({ type: "stream-start", warnings: [] })
        controller.enqueue({ type: "text-start", id: "0" })
      } else if (sent < chunks) controller.enqueue({ type: "text-delta", id: "0", delta: chunkText })
      else {
        controller.enqueue({ type: "text-end", id: "0" })
        controller.enqueue({ type: "finish", usage, finishReason })
        controller.close()
      }
    }
  })
}

const model = instantModel(1)

export const generate = async (prompt: string): Promise<string> => {
  const result = await generateText({ model, prompt, temperature: 0.7, maxOutputTokens: 100, maxRetries: 2 })
  return result.text
}

const stored = new LRUCache<string, LanguageModelV4GenerateResult>({ max: 1000, ttl: 600_000 })

const cachedModel = wrapLanguageModel({
  model,
  middleware: {
    specificationVersion: "v4",
    wrapGenerate: async ({ doGenerate, params }) => {
      const key = keyOf(params)
      const hit = stored.get(key)
      if (hit !== undefined) return hit
      const result = await doGenerate()
      stored.set(key, result)
      return result
    }
  }
})

const keyOf = (params: LanguageModelV4CallOptions): string => JSON.stringify(params)

export const generateCached = async (prompt: string): Promise<string> => {
  const result = await generateText({ model: cachedModel, prompt, temperature: 0.7, maxOutputTokens: 100 })
  return result.text
}

/** Reads a stream of `chunks` deltas to its end. */
export const streamer = (chunks: number) => {
  const model = instantModel(chunks)
  return async (prompt: string): Promise<number> => {
    const result = streamText({ model, prompt, temperature: 0.7, maxOutputTokens: 100 })
    let seen = 0
    for await (const text of result.textStream) seen += text.length
    return seen
  }
}
