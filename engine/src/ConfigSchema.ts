/**
 * The configuration as people write it: one schema for the constructor argument and for every kind of file.
 *
 * It says what each field may hold, alone; rules between fields are in `ConfigRules.ts`, defaults in `Config.ts`. Every
 * field states what it expects, so that an error reads `retry.maxAttempts: expected a positive integer, got 0`. Times
 * are milliseconds or texts such as `10 minutes`, `30s` and `1h`.
 */
import { Redacted, Schema } from "effect"
import { isIP } from "node:net"
import { Budgets } from "./ConfigBudgets.ts"
import {
  Flag,
  isHttpUrl,
  Name,
  number,
  oneOf,
  PositiveInteger,
  PositiveTime,
  section,
  Share,
  text,
  Time
} from "./ConfigFields.ts"
import { Pricing } from "./ConfigPricing.ts"
import { Logging, Telemetry } from "./ConfigObservability.ts"
import { isRedisUrl } from "./stores/RedisLocation.ts"

export { toMillis } from "./ConfigFields.ts"

/** Who answers: a provider's own API, a server that speaks OpenAI's dialect, or the simulator. */
export const providerKinds = ["openai", "anthropic", "google", "openai-compatible", "simulated"] as const

const Integer = number("an integer", Number.isSafeInteger)
const Speed = number("tokens per second, 0 for all at once", (value) => Number.isFinite(value) && value >= 0)

/** Surrounding blanks, which secrets mounted as files often end with, don't count. */
const isHeaderText = (value: string, minLength: number): boolean =>
  value.trim().length >= minLength && /^[\x20-\x7e]+$/.test(value.trim())

const isRedactedString = (value: unknown): value is Redacted.Redacted =>
  Redacted.isRedacted(value) && typeof Redacted.value(value) === "string"

/** A text, or a `Redacted` one, that can be sent in an HTTP header. */
const secret = (expected: string, minLength: number) =>
  Schema.Union([Schema.String, Schema.declare(isRedactedString)])
    .annotate({ expected })
    .check(Schema.makeFilter((value) => isHeaderText(secretText(value), minLength), { expected }))

const Key = secret("a non-empty string of printable ASCII characters", 1)

/** The text of a secret, without surrounding blanks. */
export const secretText = (value: string | Redacted.Redacted): string =>
  (typeof value === "string" ? value : Redacted.value(value)).trim()

const BaseUrl = text(
  "an http or https URL without credentials, query or fragment",
  (value) => isHttpUrl(value) && !value.includes("?") && !value.includes("#")
)

const isHost = (value: string): boolean =>
  isIP(value) !== 0 || /^(?=.{1,253}$)[a-z0-9_]([a-z0-9._-]*[a-z0-9])?$/i.test(value)

const RateLimits = Schema.Struct({
  /** Requests in any minute. */
  requestsPerMinute: Schema.optional(PositiveInteger),
  /** Prompt and completion tokens in any minute. */
  tokensPerMinute: Schema.optional(PositiveInteger),
  /** Calls at the same time; 64 by default. */
  concurrent: Schema.optional(PositiveInteger),
  /** Length of the sliding window; 60,000 ms by default. */
  window: Schema.optional(PositiveTime)
})

/** A provider's own limits, and whether they follow what it reports and refuses. */
const ProviderLimits = Schema.Struct({
  ...RateLimits.fields,
  /**
   * On with a single key; "down" never goes above what is configured, "probe" also where the provider reports nothing, and
   * "watch" only shows what it reports.
   */
  learn: Schema.optional(
    Schema.Union([Schema.Boolean, Schema.Literals(["down", "probe", "watch"])]).annotate({
      expected: 'true, false, "down", "probe" or "watch"'
    })
  )
})

/** A model's or a tenant's own limits; no `concurrent` stands for any number of calls. */
const OwnLimits = RateLimits.annotate({ expected: "an object of limits" })

const Weight = number("a number over 0", (value) => Number.isFinite(value) && value > 0)

const Tenant = Schema.Struct({
  /** Share of a provider's queue among tenants of one priority; 1 by default. */
  weight: Schema.optional(Weight),
  /** Over all providers. */
  rateLimits: Schema.optional(OwnLimits)
}).annotate({ expected: "an object of settings" })

const Simulated = Schema.Struct({
  /** Time to the first part. */
  latency: Schema.optional(Time),
  tokensPerSecond: Schema.optional(Speed),
  /** Share of the calls that fail. */
  failureRate: Schema.optional(Share),
  seed: Schema.optional(Integer)
})

