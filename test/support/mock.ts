/**
 * A provider of every protocol at one address, by an independent mock, and a gateway over it: what each client of each
 * dialect is tried against.
 */
import { LLMock } from "@copilotkit/aimock"
import { startGateway, type TestGateway } from "./gateway.ts"

/** The names of the providers: each speaks another protocol. */
export const upstreams = ["chat", "responses", "anthropic", "google"] as const

export const usage = { prompt_tokens: 21, completion_tokens: 8, input_tokens: 21, output_tokens: 8 }

export const greeting = "Good morning, friend. ☀️ Καλημέρα!"

export interface Mocked {
  readonly gateway: TestGateway
  /** Bodies that the provider was asked with, in order. */
  readonly asked: () => ReadonlyArray<any>
  readonly close: () => Promise<void>
}

/**
 * Prompts and what comes of them: `greet…` a text, `think…` reasoning and a text, `look up both…` two calls and after their
 * results a text, `…as JSON` an object, `stop early…` a text that was cut, `fail 429…` and the like an error.
 */
export const startMocked = async (): Promise<Mocked> => {
  const mock = new LLMock({ port: 0, chunkSize: 4 })
  mock
    .onMessage(/^greet/, { content: greeting, usage })
    .onMessage(/^think/, { content: "It is 4.", reasoning: "Two and two.", usage })
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
  for (const status of [400, 401, 404, 429, 500, 503, 529]) {
    mock.onMessage(`fail ${status}`, { error: { message: `It said ${status}.` }, status, retryAfter: 7 })
  }
  await mock.start()
  const shared = { apiKey: "mock-key-0123456789", model: "m-1", models: ["m-1"] }
  const gateway = await startGateway({
    providers: [
      { ...shared, name: "chat", kind: "openai", api: "chat", baseUrl: `${mock.url}/v1` },
      { ...shared, name: "responses", kind: "openai", api: "responses", baseUrl: `${mock.url}/v1` },
      { ...shared, name: "anthropic", baseUrl: mock.url },
      { ...shared, name: "google", baseUrl: mock.url },
      { name: "simulated", kind: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }
    ],
    cache: { enabled: false },
    retry: { maxAttempts: 1, maxDelay: 1000 },
    breaker: { minimumCalls: 1_000_000 }
  })
  return {
    gateway,
    asked: () => mock.getRequests().map(({ body }) => body),
    close: async () => {
      await gateway.close()
      await mock.stop()
    }
  }
}

/** What a tool of the tests takes. */
export const weatherSchema = {
  type: "object" as const,
  properties: { city: { type: "string" as const } },
  required: ["city"]
}

export const cities = ["Oslo", 'Rome, "the eternal"']

/** The failure of what should fail. */
export const failure = (promise: PromiseLike<unknown>): Promise<any> =>
  Promise.resolve(promise).then(
    () => {
      throw new Error("it did not fail")
    },
    (error: unknown) => error
  )
