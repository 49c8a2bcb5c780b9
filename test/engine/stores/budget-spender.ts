/**
 * A process that spends from a budget in a SQLite file for as long as it lives, and prints a line for each call that was
 * answered.
 */
import { Effect, Layer } from "effect"
import * as Config from "../../../engine/src/Config.ts"
import { Engine } from "../../../engine/src/Engine.ts"
import { completionOf, scriptedProvider } from "../../../engine/src/testing.ts"

const provider = scriptedProvider("first", () => completionOf("m", "x", { uncachedInput: 10, output: 20 }), {
  kind: "openai-compatible",
  model: "m"
})

const spend = Effect.gen(function* () {
  const call = Effect.gen(function* () {
    yield* Engine.generateText({ prompt: "hi", maxTokens: 30 })
    process.stdout.write("answered\n")
    yield* Effect.sleep(2)
  })
  yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.forever(call), { concurrency: "unbounded" })
})

const layer = Layer.unwrap(
  Effect.map(
    Config.decode({
      providers: [
        {
          name: "first",
          kind: "openai-compatible",
          baseUrl: "http://127.0.0.1:9",
          model: "m",
          pricing: { input: 1_000_000, output: 1_000_000 }
        }
      ],
      cache: { enabled: false },
      logging: { level: "none" },
      budgets: [{ name: "all", scope: "global", period: "total", usd: 100_000 }],
      storage: { database: `sqlite:${process.argv[2]}` }
    }),
    (config) => Engine.layerOf(config, { providers: [provider] })
  )
)

await Effect.runPromise(Effect.provide(spend, layer))
