/**
 * Testing an application that uses Millrace: a scripted provider answers what the test says.
 */
import { AIEngine, ProviderServerError } from "millrace"
import { scriptedProvider } from "millrace/testing"

const openai = scriptedProvider("openai", (call, index) =>
  index === 0
    ? new ProviderServerError({ ...call.target, detail: "first call fails", upstreamStatus: 500 })
    : "the second attempt works"
)

await using engine = new AIEngine(
  { providers: [{ name: "openai", apiKey: "not used" }], retry: { baseDelay: 1 } },
  { providers: [openai] }
)

const answer = await engine.generateText({ prompt: "hello" })
console.log(answer.content, answer.attempts) // => the second attempt works 2
