/**
 * Millrace under the AI SDK: generateText, streamText, structured output and tool loops go through one engine.
 *
 * The other way round, any model of the AI SDK becomes a provider of the engine.
 */
import { generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai"
import { AIEngine } from "millrace"
import { createMillrace, fromAiSdk } from "millrace/ai-sdk"

await using engine = new AIEngine({
  providers: [{ name: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }]
})
const millrace = createMillrace(engine)

const prompt = "Write a haiku about programming"
const first = await generateText({ model: millrace("simulated"), prompt })
const second = await generateText({ model: millrace("simulated"), prompt })
console.log(first.text === second.text, second.providerMetadata?.["millrace"]?.["cached"]) // => true true

const streamed = streamText({
  model: millrace("simulated"),
  prompt,
  providerOptions: { millrace: { cache: { mode: "bypass" }, tenant: "acme", priority: "batch" } }
})
let text = ""
for await (const chunk of streamed.textStream) text += chunk
console.log(text === first.text) // => true

const { output } = await generateText({
  model: millrace("simulated"),
  prompt: "Invent a person",
  output: Output.object({
    schema: jsonSchema<{ name: string; age: number }>({
      type: "object",
      properties: { name: { type: "string" }, age: { type: "integer" } },
      required: ["name", "age"]
    })
  })
})
console.log(typeof output.name, Number.isInteger(output.age)) // => string true

const weather = tool({
  description: "The weather of a city",
  inputSchema: jsonSchema<{ city: string }>({
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"]
  }),
  execute: () => ({ celsius: 21 })
})
const { steps } = await generateText({
  model: millrace("simulated"),
  prompt: "Ask the weather tool about Rome",
  tools: { weather },
  stopWhen: isStepCount(3)
})
console.log(steps.length, steps[0]?.toolResults[0]?.output) // => 2 { celsius: 21 }

// A model of any provider package, here the one above, as a provider named "other".
const other = fromAiSdk("other", millrace("simulated/simulated"))
await using outer = new AIEngine({ retry: { maxAttempts: 2 } }, { providers: [other] })
const answer = await outer.generateText({ prompt: "Write a haiku about rivers" })
console.log(answer.provider, answer.model, answer.attempts) // => other simulated/simulated 1
