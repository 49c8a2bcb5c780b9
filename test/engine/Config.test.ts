import { Effect, Redacted, Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  ConfigError,
  decode,
  type DecodeOptions,
  type EngineConfig,
  type EngineConfigInput
} from "../../engine/src/Config.ts"
import { unsupported } from "../../engine/src/ConfigUnsupported.ts"

const attempt = (input: unknown, options?: DecodeOptions) =>
  Effect.runSync(Effect.result(decode(input, { env: {}, ...options })))

const config = (input: unknown, options?: DecodeOptions): EngineConfig => Result.getOrThrow(attempt(input, options))

const errorOf = (input: unknown, options?: DecodeOptions): ConfigError => {
  const result = attempt(input, options)
  if (Result.isSuccess(result)) throw new Error("expected an error")
  return result.failure
}

const lines = (input: unknown, options?: DecodeOptions) => errorOf(input, options).message.split("\n")

/** The same config with keys readable, so that values can be compared. */
const plain = (value: unknown): unknown => {
  if (Redacted.isRedacted(value)) return { key: Redacted.value(value) }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]))
}

const openai = { name: "openai", apiKey: "sk-test" }
const only = (provider: object) => ({ providers: [{ ...openai, ...provider }] })

describe("defaults", () => {
  it("serves with the simulated provider when nothing is configured and no key is set", () => {
    const decoded = config(undefined)
    expect(decoded.providers.map(({ name, kind, model }) => ({ name, kind, model }))).toEqual([
      { name: "simulated", kind: "simulated", model: "simulated" }
    ])
    expect(decoded.simulated).toBe(true)
    expect(decoded.notes).toHaveLength(1)
    expect(decoded.notes[0]).toContain("the simulated provider answers")
  })

  it("fills in every field", () => {
    expect(plain(config({}))).toEqual({
      providers: [
        {
          name: "simulated",
          kind: "simulated",
          apiKeys: [],
          baseUrl: undefined,
          api: "auto",
          model: "simulated",
          models: undefined,
          maxTokens: undefined,
          contextWindow: undefined,
          timeoutMs: 60_000,
          idleTimeoutMs: 30_000,
          rateLimits: {
            requestsPerMinute: undefined,
            tokensPerMinute: undefined,
            concurrent: 64,
            windowMs: 60_000,
            learn: "watch"
          },
          modelLimits: {},
          pricing: undefined,
          simulated: { latencyMs: 300, tokensPerSecond: 80, failureRate: 0, seed: 1 }
        }
      ],
      aliases: {},
      routing: { strategy: "fallback", weights: {} },
      cache: {
        enabled: true,
        maxSize: 1000,
        ttlMs: 600_000,
        maxBytes: 128_000_000,
        staleWhileRevalidateMs: 0,
        staleIfErrorMs: 0,
        explain: true,
        store: "memory",
        warmup: undefined,
        maxTemperature: undefined,
        coalesce: true,
        semantic: {
          mode: "off",
          embedder: "lexical",
          threshold: 0.85,
          maxEntries: 1000,
          timeoutMs: 300,
          judgeBudget: 0.1,
          judgeTimeoutMs: 2000,
          shadowSample: 0
        }
      },
      retry: { maxAttempts: 3, baseDelayMs: 1000, maxDelayMs: 30_000, budget: 0.2 },
      breaker: { failureRate: 0.5, minimumCalls: 20, openForMs: 30_000 },
      hedge: { enabled: false, afterPercentile: 95, maxShare: 0.05 },
      queue: { maxWaiting: 10_000, maxWaitMs: 60_000 },
      tenants: { listed: {}, others: { weight: 1, rateLimits: undefined } },
      budgets: [],
      keys: { required: false, refreshMs: 10_000 },
      storage: { database: "memory", redis: undefined, redisTimeoutMs: 100, durability: "relaxed" },
      logging: { level: "info", levels: {}, format: "pretty", requests: 0, content: false },
      telemetry: { otlp: undefined, sample: 1, propagate: "local", content: false },
      server: { host: "127.0.0.1", port: 4000, adminToken: undefined, bodyLimitBytes: 20_000_000, drainMs: 30_000 },
      simulated: true,
      notes: expect.any(Array)
    })
  })

  it("keeps usage in memory for a library and in a file under serve, unless told otherwise", () => {
    expect(config({}, { door: "library" }).storage.database).toBe("memory")
    expect(config({}, { door: "serve" }).storage.database).toBe("sqlite:./millrace.db")
    expect(config({ storage: { database: "memory" } }, { door: "serve" }).storage.database).toBe("memory")
  })

  it("takes a provider's kind from its name and its model from its kind", () => {
    const decoded = config({
      providers: [
        openai,
        { name: "anthropic", apiKey: "k" },
        { name: "second", kind: "openai", apiKey: "k", models: ["gpt-5.4", "gpt-5.4-mini"] },
        { name: "local", kind: "openai-compatible", baseUrl: "http://127.0.0.1:8080/v1", model: "llama" },
        { name: "simulated" }
      ]
    })
    expect(decoded.providers.map(({ kind, model }) => [kind, model])).toEqual([
      ["openai", "gpt-5.4-mini"],
      ["anthropic", "claude-haiku-4-5"],
      ["openai", "gpt-5.4"],
      ["openai-compatible", "llama"],
      ["simulated", "simulated"]
    ])
    expect(decoded.simulated).toBe(false)
    expect(decoded.providers[3]!.apiKeys).toEqual([])
  })

  it("serves the default model also where models are listed without it", () => {
    expect(config(only({ model: "gpt-5.4", models: ["gpt-5.4-mini"] })).providers[0]!.models).toEqual([
      "gpt-5.4",
      "gpt-5.4-mini"
    ])
    expect(config(only({ models: ["a", "b", "a"] })).providers[0]!.models).toEqual(["a", "b"])
  })
})

