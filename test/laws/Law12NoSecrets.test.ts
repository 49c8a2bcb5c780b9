/**
 * Law 12, no secret leaks: keys and tokens appear nowhere, prompts and answers in no error of ours, log, metric, status,
 * span or admin answer, also when an upstream throws them back at us.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { type ReadableSpan, SimpleSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base"
import { Cause, Effect, Exit, Layer, Logger, References, Stream } from "effect"
import { inspect } from "node:util"
import { AIEngine } from "../../engine/src/AIEngine.ts"
import { decode } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import { Metrics } from "../../engine/src/Metrics.ts"
import { fromAIRequest } from "../../engine/src/Request.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import { canaryKey, canaryPrompt } from "../support/canary.ts"
import { adminToken, startGateway, type TestGateway } from "../support/gateway.ts"
import {
  chatEvents,
  event,
  eventStream,
  send,
  sendJson,
  startUpstream,
  type TestUpstream
} from "../support/upstream.ts"

const canaryAnswer = "canary answer of the grey heron"

/** Every way in which a value reaches a log or a page. */
const shown = (value: unknown): string =>
  [
    String(value),
    JSON.stringify(value) ?? "",
    inspect(value, { depth: 20, showHidden: true, getters: true, maxStringLength: null }),
    value instanceof Error ? `${value.message}\n${value.stack}` : ""
  ].join("\n")

const expectNoKey = (text: string) => {
  expect(text).not.toContain(canaryKey)
  expect(text).not.toContain(canaryKey.slice(3))
  expect(text).not.toContain(adminToken)
}

const expectNoContent = (text: string) => {
  expect(text).not.toContain("canary prompt")
  expect(text).not.toContain("canary answer")
}

/** Upstreams that throw back whatever they were sent. */
const echoes: ReadonlyArray<readonly [name: string, respond: TestUpstream["respond"]]> = [
  ...[400, 401, 403, 404, 429, 500, 503].map(
    (status): readonly [string, TestUpstream["respond"]] =>
      [
        `${status} with headers and body in its message`,
        (response, request) =>
          sendJson(status, {
            error: { message: `${JSON.stringify(request.headers)} ${request.text}`, type: "x", code: "y" }
          })(response, request)
      ] as const
  ),
  [
    "an error inside a 200",
    (response, request) =>
      sendJson(200, { error: { message: `${request.headers.authorization} ${request.text}` } })(response, request)
  ],
  [
    "HTML",
    (response, request) =>
      send(200, { "content-type": "text/html" }, `<p>${request.headers.authorization}`)(response, request)
  ],
  [
    "an HTML 502",
    (response, request) =>
      send(
        502,
        { "content-type": "text/html" },
        `<p>${request.headers.authorization} ${request.text}`
      )(response, request)
  ],
  [
    "cut JSON",
    (response, request) =>
      send(
        200,
        { "content-type": "application/json" },
        `{"a":"${request.headers.authorization} ${request.text}`
      )(response, request)
  ],
  [
    "an error in the stream",
    (response, request) => {
      response.writeHead(200, eventStream)
      response.write(chatEvents([canaryAnswer])[0])
      response.write(chatEvents([canaryAnswer])[1])
      response.end(event({ error: { message: `${request.headers.authorization} ${request.text}` } }))
    }
  ],
  [
    "an event that is no JSON",
    (response, request) => {
      response.writeHead(200, eventStream)
      response.end(`data: ${request.headers.authorization} ${request.text}\n\n`)
    }
  ],
  [
    "a stream that is cut",
    (response) => {
      response.writeHead(200, eventStream)
      response.end(chatEvents([canaryAnswer]).slice(0, 2).join(""))
    }
  ],
  [
    "a redirect to itself with the key",
    (response, request) => send(302, { location: `/?key=${request.headers.authorization}` })(response, request)
  ],
  ["a closed connection", (response) => void response.destroy()]
]

const configOf = (url: string, kind: "openai-compatible" | "anthropic" = "openai-compatible") => ({
  providers: [{ name: "up", kind, baseUrl: url, model: "gpt-test", apiKey: canaryKey }],
  retry: { maxAttempts: 1 },
  breaker: { minimumCalls: 100_000 },
  server: { adminToken },
  logging: { level: "trace" as const }
})

