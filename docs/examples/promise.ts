/**
 * Millrace from plain TypeScript: one object, Promises, an async iterable for streams.
 */
import { AIEngine, AIEngineError } from "millrace"

await using engine = new AIEngine({
  providers: [
    {
      name: "simulated",
      rateLimits: { requestsPerMinute: 60, tokensPerMinute: 100_000, concurrent: 5 },
      simulated: { latency: 20, tokensPerSecond: 2000 }
    }
  ],
  cache: { enabled: true, maxSize: 1000, ttl: "10 minutes" },
  retry: { maxAttempts: 3, baseDelay: 1000, maxDelay: 30_000 }
})

const first = await engine.generateText({ prompt: "Write a haiku about programming", maxTokens: 100 })
const second = await engine.generateText({ prompt: "Write a haiku about programming", maxTokens: 100 })
console.log(first.content === second.content, second.cached) // => true true

for await (const text of engine.streamText({ prompt: "Stream one" })) process.stdout.write(text)

try {
  await engine.generateText({ prompt: "hello", model: "openai/gpt-5.4-mini", provider: "nobody" })
} catch (error) {
  if (error instanceof AIEngineError) console.log(`\n${error.kind} ${error.fault} ${error.status}`) // => InvalidRequest caller 400
}