describe("environment", () => {
  it("makes providers of the keys in the environment, when the config has none", () => {
    const decoded = config(
      { cache: { enabled: false } },
      { env: { OPENAI_API_KEY: "sk-1", ANTHROPIC_API_KEY: "sk-2 \n" } }
    )
    expect(plain(decoded.providers.map(({ name, kind, model, apiKeys }) => ({ name, kind, model, apiKeys })))).toEqual([
      { name: "openai", kind: "openai", model: "gpt-5.4-mini", apiKeys: [{ key: "sk-1" }] },
      { name: "anthropic", kind: "anthropic", model: "claude-haiku-4-5", apiKeys: [{ key: "sk-2" }] }
    ])
    expect(decoded.simulated).toBe(false)
    expect(decoded.notes).toEqual([])
  })

  it("leaves configured providers alone", () => {
    expect(config({ providers: [{ name: "simulated" }] }, { env: { OPENAI_API_KEY: "sk-1" } }).providers).toHaveLength(
      1
    )
  })

  it("makes a provider named google of a Gemini key", () => {
    const decoded = config(undefined, { env: { GEMINI_API_KEY: "key" } })
    expect(plain(decoded.providers)).toMatchObject([
      { name: "google", kind: "google", model: "gemini-2.5-flash", apiKeys: [{ key: "key" }] }
    ])
    expect(decoded).toMatchObject({ simulated: false, notes: [] })
  })

  it("ignores empty variables", () => {
    const decoded = config(undefined, { env: { OPENAI_API_KEY: "", ANTHROPIC_API_KEY: "  ", MILLRACE_PORT: "" } })
    expect(decoded.simulated).toBe(true)
    expect(decoded.server.port).toBe(4000)
  })

  it("fills in the server section where the config is silent", () => {
    const env = { MILLRACE_HOST: "0.0.0.0", MILLRACE_PORT: "8080", MILLRACE_ADMIN_TOKEN: "0123456789abcdef" }
    expect(plain(config({}, { env }).server)).toMatchObject({
      host: "0.0.0.0",
      port: 8080,
      adminToken: { key: "0123456789abcdef" }
    })
    const server = { host: "::1", port: 0, adminToken: "fedcba9876543210" }
    expect(plain(config({ server }, { env }).server)).toMatchObject({
      host: "::1",
      port: 0,
      adminToken: { key: "fedcba9876543210" }
    })
  })

  it("names the variable and never its value when that is wrong", () => {
    const env = { MILLRACE_PORT: "99999", MILLRACE_ADMIN_TOKEN: "canary", OPENAI_API_KEY: "sk-canary\u0000-1" }
    expect(lines({}, { env })).toEqual([
      "providers[0].apiKey: expected a non-empty string of printable ASCII characters, got the value of ${OPENAI_API_KEY}",
      "server.port: expected an integer from 0 to 65535, got the value of ${MILLRACE_PORT}",
      "server.adminToken: expected at least 16 printable ASCII characters, got the value of ${MILLRACE_ADMIN_TOKEN}"
    ])
  })

  it("does not replace ${NAME} in objects handed to a constructor", () => {
    const decoded = config(only({ model: "${MODEL}" }), { env: { MODEL: "x" } })
    expect(decoded.providers[0]!.model).toBe("${MODEL}")
  })

  it("does not change what it is given", () => {
    const input = Object.freeze({ server: Object.freeze({}) })
    config(input, { env: { MILLRACE_PORT: "8080", OPENAI_API_KEY: "sk-1" } })
    expect(input).toEqual({ server: {} })
  })
})