describe("an engine whose upstream throws everything back", () => {
  let upstream: TestUpstream
  beforeAll(async () => {
    upstream = await startUpstream()
  })
  afterAll(() => upstream.close())

  for (const kind of ["openai-compatible", "anthropic"] as const) {
    for (const [name, respond] of echoes) {
      it(`shows no key in errors, and neither key nor content anywhere else: ${name} (${kind})`, async () => {
        upstream.respond = (response, request) => {
          const authorization = request.headers.authorization ?? `Bearer ${String(request.headers["x-api-key"])}`
          expect(authorization).toContain(canaryKey)
          return respond(response, { ...request, headers: { ...request.headers, authorization } })
        }
        const spans: Array<ReadableSpan> = []
        const exporter: SpanExporter = {
          export: (finished, done) => {
            spans.push(...finished)
            done({ code: 0 })
          },
          shutdown: () => Promise.resolve()
        }
        const lines: Array<string> = []
        const layers = Layer.mergeAll(
          NodeSdk.layer(() => ({
            resource: { serviceName: "test" },
            spanProcessor: new SimpleSpanProcessor(exporter)
          })),
          Logger.layer([Logger.make((line) => void lines.push(shown([line.message, Cause.pretty(line.cause)])))]),
          Layer.succeed(References.MinimumLogLevel, "All")
        )
        await Effect.gen(function* () {
          const config = yield* decode(configOf(upstream.url, kind))
          expectNoKey(shown(config))
          yield* Effect.gen(function* () {
            for (const request of [Engine.generateText, streamed]) {
              const exit = yield* Effect.exit(request({ prompt: canaryPrompt, system: canaryPrompt, maxTokens: 5 }))
              if (Exit.isFailure(exit)) {
                expectNoKey(shown(Cause.squash(exit.cause)))
                expectNoKey(shown(exit))
                expectNoKey(Cause.pretty(exit.cause))
              }
            }
            const status = shown(yield* Engine.status)
            const metrics = yield* (yield* Metrics).text
            const log = yield* UsageLog
            const rows = yield* log.requests({})
            const details = yield* Effect.forEach(rows.items, ({ id }) => log.request(id))
            for (const text of [status, metrics, shown(rows), shown(details)]) {
              expectNoKey(text)
              expectNoContent(text)
            }
            expect(rows.items).toHaveLength(2)
          }).pipe(Effect.provide(Engine.layerOf(config)))
        }).pipe(Effect.provide(layers), Effect.runPromise)
        expect(spans.length).toBeGreaterThanOrEqual(4)
        for (const { attributes, events, links, name: spanName, resource, status } of spans) {
          const text = shown([spanName, attributes, events, status, links, resource.attributes])
          expectNoKey(text)
          expectNoContent(text)
        }
        expect(lines.length).toBeGreaterThan(0)
        expectNoKey(lines.join("\n"))
        expectNoContent(lines.join("\n"))
      })
    }
  }

  const streamed = (request: Parameters<typeof Engine.streamText>[0]) => Stream.runDrain(Engine.streamText(request))
})

