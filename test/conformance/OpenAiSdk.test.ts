/**
 * The official OpenAI SDK against the gateway, with an independent mock as the provider behind it: in OpenAI's dialect
 * as OpenAI and as a compatible server, in its Responses API, in Anthropic's and in Google's. What the SDK sees is the same whoever answers.
 */
import { LLMock } from "@copilotkit/aimock"
import OpenAI from "openai"
import { makeParseableResponseFormat } from "openai/lib/parser"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { idle, startGateway, type TestGateway } from "../support/gateway.ts"
import { chatEvents, eventStream, startUpstream } from "../support/upstream.ts"

const mock = new LLMock({ port: 0, chunkSize: 4 })
const usage = { prompt_tokens: 21, completion_tokens: 8, input_tokens: 21, output_tokens: 8 }

mock
  .onMessage(/^greet/, { content: "Good morning, friend. ☀️ Καλημέρα!", usage })
  .onMessage("as JSON", { content: { city: "Oslo", degrees: -4 }, usage })
  .onMessage(/^look up both/, {
    content: "Let me look.",
    toolCalls: [
      { name: "weather", arguments: { city: "Oslo" }, id: "call_oslo" },
      { name: "weather", arguments: { city: 'Rome, "the eternal"' }, id: "call_rome" }
    ],
    usage
  })
  .prependFixture({
    match: { predicate: ({ messages }) => messages.filter(({ role }) => role === "tool").length === 2 },
    response: { content: "Oslo is cold, Rome is warm.", usage }
  } as Parameters<LLMock["prependFixture"]>[0])
  .onMessage(/^stop early/, { content: "This was cut", finishReason: "length", usage })
  .onMessage(/^refuse/, { content: "", finishReason: "content_filter", usage })
  .onMessage(/^decline/, { content: "", finishReason: "refusal", usage })

for (const [status, code] of [
  [400, "bad_thing"],
  [401, "invalid_api_key"],
  [403, "forbidden"],
  [404, "model_not_found"],
  [422, "unprocessable"],
  [429, "rate_limit_exceeded"],
  [500, "broken"],
  [503, "overloaded"],
  [529, "overloaded"]
] as const) {
  mock.onMessage(`fail ${status}`, { error: { message: `It said ${status}.`, code }, status, retryAfter: 7 })
}

const start = () => {
  const shared = { apiKey: "mock-key-0123456789", model: "m-1", models: ["m-1"] }
  return startGateway({
    providers: [
      { ...shared, name: "openai", baseUrl: `${mock.url}/v1`, pricing: { input: 1, output: 10 } },
      { ...shared, name: "compatible", kind: "openai-compatible", baseUrl: mock.url },
      { ...shared, name: "anthropic", baseUrl: mock.url, maxTokens: 500 },
      { ...shared, name: "responses", kind: "openai", api: "responses", baseUrl: `${mock.url}/v1` },
      { ...shared, name: "google", baseUrl: mock.url }
    ],
    aliases: { best: ["openai/m-1"] },
    retry: { maxAttempts: 1, maxDelay: 1000 },
    breaker: { minimumCalls: 1_000_000 }
  })
}

const clientOf = ({ url }: TestGateway, maxRetries = 0) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries })

let gateway: TestGateway
let client: OpenAI
beforeAll(async () => {
  await mock.start()
  gateway = await start()
  client = clientOf(gateway)
})
afterAll(async () => {
  await gateway.close()
  await mock.stop()
})
afterEach(async () => {
  await idle(gateway)
  mock.clearRequests()
})

const weather = {
  type: "function" as const,
  function: {
    name: "weather",
    description: "The weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
  }
}
const bypass = { headers: { "x-millrace-cache": "bypass" } }
const greeting = "Good morning, friend. ☀️ Καλημέρα!"