describe("times", () => {
  it.each([
    [1500, 1500],
    ["10 minutes", 600_000],
    ["30s", 30_000],
    ["1h", 3_600_000],
    ["250ms", 250],
    ["1.5 seconds", 1500],
    ["2 min", 120_000],
    ["1 Day", 86_400_000],
    [" 1  week ", 604_800_000],
    [0.5, 0.5]
  ])("reads %j as %d ms", (written, expected) => {
    const decoded = config({
      providers: [
        {
          name: "simulated",
          timeout: written,
          idleTimeout: written,
          rateLimits: { window: written },
          simulated: { latency: written }
        }
      ],
      cache: { ttl: written },
      retry: { baseDelay: written, maxDelay: written },
      breaker: { openFor: written },
      queue: { maxWait: written },
      server: { drain: written }
    })
    const provider = decoded.providers[0]!
    expect([
      provider.timeoutMs,
      provider.idleTimeoutMs,
      provider.rateLimits.windowMs,
      provider.simulated.latencyMs,
      decoded.cache.ttlMs,
      decoded.retry.baseDelayMs,
      decoded.retry.maxDelayMs,
      decoded.breaker.openForMs,
      decoded.queue.maxWaitMs,
      decoded.server.drainMs
    ]).toEqual(Array.from({ length: 10 }, () => expected))
  })

  it.each([
    "",
    "10",
    "ten minutes",
    "-5 seconds",
    "Infinity",
    "5 parsecs",
    "1 h 30 m",
    "1e3 ms",
    "constructor",
    "5 constructor"
  ])("refuses %j", (written) => {
    expect(lines({ cache: { ttl: written } })[0]).toBe(
      `cache.ttl: expected a positive number of milliseconds or a text such as "10 minutes", got ${
        written === "" ? '""' : JSON.stringify(written)
      }`
    )
  })

  it.each([-1, NaN, Infinity, null, [], {}, true, 10n])("refuses %s", (written) => {
    expect(errorOf({ server: { drain: written } }).issues[0]!.path).toBe("server.drain")
  })

  it("takes 0 where nothing is waited for, and not where something would never happen", () => {
    expect(
      config({ retry: { baseDelay: 0 }, server: { drain: 0 }, queue: { maxWait: 0, maxWaiting: 0 } })
    ).toBeDefined()
    expect(lines({ cache: { ttl: 0 }, breaker: { openFor: "0s" } })).toHaveLength(2)
  })
})

