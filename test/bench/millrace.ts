/**
 * Millrace with a provider that answers at once and everything else as it is used: cache, tokenizer, limits, retry,
 * breaker, prices, metrics and usage rows (in memory).
 */
import { Effect, ManagedRuntime, Stream } from "effect"
import { AIEngine } from "../../engine/src/AIEngine.ts"
import { decode, type EngineConfigInput } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import { infoOf } from "../../engine/src/LiveProviders.ts"
import type { Provider } from "../../engine/src/Provider.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { fromInclusive } from "../../engine/src/Usage.ts"
import { chunkText, wholeText } from "./workload.ts"

const input: EngineConfigInput = {
  providers: [
    {
      name: "openai",
      apiKey: "sk-bench",
      model: "gpt-5.4-mini",
      rateLimits: { requestsPerMinute: 100_000_000, tokensPerMinute: 100_000_000_000, concurrent: 1000 }
    }
  ],
  cache: { enabled: true, maxSize: 1000, ttl: 600_000 },
  retry: { maxAttempts: 3, baseDelay: 1000, maxDelay: 30_000 }
}

const usage = fromInclusive({ input: 200, output: 50 })

const completion: Reply.Completion = {
  id: "chatcmpl-bench",
  model: "gpt-5.4-mini",
  content: [{ type: "text", text: wholeText }],
  finishReason: "stop",
  rawFinishReason: "stop",
  usage
}

/** A provider whose answer is there at once, streamed in `chunks` deltas that come one by one. */
const instantProvider = async (chunks: number): Promise<Provider> => {
  const config = await Effect.runPromise(decode(input))
  const parts: ReadonlyArray<Reply.Part> = [
    { type: "start", id: completion.id, model: completion.model },
    ...Array.from({ length: chunks }, () => ({ type: "text", text: chunkText }) as const),
    { type: "finish", finishReason: "stop", rawFinishReason: "stop", usage }
  ]
  const whole = Effect.succeed(Reply.whole(completion))
  const streamed = Effect.succeed(Reply.parts(Stream.fromIterable(parts).pipe(Stream.rechunk(1))))
  return { ...infoOf(config.providers[0]!), open: (call) => (call.request.stream ? streamed : whole) }
}

/** The Promise door. */
export const aiEngine = async (chunks: number): Promise<AIEngine> =>
  new AIEngine(input, { providers: [await instantProvider(chunks)] })

/** The Effect door: the service, to be used within a fiber. */
export const engineService = async (chunks: number): Promise<Engine["Service"]> => {
  const provider = await instantProvider(chunks)
  const config = await Effect.runPromise(decode(input))
  return ManagedRuntime.make(Engine.layerOf(config, { providers: [provider] })).runPromise(Engine)
}