describe.each(["openai", "compatible", "anthropic", "responses", "google"])("through %s", (provider) => {
  const model = `${provider}/m-1`
  const ask = (content: string) => ({ model, messages: [{ role: "user" as const, content }] })

  it("a whole answer has text, finish reason and usage, and headers that say who answered", async () => {
    const { data, response } = await client.chat.completions.create(ask("greet me"), bypass).withResponse()
    expect(data.object).toBe("chat.completion")
    expect(data.choices).toMatchObject([
      { index: 0, message: { role: "assistant", content: greeting }, finish_reason: "stop" }
    ])
    expect(data.usage).toMatchObject({ prompt_tokens: 21, completion_tokens: 8, total_tokens: 29 })
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "x-millrace-provider": provider,
      "x-millrace-model": "m-1",
      "x-millrace-cache": "bypass",
      "x-millrace-attempts": "1",
      "x-millrace-request-id": expect.stringMatching(/^req_/) as string
    })
    if (provider === "openai") expect(response.headers.get("x-millrace-cost-usd")).toBe("0.000101")
  })

  it("a stream has the same text, one finish reason, and usage only when it was asked for", async () => {
    const run = async (include: boolean) => {
      const options = include ? { stream_options: { include_usage: true } } : {}
      const stream = await client.chat.completions.create({ ...ask("greet me"), stream: true, ...options }, bypass)
      return all(stream)
    }
    const chunks = await run(true)
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(greeting)
    expect(chunks.length).toBeGreaterThan(5)
    expect(chunks[0]!.choices[0]!.delta.role).toBe("assistant")
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? [])).toEqual(["stop"])
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 21, completion_tokens: 8 } })
    const plain = await run(false)
    expect(plain.filter((chunk) => chunk.usage != null || chunk.choices.length === 0)).toEqual([])
  })

  it("the stream helper collects what the whole answer says", async () => {
    const stream = client.chat.completions.stream(
      { ...ask("greet me"), stream_options: { include_usage: true } },
      bypass
    )
    let text = ""
    stream.on("content", (delta) => (text += delta))
    const final = await stream.finalChatCompletion()
    expect(text).toBe(greeting)
    expect(final.choices[0]!.message.content).toBe(greeting)
    expect(final.choices[0]!.finish_reason).toBe("stop")
    expect(await stream.totalUsage()).toMatchObject({ prompt_tokens: 21, completion_tokens: 8, total_tokens: 29 })
  })

  it("parallel tool calls come whole", async () => {
    const answer = await client.chat.completions.create({ ...ask("look up both"), tools: [weather] }, bypass)
    const { finish_reason: reason, message } = answer.choices[0]!
    expect(reason).toBe("tool_calls")
    expect(message.content).toBe("Let me look.")
    expect(callsOf(message.tool_calls)).toEqual(calls)
  })

  it("parallel tool calls come in pieces, by index", async () => {
    const stream = client.chat.completions.stream(
      { ...ask("look up both"), tools: [weather], parallel_tool_calls: true },
      bypass
    )
    const pieces: Array<number> = []
    for await (const chunk of stream)
      for (const call of chunk.choices[0]?.delta.tool_calls ?? []) pieces.push(call.index)
    const { choices } = await stream.finalChatCompletion()
    // Gemini's calls come whole.
    expect(pieces.length).toBeGreaterThan(provider === "google" ? 1 : 4)
    expect(pieces).toEqual(pieces.toSorted((a, b) => a - b))
    expect(choices[0]!.finish_reason).toBe("tool_calls")
    expect(choices[0]!.message.content).toBe("Let me look.")
    expect(callsOf(choices[0]!.message.tool_calls)).toEqual(calls)
  })

  it.each([false, true])("tools are called and their results go back (stream: %s)", async (stream) => {
    const asked: Array<string> = []
    const tool = {
      ...weather,
      function: {
        ...weather.function,
        parse: JSON.parse as (text: string) => { city: string },
        function: ({ city }: { city: string }) => {
          asked.push(city)
          return `${city}: fine`
        }
      }
    }
    const messages = [{ role: "user" as const, content: "look up both" }]
    const runner = stream
      ? client.chat.completions.runTools({ model, messages, tools: [tool], stream: true }, bypass)
      : client.chat.completions.runTools({ model, messages, tools: [tool] }, bypass)
    expect(await runner.finalContent()).toBe("Oslo is cold, Rome is warm.")
    expect(asked).toEqual(["Oslo", 'Rome, "the eternal"'])
    const sent = JSON.stringify(mock.getLastRequest()!.body)
    expect(sent).toContain("call_oslo")
    expect(sent).toContain("Oslo: fine")
  })

  it.each([false, true])("a structured answer is parsed (stream: %s)", async (stream) => {
    const schema = { type: "object", properties: { city: { type: "string" }, degrees: { type: "number" } } }
    const format = makeParseableResponseFormat(
      { type: "json_schema", json_schema: { name: "weather", schema, strict: true } },
      (text) => JSON.parse(text) as { city: string; degrees: number }
    )
    const body = { ...ask("the weather as JSON"), response_format: format }
    const answer = stream
      ? await client.chat.completions.stream(body, bypass).finalChatCompletion()
      : await client.chat.completions.parse(body, bypass)
    expect(answer.choices[0]!.message.parsed).toEqual({ city: "Oslo", degrees: -4 })
  })

  it("an answer that was cut or filtered says so", async () => {
    const cut = await client.chat.completions.create(ask("stop early"), bypass)
    expect(cut.choices[0]).toMatchObject({ message: { content: "This was cut" }, finish_reason: "length" })
    // The mock's word for a filtered response is one that OpenAI has for a failed one.
    if (provider === "responses") return
    const filtered = await client.chat.completions.create(
      { ...ask(provider === "anthropic" ? "decline" : "refuse"), stream: true },
      bypass
    )
    const chunks = await all(filtered)
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? [])).toEqual(["content_filter"])
  })

  it.each([
    [400, OpenAI.BadRequestError, 400, "caller"],
    [401, OpenAI.InternalServerError, 502, "provider"],
    [403, OpenAI.InternalServerError, 502, "provider"],
    [404, OpenAI.NotFoundError, 404, "caller"],
    [422, OpenAI.UnprocessableEntityError, 422, "caller"],
    [500, OpenAI.InternalServerError, 502, "provider"],
    [503, OpenAI.InternalServerError, 503, "provider"],
    [529, OpenAI.InternalServerError, 529, "provider"]
  ] as const)(
    "the provider's %i has its own error class, streamed or not",
    async (upstreamStatus, type, status, fault) => {
      for (const stream of [false, true]) {
        const error = await failure(client.chat.completions.create({ ...ask(`fail ${upstreamStatus}`), stream }))
        expect(error).toBeInstanceOf(type)
        expect(error.status).toBe(status)
        expect(error.message).toContain(provider)
        expect(error.headers!.get("x-millrace-fault")).toBe(fault)
        if (status === 404) expect(error.code).toBe("model_not_found")
      }
    }
  )

  it("the provider's 429 is a RateLimitError with its Retry-After, also while the provider is paused", async () => {
    const limited = await start()
    for (const stream of [false, true]) {
      const error = await failure(clientOf(limited).chat.completions.create({ ...ask("fail 429"), stream }))
      expect(error).toBeInstanceOf(OpenAI.RateLimitError)
      expect(error).toMatchObject({ status: 429, code: "rate_limit_exceeded", type: "rate_limit_error" })
      expect(Number(error.headers!.get("retry-after"))).toBeCloseTo(7, -1)
      expect(error.headers!.get("x-millrace-fault")).toBe("provider")
    }
    expect(mock.getRequests().length).toBe(1)
    await limited.close()
  })
})