describe("errors", () => {
  it("come all at once, one a line, each with its path, what is expected and what was got", () => {
    expect(
      lines({
        providers: [openai, { ...openai, name: "b", kind: "openai", rateLimits: { concurrent: 0 } }],
        retry: { maxAttempts: 0, budget: 1.1 },
        breaker: { failureRate: -0.1 },
        hedge: { maxShare: 2, afterPercentile: 101 },
        cache: { maxSize: 1.5, maxTemperature: 3, semantic: { threshold: "high" } },
        routing: { strategy: "round robin" },
        server: { port: 65_536 },
        logging: { level: "loud" }
      })
    ).toEqual([
      "providers[1].rateLimits.concurrent: expected a positive integer, got 0",
      'routing.strategy: expected one of fallback, round-robin, weighted, least-latency, lowest-cost, got "round robin"',
      "cache.maxSize: expected a positive integer, got 1.5",
      "cache.maxTemperature: expected a number from 0 to 2, got 3",
      'cache.semantic.threshold: expected a number from 0 to 1, got "high"',
      "retry.maxAttempts: expected a positive integer, got 0",
      "retry.budget: expected a number from 0 to 1, got 1.1",
      "breaker.failureRate: expected a number from 0 to 1, got -0.1",
      "hedge.afterPercentile: expected a number from 0 to 100, got 101",
      "hedge.maxShare: expected a number from 0 to 1, got 2",
      'logging.level: expected one of trace, debug, info, warn, error, fatal, none, got "loud"',
      "server.port: expected an integer from 0 to 65535, got 65536"
    ])
  })

  it("reports broken rules together with wrong types", () => {
    expect(lines({ providers: [openai, openai], server: { port: "x" }, aliases: { fast: ["nobody/x"] } })).toEqual([
      'server.port: expected an integer from 0 to 65535, got "x"',
      "providers[1].name: duplicate of providers[0].name",
      'aliases.fast[0]: "nobody" is not a provider; providers here: openai, openai'
    ])
  })

  it("suggest the known key", () => {
    expect(
      lines({
        provider: [],
        providers: [{ ...openai, api_key: "x", rateLimit: {}, rateLimits: { requestPerMinute: 1 } }],
        cache: { ttlMs: 5, semantics: {} },
        somethingElse: 1
      })
    ).toEqual([
      'provider: unknown key, did you mean "providers"?',
      expect.stringMatching(/^somethingElse: unknown key; known here: providers, aliases, /),
      'providers[0].api_key: unknown key, did you mean "apiKey"?',
      'providers[0].rateLimit: unknown key, did you mean "rateLimits"?',
      'providers[0].rateLimits.requestPerMinute: unknown key, did you mean "requestsPerMinute"?',
      'cache.ttlMs: unknown key, did you mean "ttl"?',
      'cache.semantics: unknown key, did you mean "semantic"?'
    ])
  })

  it.each([
    [null, "expected an object of settings, got null"],
    ["providers", "expected an object of settings, got a string"],
    [[openai], "expected an object of settings, got a list"],
    [42, "expected an object of settings, got a number"]
  ])("refuse %j as a whole", (input, message) => {
    expect(lines(input)).toEqual([message])
  })

  it("refuse an empty list of providers, and entries that are none", () => {
    expect(lines({ providers: [] }, { env: { OPENAI_API_KEY: "sk-1" } })).toEqual([
      "providers: expected at least one provider, got an empty list"
    ])
    expect(lines({ providers: {} })).toEqual(["providers: expected a list of providers, got an object"])
    expect(lines({ providers: null })).toEqual(["providers: expected a list of providers, got null"])
    expect(lines({ providers: [null, "openai"] })).toEqual([
      "providers[0]: expected a provider: an object with a name, got null",
      'providers[1]: expected a provider: an object with a name, got "openai"'
    ])
  })

  it("refuse keys that reach a prototype, circles and endless nesting", () => {
    expect(lines(JSON.parse('{ "cache": { "__proto__": { "enabled": false } } }'))).toEqual([
      "cache.__proto__: is not allowed as a key"
    ])
    const circle: Record<string, unknown> = {}
    circle["cache"] = { semantic: circle }
    expect(lines(circle)).toEqual(["cache.semantic: contains itself"])
    let deep: unknown = {}
    for (let i = 0; i < 5000; i++) deep = { deep }
    expect(lines({ cache: deep })).toEqual(["cache.deep.deep.deep: is nested deeper than 16 levels"])
  })

  it("carry the issues as data, under one tag", () => {
    const error = errorOf({ server: { port: -1 } })
    expect(error).toBeInstanceOf(ConfigError)
    expect(error._tag).toBe("ConfigError")
    expect(error.issues).toEqual([{ path: "server.port", message: "expected an integer from 0 to 65535, got -1" }])
  })
})

