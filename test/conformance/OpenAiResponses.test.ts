/**
 * The official OpenAI SDK on the Responses API and on embeddings, and the OpenAI Agents SDK, against the gateway with a
 * provider of each protocol behind it.
 */
import { Agent, OpenAIResponsesModel, run, setTracingDisabled, tool } from "@openai/agents"
import OpenAI from "openai"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { cities, failure, greeting, type Mocked, startMocked, upstreams, weatherSchema } from "../support/mock.ts"

setTracingDisabled(true)

let mocked: Mocked
let client: OpenAI
beforeAll(async () => {
  mocked = await startMocked()
  client = new OpenAI({ baseURL: `${mocked.gateway.url}/v1`, apiKey: "any", maxRetries: 0 })
})
afterAll(() => mocked.close())

const parameters = { ...weatherSchema, additionalProperties: false }
const weather = {
  type: "function" as const,
  name: "weather",
  description: "The weather in a city",
  parameters,
  strict: true
}

const citiesOf = (response: OpenAI.Responses.Response) =>
  response.output.flatMap((item) =>
    item.type === "function_call" ? [(JSON.parse(item.arguments) as { readonly city: string }).city] : []
  )

describe.each(upstreams)("through %s", (provider) => {
  const ask = (input: string) => ({ model: `${provider}/m-1`, input })

  it("a whole response has text, status and usage", async () => {
    const { data, response } = await client.responses.create(ask("greet me")).withResponse()
    expect([data.output_text, data.status]).toEqual([greeting, "completed"])
    expect(data.usage).toMatchObject({ input_tokens: 21, output_tokens: 8, total_tokens: 29 })
    expect(response.headers.get("x-millrace-provider")).toBe(provider)
  })

  it("the stream helper collects what the whole response says", async () => {
    const stream = client.responses.stream(ask("greet me"))
    let text = ""
    let pieces = 0
    stream.on("response.output_text.delta", ({ delta }) => {
      text += delta
      pieces++
    })
    const final = await stream.finalResponse()
    expect(text).toBe(greeting)
    expect(pieces).toBeGreaterThan(3)
    expect([final.output_text, final.status]).toEqual([greeting, "completed"])
    expect(final.usage).toMatchObject({ input_tokens: 21, output_tokens: 8 })
  })

  it("parallel calls come whole and streamed, and their results go back", async () => {
    const body = { ...ask("look up both"), tools: [weather] }
    const whole = await client.responses.create(body)
    const streamed = await client.responses.stream(body).finalResponse()
    expect(citiesOf(whole)).toEqual(cities)
    expect(citiesOf(streamed)).toEqual(cities)
    const results = whole.output.flatMap((item) =>
      item.type === "function_call"
        ? [{ type: "function_call_output" as const, call_id: item.call_id, output: "fine" }]
        : []
    )
    const next = await client.responses.create({
      ...body,
      input: [{ role: "user", content: body.input }, ...(whole.output as OpenAI.Responses.ResponseInput), ...results]
    })
    expect(next.output_text).toBe("Oslo is cold, Rome is warm.")
  })

  it("a structured response fits its schema", async () => {
    const schema = { type: "object", properties: { city: { type: "string" }, degrees: { type: "number" } } }
    const body = {
      ...ask("the weather as JSON"),
      text: { format: { type: "json_schema" as const, name: "w", schema } }
    }
    expect(JSON.parse((await client.responses.create(body)).output_text)).toEqual({ city: "Oslo", degrees: -4 })
  })

  it.each([
    [400, OpenAI.BadRequestError, 400],
    [401, OpenAI.InternalServerError, 502],
    [404, OpenAI.NotFoundError, 404],
    [503, OpenAI.InternalServerError, 503]
  ] as const)("the provider's %i has its own error class, streamed or not", async (upstream, type, status) => {
    for (const stream of [false, true]) {
      const error = await failure(client.responses.create({ ...ask(`fail ${upstream}`), stream }))
      expect(error).toBeInstanceOf(type)
      expect(error.status).toBe(status)
      expect(error.message).toContain(provider)
    }
  })

  it.each([false, true])("an agent calls its tools to the end (stream: %s)", async (stream) => {
    const asked: Array<string> = []
    const agent = new Agent({
      name: "Forecaster",
      instructions: "Be kind.",
      model: new OpenAIResponsesModel(client as never, `${provider}/m-1`),
      tools: [
        tool({
          name: "weather",
          description: "The weather in a city",
          parameters: { ...parameters, additionalProperties: false as const },
          strict: true,
          execute: (input) => {
            const { city } = input as { readonly city: string }
            asked.push(city)
            return `${city}: fine`
          }
        })
      ]
    })
    if (stream) {
      const result = await run(agent, "look up both", { stream: true })
      await result.completed
      expect(result.finalOutput).toBe("Oslo is cold, Rome is warm.")
    } else {
      expect((await run(agent, "look up both")).finalOutput).toBe("Oslo is cold, Rome is warm.")
    }
    expect(asked.toSorted()).toEqual([...cities].toSorted())
  })
})

it("an earlier response is gone on from by its id, over providers that keep none", async () => {
  const first = await client.responses.create({ model: "anthropic/m-1", input: "greet me" })
  await client.responses.create({ model: "anthropic/m-1", input: "greet me again", previous_response_id: first.id })
  const sent = JSON.stringify(mocked.asked().at(-1))
  expect(sent).toContain(greeting)
  expect(sent).toContain("greet me again")
})

it("embeddings come as the numbers they are, whether the SDK asks for base64 or not", async () => {
  const body = { model: "simulated/simulated", input: ["the cat", "the dog"] }
  const binary = await client.embeddings.create(body)
  const plain = await client.embeddings.create({ ...body, encoding_format: "float" })
  expect(binary.data.map(({ embedding }) => embedding.map(Math.fround))).toEqual(
    plain.data.map(({ embedding }) => embedding.map(Math.fround))
  )
})

it.each(["chat", "responses"])("embeddings of %s come in the order of their texts", async (provider) => {
  const body = { model: `${provider}/m-1`, input: ["the cat", "the dog", "the cat"] }
  const { data } = await client.embeddings.create(body)
  expect(data.map(({ index }) => index)).toEqual([0, 1, 2])
  expect(data[0]!.embedding).toEqual(data[2]!.embedding)
  expect(data[0]!.embedding).not.toEqual(data[1]!.embedding)
})

it("embeddings of a provider that has none are a BadRequestError that says so", async () => {
  const error = await failure(client.embeddings.create({ model: "anthropic/m-1", input: "the cat" }))
  expect(error).toBeInstanceOf(OpenAI.BadRequestError)
  expect(error.message).toContain("embeddings")
})