describe("the cache", () => {
  const ask = (content: string) => ({ model: "openai/m-1", messages: [{ role: "user" as const, content }] })
  const whole = async (content: string, headers = {}) => {
    const { data, response } = await client.chat.completions.create(ask(content), { headers }).withResponse()
    return { text: data.choices[0]!.message.content, usage: data.usage, headers: response.headers }
  }
  const streamed = async (content: string) => {
    const body = { ...ask(content), stream: true as const, stream_options: { include_usage: true } }
    const { data, response } = await client.chat.completions.create(body).withResponse()
    const chunks = await all(data)
    return {
      text: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""),
      usage: chunks.at(-1)!.usage,
      headers: response.headers
    }
  }

  it.each([
    ["whole, whole", whole, whole],
    ["whole, stream", whole, streamed],
    ["stream, whole", streamed, whole],
    ["stream, stream", streamed, streamed]
  ] as const)("answers the second of %s", async (name, first, second) => {
    const content = `greet me, ${name}`
    const made = await first(content)
    const again = await second(content)
    expect(made.headers.get("x-millrace-cache")).toBe("miss")
    expect(again.headers.get("x-millrace-cache")).toBe("hit")
    expect(again.headers.get("x-millrace-cache-age")).toBe("0")
    expect(again.headers.get("x-millrace-attempts")).toBe("0")
    expect(again.headers.get("x-millrace-provider")).toBe("openai")
    expect(again.text).toBe(greeting)
    expect(again.usage).toMatchObject({ prompt_tokens: 21, completion_tokens: 8, total_tokens: 29 })
    expect(mock.getRequests().length).toBe(1)
  })

  it("is passed by, renewed, or asked alone as the header says", async () => {
    const content = "greet me by header"
    const miss = await failure(whole(content, { "x-millrace-cache": "only" }))
    expect([miss.status, miss.code]).toEqual([504, "cache_only_miss"])
    await whole(content)
    const results = []
    for (const mode of ["only", "bypass", "refresh", "default"]) {
      results.push((await whole(content, { "x-millrace-cache": mode })).headers.get("x-millrace-cache"))
    }
    expect(results).toEqual(["hit", "bypass", "miss", "hit"])
    expect(mock.getRequests().length).toBe(3)
  })

  it("is another one for another tenant or namespace", async () => {
    const content = "greet me apart"
    const caches = []
    for (const headers of [{}, { "x-millrace-tenant": "acme" }, { "x-millrace-cache-namespace": "shared" }]) {
      for (let i = 0; i < 2; i++) caches.push((await whole(content, headers)).headers.get("x-millrace-cache"))
    }
    expect(caches).toEqual(["miss", "hit", "miss", "hit", "miss", "hit"])
  })
})