describe("providers", () => {
  it("have unique names", () => {
    expect(lines({ providers: [openai, { ...openai, kind: "openai" }, { ...openai }] })).toEqual([
      "providers[1].name: duplicate of providers[0].name",
      "providers[2].name: duplicate of providers[0].name"
    ])
  })

  it.each(["", " ", "a/b", "a b", "ä", "x".repeat(65), "-a"])("refuse the name %j", (name) => {
    expect(errorOf({ providers: [{ name, kind: "simulated" }] }).issues[0]!.path).toBe("providers[0].name")
  })

  it("say which kinds there are when the name is none", () => {
    expect(lines({ providers: [{ name: "openrouter", apiKey: "k" }] })).toEqual([
      'providers[0].kind: expected one of openai, anthropic, google, openai-compatible, simulated, because "openrouter" is not a kind, got nothing'
    ])
    expect(lines({ providers: [{ name: "a", kind: "opnai", apiKey: "k" }] })).toEqual([
      'providers[0].kind: expected one of openai, anthropic, google, openai-compatible, simulated, got "opnai"'
    ])
  })

  it("of kind openai-compatible need a baseUrl and a model", () => {
    expect(lines({ providers: [{ name: "x", kind: "openai-compatible" }] })).toEqual([
      "providers[0].baseUrl: expected a URL, which openai-compatible needs, got nothing",
      "providers[0].model: expected the model to use, which openai-compatible has no default for, got nothing"
    ])
    const compatible = { name: "x", kind: "openai-compatible", baseUrl: "http://localhost", models: ["a", "b"] }
    expect(config({ providers: [compatible] }).providers[0]!.model).toBe("a")
  })

  it("need a key for the provider's own address, and one way of giving it", () => {
    expect(lines({ providers: [{ name: "openai" }, { name: "anthropic" }] })).toEqual([
      "providers[0].apiKey: expected a key, which openai needs, got nothing",
      "providers[1].apiKey: expected a key, which anthropic needs, got nothing"
    ])
    expect(config({ providers: [{ name: "openai", baseUrl: "http://127.0.0.1:1" }] }).providers[0]!.apiKeys).toEqual([])
    expect(lines(only({ apiKeys: ["a"] }))).toEqual(["providers[0].apiKeys: give either apiKey or apiKeys, not both"])
    expect(lines({ providers: [{ name: "openai", apiKeys: [] }] })).toEqual([
      "providers[0].apiKeys: expected at least one key, got an empty list"
    ])
  })

  it("keep keys redacted, whether they come as text or redacted", () => {
    const decoded = config({ providers: [{ name: "openai", apiKeys: ["sk-1", Redacted.make(" sk-2\n")] }] })
    expect(decoded.providers[0]!.apiKeys.map(Redacted.value)).toEqual(["sk-1", "sk-2"])
    expect(JSON.stringify(decoded)).not.toContain("sk-1")
  })

  it.each([
    ["https://api.example.com/v1/", "https://api.example.com/v1"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["HTTP://Example.com///", "http://example.com"],
    ["http://[::1]:8080/x/", "http://[::1]:8080/x"]
  ])("take the baseUrl %s", (baseUrl, expected) => {
    expect(config(only({ baseUrl })).providers[0]!.baseUrl).toBe(expected)
  })

  it.each([
    "ftp://x",
    "file:///etc/passwd",
    "//x",
    "x",
    "",
    "http://",
    "http://x?y",
    "http://x#y",
    "javascript:1",
    5,
    "http:x"
  ])("refuse the baseUrl %j", (baseUrl) => {
    expect(lines(only({ baseUrl }))).toEqual([
      `providers[0].baseUrl: expected an http or https URL without credentials, query or fragment, got ${JSON.stringify(baseUrl)}`
    ])
  })

  it("never show the credentials of a baseUrl", () => {
    expect(lines(only({ baseUrl: "https://me:canary@example.com" }))).toEqual([
      "providers[0].baseUrl: expected an http or https URL without credentials, query or fragment, got a string"
    ])
  })

  it("take only the settings of their kind", () => {
    expect(
      lines({
        providers: [
          { ...openai, simulated: { seed: 1 } },
          { name: "anthropic", apiKey: "k", api: "chat" }
        ]
      })
    ).toEqual([
      "providers[0].simulated: only a provider of kind simulated has these settings, this one is openai",
      "providers[1].api: only openai and openai-compatible have more than one API, this one is anthropic"
    ])
  })
})

describe("aliases", () => {
  const providers = [
    { ...openai, models: ["gpt-5.4-mini", "org/tuned"] },
    { name: "anthropic", apiKey: "k" }
  ]

  it("are chains of models that exist", () => {
    const aliases = {
      fast: ["openai/gpt-5.4-mini", "anthropic/claude-haiku-4-5"],
      single: "anthropic/claude-opus",
      bare: ["gpt-5.4-mini", "org/tuned", "claude-x"]
    }
    expect(config({ providers, aliases }).aliases).toEqual({ ...aliases, single: ["anthropic/claude-opus"] })
  })

  it("name what is wrong with a target", () => {
    expect(
      lines({
        providers,
        aliases: {
          a: ["opneai/gpt-5.4-mini"],
          b: ["openai/gpt-4"],
          c: ["anthropic/x", "b"],
          d: "openai/",
          e: [],
          f: [""],
          "openai/gpt-5.4-mini": ["anthropic/x"]
        }
      })
    ).toEqual([
      "aliases.e: expected a model or a list of models, got an empty list",
      'aliases.f[0]: expected a non-empty string, got ""',
      'aliases.a[0]: "opneai" is not a provider; providers here: openai, anthropic',
      'aliases.b[0]: "openai" does not serve "gpt-4"; its models: gpt-5.4-mini, org/tuned',
      'aliases.c[1]: "b" is an alias itself; name the models',
      'aliases.d: "openai/" names no model',
      'aliases["openai/gpt-5.4-mini"]: "openai/gpt-5.4-mini" would hide a model of "openai"'
    ])
  })

  it("refuse a bare model that nobody serves", () => {
    expect(lines({ providers: providers.slice(0, 1), aliases: { a: ["gpt-9"] } })).toEqual([
      'aliases.a[0]: no provider serves "gpt-9"'
    ])
  })

  it("may target providers that come from the environment", () => {
    const aliases = { fast: ["openai/gpt-5.4-mini"] }
    expect(config({ aliases }, { env: { OPENAI_API_KEY: "k" } }).aliases).toEqual(aliases)
    expect(lines({ aliases })).toEqual(['aliases.fast[0]: "openai" is not a provider; providers here: simulated'])
  })

  it("have no prototype, so that a model named constructor is no alias", () => {
    expect(config({}).aliases["constructor"]).toBeUndefined()
    expect(config({ aliases: { constructor: ["simulated"] } }).aliases["constructor"]).toEqual(["simulated"])
  })
})

describe("other sections", () => {
  it("take an embedder that is lexical or a model of a provider", () => {
    expect(config({ cache: { semantic: { embedder: "simulated/e" } } }).cache.semantic.embedder).toBe("simulated/e")
    expect(lines({ cache: { semantic: { embedder: "voyage/e" } } })).toEqual([
      'cache.semantic.embedder: expected lexical or provider/model with a provider of this configuration, got "voyage/e"'
    ])
    expect(lines({ cache: { semantic: { judge: "lexical" } } })).toEqual([
      'cache.semantic.judge: expected provider/model with a provider of this configuration, got "lexical"'
    ])
  })

  it("take null for redis and otlp, and http for otlp", () => {
    expect(config({ storage: { redis: null }, telemetry: { otlp: null } })).toMatchObject({
      storage: { redis: undefined },
      telemetry: { otlp: undefined }
    })
    expect(config({ telemetry: { otlp: "http://127.0.0.1:4318" } }).telemetry.otlp).toBe("http://127.0.0.1:4318")
    expect(lines({ telemetry: { otlp: "grpc://x" } })).toEqual([
      'telemetry.otlp: expected an http or https URL without credentials and query, or null, got "grpc://x"'
    ])
  })

  it.each(["redis://127.0.0.1:6379", "redis://user:p%2F%40ss@cache/3", "rediss://cache.example:6380/"])(
    "take the Redis %j",
    (redis) => {
      expect(config({ storage: { redis, redisTimeout: "50ms" } }).storage).toMatchObject({ redis, redisTimeoutMs: 50 })
    }
  )

  it.each(["redis://", "redis://h/canary", "redis://:cana/ry@h", "redis://h?password=canary", "http://canary@h"])(
    "refuse the Redis %j and quote nothing of a password",
    (redis) => {
      const [line] = lines({ storage: { redis } })
      expect(line).toMatch(/^storage\.redis: expected redis:\/\/user:password@host:port\/database/)
      if (redis.includes("@")) expect(line).not.toMatch(/cana/)
    }
  )

  it.each(["mysql://u:canary@h/db", "sqlite:", "Memory", ""])("refuse the database %j", (database) => {
    const message = lines({ storage: { database } })[0]!
    expect(message).toMatch(/^storage\.database: expected memory, sqlite:<path> or a postgres:\/\/ URL, got /)
    expect(message).not.toContain("canary")
  })

  it("take host names and addresses", () => {
    for (const host of ["0.0.0.0", "::", "localhost", "a.example.com"]) {
      expect(config({ server: { host } }).server.host).toBe(host)
    }
    for (const host of ["http://x", "a b", "", "[::1]", "x:80", "a/"]) {
      expect(errorOf({ server: { host } }).issues[0]!.path).toBe("server.host")
    }
  })

  it("want an admin token of 16 characters that a header can carry", () => {
    expect(config({ server: { adminToken: "x".repeat(16) } }).server.adminToken).toBeDefined()
    for (const adminToken of ["x".repeat(15), "canary".repeat(3) + "é", `canary${" ".repeat(16)}`, 1234567890123456]) {
      expect(lines({ server: { adminToken } })).toEqual([
        `server.adminToken: expected at least 16 printable ASCII characters, got a ${typeof adminToken}`
      ])
    }
  })
})

describe("weights", () => {
  const two = [
    { name: "a", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9", model: "m" },
    { name: "b", kind: "simulated" }
  ]

  it("are shares by provider, 0 included", () => {
    const { routing } = config({ providers: two, routing: { strategy: "weighted", weights: { a: 2.5, b: 0 } } })
    expect(routing).toEqual({ strategy: "weighted", weights: { a: 2.5, b: 0 } })
  })

  it("are refused for a provider that is not there, and below 0", () => {
    expect(lines({ providers: two, routing: { weights: { a: -1, c: 1, constructor: 1 } } }).toSorted()).toEqual([
      "routing.weights.a: expected a number, 0 or more, got -1",
      'routing.weights.c: "c" is not a provider; providers here: a, b',
      'routing.weights.constructor: "constructor" is not a provider; providers here: a, b'
    ])
  })
})

describe("what this version can't do", () => {
  const refused: ReadonlyArray<readonly [string, object, string]> = []

  it.each(refused)("is refused: %s (%j)", (path, input, named) => {
    const all = lines(input)
    expect(all).toHaveLength(1)
    expect(all[0]).toMatch(
      new RegExp(`^${path.replaceAll(/[[\].]/g, "\\$&")}: ${named} is not available in this version; use `)
    )
    expect(all[0]).not.toContain("canary")
  })

  it("is tried here row by row", () => {
    const tried = new Set(refused.map(([path]) => path.replace("[0]", ".*")))
    expect(unsupported.map((row) => row.path.join(".")).filter((path) => !tried.has(path))).toEqual([])
  })
})

describe("secrets", () => {
  const secret = "sk-canary-0123456789abcdef"

  it.each([
    ["as a number", { providers: [{ name: "openai", apiKey: 4815162342 }] }, "4815162342"],
    ["in an object", { providers: [{ name: "openai", apiKey: { value: secret } }] }, secret],
    ["in a list", { providers: [{ name: "openai", apiKeys: [[secret]] }] }, secret],
    ["with a line break", { providers: [{ name: "openai", apiKey: `${secret}\n${secret}` }] }, secret],
    ["too short a token", { server: { adminToken: "canary-token" } }, "canary-token"],
    ["repeated in another field", { providers: [{ name: "openai", apiKey: secret, kind: secret }] }, secret],
    ["as a name", { providers: [{ name: `${secret} `, apiKey: secret }] }, secret],
    [
      "as an alias target",
      { providers: [{ name: "openai", apiKey: secret, models: ["x"] }], aliases: { a: [secret] } },
      secret
    ],
    ["redacted", { providers: [{ name: "openai", apiKey: Redacted.make(`${secret}\u0000`) }] }, secret]
  ])("never appear in errors: %s", (_, input, canary) => {
    const error = errorOf(input)
    expect(error.message).not.toContain(canary)
    expect(JSON.stringify(error)).not.toContain(canary)
    expect(String(error.stack)).not.toContain(canary)
  })
})

const share = fc.double({ min: 0, max: 1, noNaN: true })
const positive = fc.integer({ min: 1, max: 1_000_000 })
const time = fc.oneof(
  fc.integer({ min: 1, max: 10_000_000 }),
  fc
    .tuple(fc.integer({ min: 1, max: 999 }), fc.constantFrom("ms", "s", " seconds", " minutes", "m", "h", " hours"))
    .map(([n, unit]) => `${n}${unit}`)
)
const model = fc.stringMatching(/^[a-z][a-z0-9.-]{0,12}$/)
const key = fc.stringMatching(/^[!-~]{1,40}$/)
const some = <T extends object>(fields: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { requiredKeys: [] })

const provider = fc
  .record(
    {
      name: fc.constant(""),
      kind: fc.constantFrom("openai", "anthropic", "openai-compatible", "simulated"),
      apiKey: key,
      baseUrl: fc.webUrl({ validSchemes: ["http", "https"] }),
      model,
      models: fc.uniqueArray(model, { minLength: 1, maxLength: 4 }),
      maxTokens: positive,
      contextWindow: positive,
      timeout: time,
      idleTimeout: time,
      rateLimits: some({ requestsPerMinute: positive, tokensPerMinute: positive, concurrent: positive, window: time }),
      pricing: fc.record(
        { input: share, output: share, cacheRead: share, cacheWrite: share },
        { requiredKeys: ["input", "output"] }
      ),
      simulated: some({ latency: time, tokensPerSecond: positive, failureRate: share, seed: fc.integer() })
    },
    { requiredKeys: ["name", "kind", "apiKey", "baseUrl", "model"] }
  )
  .map(({ simulated, ...rest }) =>
    rest.kind === "simulated" && simulated !== undefined ? { ...rest, simulated } : rest
  )

const valid: fc.Arbitrary<EngineConfigInput> = fc
  .tuple(
    fc.array(provider, { minLength: 1, maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^alias-[a-z]{1,8}$/), fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), {
      maxKeys: 3
    }),
    some({
      routing: some({
        strategy: fc.constantFrom("fallback", "round-robin", "weighted", "least-latency", "lowest-cost")
      }),
      cache: some({
        enabled: fc.boolean(),
        maxSize: positive,
        ttl: time,
        maxTemperature: share,
        coalesce: fc.boolean(),
        semantic: some({ mode: fc.constant("off"), embedder: fc.constant("lexical"), threshold: share })
      }),
      retry: some({ maxAttempts: positive, baseDelay: time, maxDelay: time, budget: share }),
      breaker: some({ failureRate: share, minimumCalls: positive, consecutiveFailures: positive, openFor: time }),
      hedge: some({ enabled: fc.boolean(), afterPercentile: fc.integer({ min: 0, max: 100 }), maxShare: share }),
      queue: some({ maxWaiting: fc.nat(), maxWait: time }),
      keys: some({ required: fc.constant(false) }),
      storage: some({
        database: fc.constantFrom("memory", "sqlite:./x.db"),
        redis: fc.constant(null),
        durability: fc.constantFrom("relaxed", "strict")
      }),
      logging: some({
        level: fc.constantFrom("trace", "debug", "info", "warn", "error", "fatal", "none"),
        format: fc.constantFrom("pretty", "json"),
        content: fc.constant(false)
      }),
      telemetry: some({ otlp: fc.constantFrom(null, "https://collector.example.com/v1/traces") }),
      server: some({
        host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
        port: fc.integer({ min: 0, max: 65_535 }),
        adminToken: fc.stringMatching(/^[!-~]{16,40}$/),
        bodyLimit: positive,
        drain: time
      })
    })
  )
  .map(([providers, aliases, sections]) => {
    const named = providers.map((entry, index) => ({ ...entry, name: `p${index}` }))
    const target = (n: number) => {
      const { name, model } = named[n % named.length]!
      return `${name}/${model}`
    }
    return {
      ...sections,
      providers: named,
      aliases: Object.fromEntries(Object.entries(aliases).map(([alias, targets]) => [alias, targets.map(target)]))
    } as EngineConfigInput
  })

/** Paths of every scalar of a value. */
const leaves = (
  value: unknown,
  path: ReadonlyArray<string | number> = []
): ReadonlyArray<ReadonlyArray<string | number>> => {
  if (Array.isArray(value)) return value.flatMap((entry, index) => leaves(entry, [...path, index]))
  if (typeof value !== "object" || value === null) return [path]
  return Object.entries(value).flatMap(([key, entry]) => leaves(entry, [...path, key]))
}

const written = (path: ReadonlyArray<string | number>) =>
  path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`))
    .join("")
    .slice(1)

const replaceAt = (value: unknown, path: ReadonlyArray<string | number>, replacement: unknown): unknown => {
  if (path.length === 0) return replacement
  const [head, ...rest] = path
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>
  copy[head!] = replaceAt(copy[head!], rest, replacement)
  return copy
}

describe("for every valid configuration", () => {
  it("the same configuration is decoded after a round trip through JSON", () => {
    fc.assert(
      fc.property(valid, (input) => {
        const roundTrip: unknown = JSON.parse(JSON.stringify(input))
        expect(plain(config(roundTrip))).toEqual(plain(config(input)))
      }),
      { numRuns: 200 }
    )
  })

  it("a single corrupted field is reported with its own path", () => {
    const wrong = fc.constantFrom<unknown>({ wrong: true }, Number.NaN, 1n, Symbol("wrong"), () => 1, { deep: [{}] })
    fc.assert(
      fc.property(valid, fc.nat(), wrong, (input, n, value) => {
        const paths = leaves(input)
        const path = paths[n % paths.length]!
        const issues = errorOf(replaceAt(input, path, value)).issues
        expect(issues.map((issue) => issue.path)).toContain(written(path))
        // A wrong name or model may take the target of an alias with it; nothing else is reported.
        const others = issues.filter((issue) => issue.path !== written(path) && !issue.path.startsWith("aliases."))
        expect(others).toEqual([])
      }),
      { numRuns: 400 }
    )
  })

  it("a single misspelt key is reported with its own path and the right one", () => {
    fc.assert(
      fc.property(valid, fc.nat(), (input, n) => {
        const paths = leaves(input).filter((path) => typeof path.at(-1) === "string" && path[0] !== "aliases")
        if (paths.length === 0) return
        const path = paths[n % paths.length]!
        const name = path.at(-1) as string
        const parent = path
          .slice(0, -1)
          .reduce<unknown>((value, key) => (value as Record<string | number, unknown>)[key], input)
        const misspelt = replaceAt(input, path.slice(0, -1), { ...(parent as object), [`${name}x`]: 1 })
        expect(errorOf(misspelt).message).toBe(
          `${written([...path.slice(0, -1), `${name}x`])}: unknown key, did you mean "${name}"?`
        )
      }),
      { numRuns: 200 }
    )
  })
})