describe("errors of ours", () => {
  const wrong: ReadonlyArray<readonly [name: string, request: unknown]> = [
    ["a prompt that is a list", { prompt: [canaryPrompt] }],
    ["messages that are text", { messages: canaryPrompt }],
    ["a message without a role", { messages: [{ content: canaryPrompt }] }],
    ["a role that is a prompt", { messages: [{ role: canaryPrompt, content: "x" }] }],
    ["content of another type", { messages: [{ role: "user", content: { text: canaryPrompt } }] }],
    [
      "a part of an unknown type",
      { messages: [{ role: "user", content: [{ type: canaryPrompt, text: canaryPrompt }] }] }
    ],
    ["both prompt and messages", { prompt: canaryPrompt, messages: [{ role: "user", content: canaryPrompt }] }],
    ["a temperature that is text", { prompt: "x", temperature: canaryPrompt }],
    ["an unknown field", { prompt: "x", propmt: canaryPrompt }],
    ["a tool without a name", { prompt: "x", tools: [{ description: canaryPrompt }] }]
  ]
  for (const [name, request] of wrong) {
    it(`don't quote the request: ${name}`, async () => {
      const error = await Effect.runPromise(Effect.flip(fromAIRequest(request, "req_1")))
      expect(error._tag).toBe("InvalidRequest")
      expectNoContent(shown(error))
    })
  }

  it("don't quote the prompt that is too long, refused, late, or not in the cache", async () => {
    const provider = scriptedProvider("up", () => Effect.never, { model: "m" })
    await using engine = new AIEngine(
      {
        providers: [
          {
            name: "up",
            kind: "openai-compatible",
            baseUrl: "http://127.0.0.1:9",
            apiKey: canaryKey,
            model: "m",
            models: ["m"],
            contextWindow: 50,
            rateLimits: { tokensPerMinute: 20, concurrent: 1 }
          }
        ],
        queue: { maxWaiting: 1, maxWait: 1 },
        logging: { level: "none" }
      },
      { providers: [provider] }
    )
    const kinds = new Set<string>()
    const ask = (fields: Parameters<AIEngine["generateText"]>[0], signal?: AbortSignal) =>
      engine.generateText({ prompt: canaryPrompt, ...fields }, { signal }).catch((error: { readonly kind: string }) => {
        kinds.add(error.kind)
        expectNoContent(shown(error))
        expectNoKey(shown(error))
      })
    await ask({ prompt: canaryPrompt.repeat(100) })
    await ask({ maxTokens: 30 })
    await ask({ cache: { mode: "only" } })
    await ask({ model: "another model" })
    await ask({ provider: "nobody" })
    await ask({}, AbortSignal.abort(new Error(canaryPrompt)))
    const leave = new AbortController()
    const running = ask({ maxTokens: 1 }, leave.signal)
    await ask({ maxTokens: 1, seed: 1 })
    leave.abort(canaryPrompt)
    await running
    expect([...kinds].toSorted()).toEqual([
      "CacheOnlyMiss",
      "Cancelled",
      "ContextWindowExceeded",
      "InvalidRequest",
      "ModelNotFound",
      "RateLimitExceeded"
    ])
  })

  it("of the configuration don't quote keys, tokens or passwords, however wrong they are", async () => {
    const provider = { name: "up", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9", model: "m" }
    const wrong: ReadonlyArray<object> = [
      { providers: [{ ...provider, apiKey: [canaryKey] }] },
      { providers: [{ ...provider, apiKey: { value: canaryKey } }] },
      { providers: [{ ...provider, apiKeys: canaryKey }] },
      { providers: [{ ...provider, apiKey: canaryKey, apiKeys: [canaryKey, 5] }] },
      { providers: [{ ...provider, apikey: canaryKey }] },
      { providers: [{ ...provider, apiKey: canaryKey, rateLimits: { concurrent: 0 } }] },
      { providers: [{ ...provider, baseUrl: `ftp://user:${canaryKey}@host` }] },
      { providers: [provider], server: { adminToken: canaryKey.slice(0, 12) } },
      { providers: [provider], server: { adminToken: [canaryKey] } },
      { providers: [provider], storage: { database: `nosuch://user:${canaryKey}@host/db` } },
      { apiKey: canaryKey }
    ]
    for (const config of wrong) {
      const error = await Effect.runPromise(Effect.flip(decode(config)))
      expect(error._tag).toBe("ConfigError")
      const text = shown(error)
      expect(text, JSON.stringify(config)).not.toContain(canaryKey)
      expect(text).not.toContain(canaryKey.slice(0, 12))
      expect(() => new AIEngine(config as never)).toThrow(expect.objectContaining({ kind: "ConfigError" }))
    }
  })
})

describe("an engine that is looked at", () => {
  it("shows no key when it, its configuration or its layers are printed", async () => {
    const config = await Effect.runPromise(decode(configOf("http://127.0.0.1:9")))
    await using engine = new AIEngine(configOf("http://127.0.0.1:9"))
    for (const value of [config, engine, Engine.layerOf(config)]) expectNoKey(shown(value))
    expect(shown(config)).toContain("redacted")
  })
})

describe("the gateway", () => {
  let upstream: TestUpstream
  let gateway: TestGateway
  const log: Array<string> = []
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway(configOf(upstream.url), { log })
  })
  afterAll(() => Promise.all([gateway.close(), upstream.close()]))

  it("answers its operator without a key, a token, a prompt or an answer", async () => {
    const ask = (stream: boolean) =>
      fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${canaryKey}` },
        body: JSON.stringify({ model: "gpt-test", stream, messages: [{ role: "user", content: canaryPrompt }] })
      }).then(async (response) => `${JSON.stringify([...response.headers])} ${await response.text()}`)
    for (const [, respond] of echoes) {
      upstream.respond = respond
      for (const stream of [false, true]) expectNoKey(await ask(stream))
    }
    upstream.respond = (response, request) => sendJson(500, { error: { message: request.text } })(response, request)
    await ask(false)
    const admin = (path: string) =>
      fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${adminToken}` } }).then((response) => {
        expect(response.status, path).toBe(200)
        return response.text()
      })
    const { items } = JSON.parse(await admin("/admin/api/requests?limit=100")) as {
      readonly items: ReadonlyArray<{ readonly id: string }>
    }
    expect(items.length).toBeGreaterThan(20)
    const pages = [
      "/admin/api/status",
      "/admin/api/usage?groupBy=model",
      "/admin/api/requests?limit=100",
      "/admin/api/errors",
      "/admin/api/usage/export?format=csv",
      "/admin/api/usage/export?format=ndjson",
      "/admin/api/providers",
      "/admin/api/config",
      "/admin/api/cache",
      ...items.map(({ id }) => `/admin/api/requests/${id}`)
    ]
    for (const page of pages) {
      const text = await admin(page)
      expectNoKey(text)
      expectNoContent(text)
    }
    for (const page of ["/metrics", "/health/ready", "/health/live", "/v1/models", "/admin/api/openapi.json"]) {
      const text = await fetch(`${gateway.url}${page}`).then((response) => response.text())
      expectNoKey(text)
      expectNoContent(text)
    }
    expect(log.length).toBeGreaterThan(0)
    expectNoKey(log.join("\n"))
    expectNoContent(log.join("\n"))
  })
})
