/**
 * Millrace under Effect's AI modules: text, structured output, tools and a chat go through one engine.
 *
 * The other way round, any `LanguageModel` becomes a provider of the engine.
 */
import { Effect, Layer, Schema } from "effect"
import { Chat, LanguageModel, Tool, Toolkit } from "effect/ai"
import { Engine } from "millrace"
import { layer, provider, withSettings } from "millrace/effect-ai"

const config = { providers: [{ name: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }] }
const ModelLive = Layer.provide(layer({ model: "simulated" }), Engine.layer(config))

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })

const Weather = Tool.make("weather", {
  description: "The weather of a city",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.Struct({ celsius: Schema.Number })
})
const tools = Toolkit.make(Weather)
const ToolsLive = tools.toLayer({ weather: () => Effect.succeed({ celsius: 21 }) })

const print = (...values: ReadonlyArray<unknown>) => Effect.sync(() => console.log(...values))

const program = Effect.gen(function* () {
  const haiku = yield* LanguageModel.generateText({ prompt: "Write a haiku about programming" })
  yield* print(haiku.text, haiku.usage.outputTokens.total)

  const { value } = yield* LanguageModel.generateObject({ prompt: "Invent a person", schema: Person })
  yield* print(typeof value.name, Number.isInteger(value.age)) // => string true

  const chat = yield* Chat.empty
  const asked = yield* chat.generateText({ prompt: "Ask the weather tool about Rome", toolkit: tools })
  yield* print(asked.finishReason, asked.toolResults[0]?.result) // => tool-calls { celsius: 21 }
  const answer = yield* chat.generateText({ prompt: [] })
  yield* print(answer.finishReason) // => stop

  const uncached = LanguageModel.generateText({ prompt: "Write a haiku about programming" })
  const bypassed = yield* withSettings(uncached, { cache: { mode: "bypass" }, tenant: "acme" })
  yield* print(bypassed.text === haiku.text) // => true
})

await Effect.runPromise(program.pipe(Effect.provide(ToolsLive), Effect.provide(ModelLive)))

// A LanguageModel of any package, here the one above, as a provider named "other".
const other = provider("other", ModelLive, { model: "other-1" })
const behind = Engine.generateText({ prompt: "Write a haiku about rivers" })
const { model, provider: name } = await Effect.runPromise(
  behind.pipe(Effect.provide(Engine.layer({}, { providers: [other] })))
)
console.log(name, model) // => other other-1
