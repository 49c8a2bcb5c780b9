/**
 * Millrace from Effect: a request is an effect, a stream is a Stream, the configuration is a Layer.
 */
import { Effect, Stream } from "effect"
import { Engine } from "millrace"

const config = { providers: [{ name: "simulated", simulated: { latency: 20, tokensPerSecond: 2000 } }] }

const program = Effect.gen(function* () {
  const haiku = yield* Engine.generateText({ prompt: "Write a haiku about programming", maxTokens: 100 })
  yield* Effect.sync(() => console.log(haiku.content, haiku.usage.totalTokens))

  yield* Engine.streamText({ prompt: "And one about rivers" }).pipe(
    Stream.runForEach((part) => Effect.sync(() => void (part.type === "text" && process.stdout.write(part.text))))
  )

  const status = yield* Engine.status
  yield* Effect.sync(() => console.log(`\n${status.totals.requests} requests, simulated: ${status.simulated}`)) // => 2 requests, simulated: true
})

await Effect.runPromise(program.pipe(Effect.provide(Engine.layer(config))))