describe("the SDK", () => {
  it("lists models and finds one", async () => {
    const ids = (await all(client.models.list())).map(({ id }) => id)
    expect(ids).toEqual(["best", "openai/m-1", "compatible/m-1", "anthropic/m-1", "responses/m-1", "google/m-1"])
    expect(await client.models.retrieve("openai/m-1")).toMatchObject({
      id: "openai/m-1",
      object: "model",
      owned_by: "openai"
    })
    expect(await failure(client.models.retrieve("openai/m-2"))).toMatchObject({ status: 404, code: "model_not_found" })
  })

  it("gets NotFoundError for an unknown model and BadRequestError with the field for a bad request", async () => {
    const messages = [{ role: "user" as const, content: "greet me" }]
    const unknown = await failure(client.chat.completions.create({ model: "nobody/m-1", messages }))
    expect(unknown).toBeInstanceOf(OpenAI.NotFoundError)
    expect(unknown).toMatchObject({ code: "model_not_found", message: expect.stringContaining("nobody/m-1") as string })
    const bad = await failure(client.chat.completions.create({ model: "best", messages, temperature: 3 }))
    expect(bad).toBeInstanceOf(OpenAI.BadRequestError)
    expect(bad).toMatchObject({ param: "temperature", type: "invalid_request_error" })
    expect(mock.getRequests().length).toBe(0)
  })

  it("does not retry what can't succeed", async () => {
    const messages = [{ role: "user" as const, content: "fail 401" }]
    await failure(clientOf(gateway, 3).chat.completions.create({ model: "best", messages }))
    expect(mock.getRequests().length).toBe(1)
  })

  it("sends n, logprobs and unknown fields on to a provider of its dialect, and hears from others that they can't", async () => {
    const body = { messages: [{ role: "user" as const, content: "greet me" }], n: 2, logprobs: true, top_logprobs: 2 }
    await client.chat.completions.create({ ...body, model: "openai/m-1", custom_field: { a: 1 } } as never, bypass)
    expect(mock.getLastRequest()!.body).toMatchObject({ n: 2, logprobs: true, top_logprobs: 2, custom_field: { a: 1 } })
    const error = await failure(client.chat.completions.create({ ...body, model: "anthropic/m-1" }, bypass))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error.message).toMatch(/anthropic does not support several choices \(n\)/)
  })

  it("that aborts closes the provider's connection", async () => {
    const upstream = await startUpstream((response) => {
      response.writeHead(200, eventStream)
      response.write(chatEvents(["Once ", "upon "]).slice(0, 3).join(""))
    })
    const slow = await startGateway({
      providers: [{ name: "slow", kind: "openai-compatible", baseUrl: upstream.url, model: "m-1" }]
    })
    const stream = await clientOf(slow).chat.completions.create({
      model: "slow/m-1",
      messages: [{ role: "user", content: "tell me" }],
      stream: true
    })
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content === "upon ") break
    await upstream.requests[0]!.aborted
    const leave = new AbortController()
    const came = upstream.next()
    const whole = failure(
      clientOf(slow).chat.completions.create(
        { model: "slow/m-1", messages: [{ role: "user", content: "tell me all" }] },
        { signal: leave.signal }
      )
    )
    const { aborted } = await came
    leave.abort()
    expect(await whole).toBeInstanceOf(OpenAI.APIUserAbortError)
    await aborted
    expect((await idle(slow)).providers[0]!.active).toBe(0)
    await slow.close()
    await upstream.close()
  })
})

const all = async <A>(items: AsyncIterable<A>): Promise<Array<A>> => {
  const found: Array<A> = []
  for await (const item of items) found.push(item)
  return found
}

const failure = (promise: PromiseLike<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> =>
  Promise.resolve(promise).then(
    () => expect.unreachable("it must fail"),
    (error: unknown) => error as InstanceType<typeof OpenAI.APIError>
  )

const calls = [
  { id: "call_oslo", name: "weather", arguments: { city: "Oslo" } },
  { id: "call_rome", name: "weather", arguments: { city: 'Rome, "the eternal"' } }
]

const callsOf = (found: ReadonlyArray<OpenAI.ChatCompletionMessageToolCall> | undefined) =>
  found?.map((call) =>
    call.type === "function"
      ? { id: call.id, name: call.function.name, arguments: JSON.parse(call.function.arguments) as unknown }
      : call
  )