const Provider = Schema.Struct({
  name: text("a name of letters, digits, '.', '_' and '-', at most 64 characters", (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)
  ),
  /** The name, when that is a kind. */
  kind: Schema.optional(oneOf(providerKinds)),
  apiKey: Schema.optional(Key),
  apiKeys: Schema.optional(
    Schema.Array(Key)
      .annotate({ expected: "a list of keys" })
      .check(Schema.makeFilter((keys) => keys.length > 0, { expected: "at least one key" }))
  ),
  /** What the provider's own SDK calls base URL; a trailing slash is dropped. */
  baseUrl: Schema.optional(BaseUrl),
  api: Schema.optional(oneOf(["auto", "chat", "responses", "completions"])),
  /** Answers requests that name no model. */
  model: Schema.optional(Name),
  /** Only these, and `model`, are routed here. */
  models: Schema.optional(
    Schema.Array(Name)
      .annotate({ expected: "a list of model names" })
      .check(Schema.makeFilter((models) => models.length > 0, { expected: "at least one model name" }))
  ),
  /** Completion tokens for requests that name none. */
  maxTokens: Schema.optional(PositiveInteger),
  /** Tokens of prompt and completion together. */
  contextWindow: Schema.optional(PositiveInteger),
  /** Time to the first part of an attempt. */
  timeout: Schema.optional(PositiveTime),
  /** Silence between parts after the first one. */
  idleTimeout: Schema.optional(PositiveTime),
  rateLimits: Schema.optional(ProviderLimits.annotate({ expected: "an object of limits" })),
  /** Limits of single models, beside those of the provider. */
  modelLimits: Schema.optional(
    Schema.Record(Schema.String, OwnLimits).annotate({ expected: "an object of limits by model" })
  ),
  /** Overrides the price catalogue. */
  pricing: Schema.optional(Pricing.annotate({ expected: "an object of prices" })),
  /** Only for kind `simulated`. */
  simulated: Schema.optional(Simulated.annotate({ expected: "an object of settings" }))
}).annotate({ expected: "a provider: an object with a name" })

const Targets = Schema.Union([
  Name,
  Schema.Array(Name).check(Schema.makeFilter((targets) => targets.length > 0, { expected: "at least one model" }))
]).annotate({ expected: "a model or a list of models" })

