/**
 * LangChain's OpenAI (Chat and Responses) and Anthropic models as clients of the gateway, with a provider of each protocol
 * behind it.
 */
import { ChatAnthropic } from "@langchain/anthropic"
import { type AIMessageChunk, HumanMessage, ToolMessage } from "@langchain/core/messages"
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { cities, failure, greeting, type Mocked, startMocked, upstreams, weatherSchema } from "../support/mock.ts"

let mocked: Mocked
beforeAll(async () => {
  mocked = await startMocked()
})
afterAll(() => mocked.close())

const openai = (model: string, useResponsesApi: boolean) =>
  new ChatOpenAI({
    model,
    apiKey: "any",
    maxRetries: 0,
    useResponsesApi,
    configuration: { baseURL: `${mocked.gateway.url}/v1` }
  })

const clients = {
  ChatOpenAI: (model: string) => openai(model, false),
  "ChatOpenAI on Responses": (model: string) => openai(model, true),
  ChatAnthropic: (model: string) =>
    new ChatAnthropic({ model, apiKey: "any", maxRetries: 0, maxTokens: 200, anthropicApiUrl: mocked.gateway.url })
}

const tools = [
  { type: "function" as const, function: { name: "weather", description: "The weather", parameters: weatherSchema } }
]

const joined = async (stream: AsyncIterable<AIMessageChunk>) => {
  let whole: AIMessageChunk | undefined
  for await (const chunk of stream) whole = whole === undefined ? chunk : whole.concat(chunk)
  return whole!
}

describe.each(Object.keys(clients) as ReadonlyArray<keyof typeof clients>)("%s", (name) => {
  describe.each(upstreams)("through %s", (provider) => {
    const model = () => clients[name](`${provider}/m-1`)

    it("text comes whole and streamed, with usage", async () => {
      const whole = await model().invoke("greet me")
      expect(whole.text).toBe(greeting)
      expect(whole.usage_metadata).toMatchObject({ input_tokens: 21, output_tokens: 8 })
      const streamed = await joined(await model().stream("greet me"))
      expect(streamed.text).toBe(greeting)
      // LangChain adds up both figures of an Anthropic stream; the mock states the whole in each, and is passed through.
      const isDoubled = name === "ChatAnthropic" && provider === "anthropic"
      expect(streamed.usage_metadata).toMatchObject({ output_tokens: isDoubled ? 16 : 8 })
    })

    it("parallel calls come whole and streamed, and their results go back", async () => {
      const bound = model().bindTools(tools)
      const whole = await bound.invoke("look up both")
      const streamed = await joined(await bound.stream("look up both"))
      for (const message of [whole, streamed]) {
        expect(message.tool_calls!.map(({ args }) => args["city"] as string)).toEqual(cities)
      }
      const results = whole.tool_calls!.map(({ id }) => new ToolMessage({ tool_call_id: id!, content: "fine" }))
      const next = await bound.invoke([new HumanMessage("look up both"), whole, ...results])
      expect(next.text).toBe("Oslo is cold, Rome is warm.")
    })

    it.each([
      [400, 400],
      [401, 502],
      [404, 404],
      [503, 503]
    ])("the provider's %i is an error with %i", async (upstream, status) => {
      expect((await failure(model().invoke(`fail ${upstream}`))).status).toBe(status)
      expect((await failure(model().stream(`fail ${upstream}`).then(joined))).status).toBe(status)
    })
  })
})

it("embeddings come in the order of their texts", async () => {
  const embeddings = new OpenAIEmbeddings({
    model: "simulated/simulated",
    apiKey: "any",
    configuration: { baseURL: `${mocked.gateway.url}/v1` }
  })
  const [one, other, same] = await embeddings.embedDocuments(["the cat", "the dog", "the cat"])
  expect(one).toEqual(same)
  expect(one).not.toEqual(other)
})