/** The schema of what people write; `Config.decode` makes the `EngineConfig` of it that the engine runs on. */
export const EngineConfig = Schema.Struct({
  /** Without it, providers come from keys in the environment, else the simulated provider serves. */
  providers: Schema.optional(
    Schema.Array(Provider)
      .annotate({ expected: "a list of providers" })
      .check(Schema.makeFilter((providers) => providers.length > 0, { expected: "at least one provider" }))
  ),
  /** Names for models; a list is a fallback chain. */
  aliases: Schema.optional(Schema.Record(Schema.String, Targets).annotate({ expected: "an object of aliases" })),
  routing: section({
    strategy: Schema.optional(oneOf(["fallback", "round-robin", "weighted", "least-latency", "lowest-cost"])),
    /** Shares of traffic by provider, in any unit; 0 for one that only stands in for others. */
    weights: Schema.optional(
      Schema.Record(
        Schema.String,
        number("a number, 0 or more", (value) => Number.isFinite(value) && value >= 0)
      ).annotate({ expected: "an object of weights by provider" })
    )
  }),
  cache: section({
    enabled: Schema.optional(Flag),
    /** Entries. */
    maxSize: Schema.optional(PositiveInteger),
    /** Bytes of all entries. */
    maxBytes: Schema.optional(PositiveInteger),
    ttl: Schema.optional(PositiveTime),
    /** Time after the TTL in which an answer is served and renewed in the background. */
    staleWhileRevalidate: Schema.optional(Time),
    /** Time after the TTL in which an answer is served when the call fails at the provider. */
    staleIfError: Schema.optional(Time),
    /** Keeps a hash of each field of a request, so that stored keys can be explained. */
    explain: Schema.optional(Flag),
    /** Where entries survive the process; a file of its own. */
    store: Schema.optional(text("memory or sqlite:<path>", (value) => /^(memory|sqlite:.+)$/.test(value))),
    /** Entries that are there from the start: a file of `millrace cache export`. */
    warmup: Schema.optional(Name),
    /** Requests with a higher temperature are not cached; every temperature is, when this is not given. */
    maxTemperature: Schema.optional(number("a number from 0 to 2", (value) => value >= 0 && value <= 2)),
    /** Identical calls at the same time share one upstream call. */
    coalesce: Schema.optional(Flag),
    semantic: section({
      mode: Schema.optional(oneOf(["off", "shadow", "on"])),
      /** `lexical` or the `provider/model` that embeds. */
      embedder: Schema.optional(Name),
      /** Similarity from which two prompts may share an answer. */
      threshold: Schema.optional(Share),
      /** Words of a prompt; longer ones take no part. */
      maxWords: Schema.optional(PositiveInteger),
      /** Prompts that can be found; as many as the cache has entries, at most 100,000, when it is not given. */
      maxEntries: Schema.optional(PositiveInteger),
      /** How long an embedding may take before the lookup is a miss. */
      timeout: Schema.optional(PositiveTime),
      /** The `provider/model` that is asked about words which the gate doesn't know; nobody is, when it is not given. */
      judge: Schema.optional(Name),
      /** Questions to the judge as a share of the lookups. */
      judgeBudget: Schema.optional(Share),
      judgeTimeout: Schema.optional(PositiveTime),
      /** Share of the hits in mode `on` that are not served but compared with a new answer. */
      shadowSample: Schema.optional(Share)
    })
  }),
  retry: section({
    /** Attempts over all candidates of a request, the first one included. */
    maxAttempts: Schema.optional(PositiveInteger),
    baseDelay: Schema.optional(Time),
    maxDelay: Schema.optional(Time),
    /** Retries as a share of recent calls, for the whole process. */
    budget: Schema.optional(Share)
  }),
  breaker: section({
    failureRate: Schema.optional(Share),
    minimumCalls: Schema.optional(PositiveInteger),
    /** Failures in a row that open a circuit, however few calls there were. */
    consecutiveFailures: Schema.optional(PositiveInteger),
    openFor: Schema.optional(PositiveTime)
  }),
  hedge: section({
    enabled: Schema.optional(Flag),
    afterPercentile: Schema.optional(number("a number from 0 to 100", (value) => value >= 0 && value <= 100)),
    maxShare: Schema.optional(Share)
  }),
  queue: section({
    maxWaiting: Schema.optional(
      number("0 or a positive integer", (value) => Number.isSafeInteger(value) && value >= 0)
    ),
    maxWait: Schema.optional(Time)
  }),
  /** Weights and limits by tenant. */
  tenants: Schema.optional(Schema.Record(Schema.String, Tenant).annotate({ expected: "an object of tenants" })),
  /** For each tenant that `tenants` does not list. */
  tenantDefaults: Schema.optional(Tenant),
  /** What calls may cost in a period. */
  budgets: Schema.optional(Budgets),
  keys: section({
    /** Whether every route of the gateway but health asks for a virtual key. */
    required: Schema.optional(Flag),
    /** How soon changes of keys by other instances are seen; 10 s by default. */
    refresh: Schema.optional(PositiveTime)
  }),
  storage: section({
    database: Schema.optional(
      text("memory, sqlite:<path> or a postgres:// URL", (value) =>
        /^(memory|sqlite:.+|postgres(ql)?:\/\/.+)$/.test(value)
      )
    ),
    redis: Schema.optional(
      Schema.NullOr(text("a redis:// URL", isRedisUrl)).annotate({
        expected: "redis://user:password@host:port/database (a password's / # ? as %2F %23 %3F), rediss:// or null"
      })
    ),
    /** How long an answer of Redis may take until it counts as away; 100 ms by default. */
    redisTimeout: Schema.optional(PositiveTime),
    durability: Schema.optional(oneOf(["relaxed", "strict"])),
    /** Days that usage rows are kept; their sums stay. */
    retention: Schema.optional(
      Schema.NullOr(number("a positive integer", (value) => Number.isSafeInteger(value) && value > 0)).annotate({
        expected: "a positive integer of days or null"
      })
    )
  }),
  logging: Logging,
  telemetry: Telemetry,
  server: section({
    host: Schema.optional(text("a host name or an IP address", isHost)),
    port: Schema.optional(
      number("an integer from 0 to 65535", (value) => Number.isInteger(value) && value >= 0 && value <= 65_535)
    ),
    adminToken: Schema.optional(secret("at least 16 printable ASCII characters", 16)),
    /** Bytes of a request's body. */
    bodyLimit: Schema.optional(PositiveInteger),
    /** How long running calls may take to finish at shutdown. */
    drain: Schema.optional(Time)
  })
}).annotate({ expected: "an object of settings" })

/** What people write: the constructor argument, or a file's content. */
export type EngineConfigInput = typeof EngineConfig.Encoded

/** One entry of `providers`, as people write it. */
export type ProviderInput = NonNullable<EngineConfigInput["providers"]>[number]

/** A decoder that reports every wrong field and every unknown key. */
export const parseOptions = { errors: "all", onExcessProperty: "error", reportInput: true } as const
