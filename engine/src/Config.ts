/**
 * The configuration the engine runs on: decoded, with every default filled in, times in milliseconds, keys redacted.
 *
 * `decode` takes what people write (a constructor argument, or the content of a file) and the environment, and reports
 * every error at once. What this version can't do is refused, never ignored. Values of keys and of environment variables
 * don't appear in errors. It reads no file and opens no connection; `ConfigFile.ts` reads files.
 */
import { Effect, Predicate, Redacted, Result, Schema } from "effect"
import type { BudgetOptions } from "./BudgetRule.ts"
import { buildBudgets } from "./ConfigBudgets.ts"
import { complete } from "./ConfigEnvironment.ts"
import type { Environment, Origins } from "./ConfigEnvironment.ts"
import { type Given, givenBy } from "./ConfigSources.ts"
import { forbiddenShapes } from "./ConfigShape.ts"
import {
  buildProvider,
  fromMade,
  millis,
  ownLimits,
  placeholder,
  type ProviderConfig,
  recordOf,
  unnamedIn,
  withMade
} from "./ConfigProvider.ts"
import { buildLogging, buildTelemetry, type LoggingConfig, type TelemetryConfig } from "./ConfigObservability.ts"
import { brokenRules, withoutRepeats } from "./ConfigRules.ts"
import { EngineConfig as Document, parseOptions, providerKinds, secretText } from "./ConfigSchema.ts"
import type { EngineConfigInput } from "./ConfigSchema.ts"
import { formatPath, locateIssues, showType } from "./Issues.ts"
import type { Located, Path } from "./Issues.ts"
import type { ProviderInfo } from "./Provider.ts"
import type { TenantOptions, TenantsOptions } from "./RateTenants.ts"
import type { SemanticSettings } from "./SemanticCache.ts"

export type { ProviderConfig } from "./ConfigProvider.ts"
export type { EngineConfigInput, ProviderInput } from "./ConfigSchema.ts"

/** Everything the engine, its gateway and its CLI are told. Shares are 0 to 1. */
export interface EngineConfig {
  /** At least one; names are unique. */
  readonly providers: ReadonlyArray<ProviderConfig>
  /** Chains of `provider/model` or bare models by alias; has no prototype. */
  readonly aliases: { readonly [alias: string]: ReadonlyArray<string> }
  readonly routing: {
    readonly strategy: "fallback" | "round-robin" | "weighted" | "least-latency" | "lowest-cost"
    /** Shares of `weighted` by provider; has no prototype. Who is not in it has its requests per minute. */
    readonly weights: { readonly [provider: string]: number }
  }
  readonly cache: {
    readonly enabled: boolean
    /** Entries. */
    readonly maxSize: number
    readonly maxBytes: number
    readonly ttlMs: number
    readonly staleWhileRevalidateMs: number
    readonly staleIfErrorMs: number
    readonly explain: boolean
    /** `memory` or `sqlite:<path>`. */
    readonly store: string
    /** Path of a file. */
    readonly warmup: string | undefined
    /** Undefined: every temperature is cached. */
    readonly maxTemperature: number | undefined
    /** Identical calls at the same time share one upstream call. */
    readonly coalesce: boolean
    readonly semantic: SemanticSettings
  }
  readonly retry: {
    /** Attempts over all candidates of a request, the first one included. */
    readonly maxAttempts: number
    readonly baseDelayMs: number
    readonly maxDelayMs: number
    /** Retries as a share of recent calls. */
    readonly budget: number
  }
  readonly breaker: {
    readonly failureRate: number
    readonly minimumCalls: number
    /** Undefined: failures in a row alone open nothing. */
    readonly consecutiveFailures: number | undefined
    readonly openForMs: number
  }
  readonly hedge: { readonly enabled: boolean; readonly afterPercentile: number; readonly maxShare: number }
  readonly queue: { readonly maxWaiting: number; readonly maxWaitMs: number }
  readonly tenants: TenantsOptions
  /** Names are unique. */
  readonly budgets: ReadonlyArray<BudgetOptions>
  readonly keys: {
    readonly required: boolean
    /** How soon changes of other instances are seen. */
    readonly refreshMs: number
  }
  readonly storage: {
    /** `memory`, `sqlite:<path>` or a `postgres://` URL. */
    readonly database: string
    /** A `redis://` or `rediss://` URL. */
    readonly redis: string | undefined
    /** Milliseconds. */
    readonly redisTimeoutMs: number
    readonly durability: "relaxed" | "strict"
    /** Undefined keeps usage rows for ever. */
    readonly retentionDays: number | undefined
  }
  readonly logging: LoggingConfig
  readonly telemetry: TelemetryConfig
  readonly server: {
    readonly host: string
    readonly port: number
    readonly adminToken: Redacted.Redacted | undefined
    readonly bodyLimitBytes: number
    readonly drainMs: number
  }
  /** True when no real provider is in it. */
  readonly simulated: boolean
  /** What the user should be told: what was chosen for them, and what in the environment is not used. */
  readonly notes: ReadonlyArray<string>
}

/** The schema of what people write. */
export const EngineConfig = Document

/** Every error of a configuration at once; the message is one line for each. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  issues: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })),
  file: Schema.optional(Schema.String)
}) {
  override get message() {
    return this.issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("\n")
  }
}

export interface DecodeOptions {
  /** Instead of the process's environment. */
  readonly env?: Environment | undefined
  /** What is being started: `storage.database` is `memory` in a library and a file under `serve`. */
  readonly door?: "library" | "serve" | undefined
  /** Which texts were put in from the environment, when the input was interpolated. Their document is written to. */
  readonly origins?: Origins | undefined
  /**
   * Providers made by code. Those that the input doesn't name come after its own, with the limits they bring; when the
   * input has no `providers`, they are all there are, and the environment adds none.
   */
  readonly providers?: ReadonlyArray<ProviderInfo> | undefined
}

export interface Decoded {
  readonly config: EngineConfig
  readonly given: Given
}

/**
 * Decodes what people write. Fails with every error at once; each names its path.
 *
 * @example
 * decode({ providers: [{ name: "openai", apiKey: "sk-…", rateLimits: { concurrent: 0 } }] })
 * // fails with: providers[0].rateLimits.concurrent: expected a positive integer, got 0
 */
export const decode = (input: unknown, options?: DecodeOptions): Effect.Effect<EngineConfig, ConfigError> =>
  Effect.map(decodeGiven(input, options), ({ config }) => config)

/** The same, with who gave which value. */
export const decodeGiven = (input: unknown, options?: DecodeOptions): Effect.Effect<Decoded, ConfigError> =>
  Effect.suspend(() => {
    const written = input === undefined ? {} : input
    const origins: Origins = new Map(options?.origins)
    const forbidden = forbiddenShapes(written)
    if (forbidden.length > 0) return failWith(forbidden, [])
    if (!Predicate.isObject(written)) {
      return failWith([{ path: [], detail: `expected an object of settings, got ${showType(written)}` }], [])
    }
    const made = unnamedIn(written, options?.providers ?? [])
    const alone = made.length > 0 && written["providers"] === undefined
    const source = alone ? { ...written, providers: placeholder } : (written as { [key: string]: unknown })
    const { document, notes } = complete(source, options?.env ?? process.env, origins)
    const hidden = (path: Path, value: unknown) => hide(path, value, origins)
    let decoded = decodeDocument(document)
    if (Result.isFailure(decoded) && coerce(document, locateIssues(decoded.failure.issue), origins)) {
      decoded = decodeDocument(document)
    }
    const wrong = Result.isFailure(decoded) ? locateIssues(decoded.failure.issue, { hidden }) : []
    const broken = withoutRepeats(wrong, brokenRules(withMade(document, made, alone)))
    if (Result.isFailure(decoded) || broken.length > 0) {
      return failWith([...wrong, ...broken], secretsOf(document, origins))
    }
    const built = build(decoded.success, notes, options?.door ?? "library")
    const given = givenBy(written, document, origins)
    if (made.length === 0) return Effect.succeed({ config: built, given })
    const providers = [...(alone ? [] : built.providers), ...made.map(fromMade)]
    return Effect.succeed({ config: { ...built, providers, simulated: onlySimulated(providers) }, given })
  })

const decodeDocument = Schema.decodeUnknownResult(Document, parseOptions)

const failWith = (issues: ReadonlyArray<Located>, secrets: ReadonlyArray<string>) => {
  const scrub = (text: string) => secrets.reduce((out, secret) => out.replaceAll(secret, "<hidden>"), text)
  return Effect.fail(
    new ConfigError({
      issues: issues.map(({ path, detail }) => ({ path: formatPath(path), message: scrub(detail) }))
    })
  )
}

/** What an error says instead of a value that came from the environment, is secret, or may hold a password. */
const hide = (path: Path, value: unknown, origins: Origins): string | undefined => {
  const origin = origins.get(formatPath(path))
  if (origin !== undefined) return origin.whole ? `the value of ${origin.template}` : JSON.stringify(origin.template)
  if (path.some((key) => key === "apiKey" || key === "apiKeys" || key === "adminToken")) return showType(value)
  return typeof value === "string" && value.includes("@") ? showType(value) : undefined
}

/** Texts that no error may contain, whichever field they stand in. Shorter ones are words, not secrets. */
const secretsOf = (document: unknown, origins: Origins): ReadonlyArray<string> => {
  const found = [...origins.values()].flatMap((origin) => origin.values)
  const visit = (value: unknown, secret: boolean): void => {
    if (typeof value === "string" && secret) found.push(value)
    else if (Array.isArray(value)) for (const entry of value) visit(entry, secret)
    else if (Predicate.isObject(value)) {
      for (const [key, entry] of Object.entries(value)) visit(entry, secret || /^(apiKeys?|adminToken)$/.test(key))
    }
  }
  visit(document, false)
  return found.filter((secret) => secret.length >= 12 && !providerKinds.some((kind) => kind === secret))
}

/** Turns texts that are one environment variable each into the number or flag their field takes. */
const coerce = (document: unknown, issues: ReadonlyArray<Located>, origins: Origins): boolean => {
  let changed = false
  for (const { path } of issues) {
    const origin = origins.get(formatPath(path))
    const text = origin?.whole === true ? origin.values[0]!.trim() : ""
    if (!/^(-?\d+(\.\d+)?|true|false)$/.test(text)) continue
    const parent = path
      .slice(0, -1)
      .reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)[key], document)
    const value: unknown = JSON.parse(text)
    ;(parent as Record<PropertyKey, unknown>)[path.at(-1)!] = value
    changed = true
  }
  return changed
}

const build = (input: EngineConfigInput, notes: ReadonlyArray<string>, door: "library" | "serve"): EngineConfig => {
  const { cache, retry, breaker, hedge, queue, storage, logging, server } = input
  const providers = (input.providers ?? []).map(buildProvider)
  const aliases = Object.create(null) as Record<string, ReadonlyArray<string>>
  for (const [alias, targets] of Object.entries(input.aliases ?? {})) {
    aliases[alias] = typeof targets === "string" ? [targets] : [...targets]
  }
  return {
    providers,
    aliases,
    routing: {
      strategy: input.routing?.strategy ?? "fallback",
      weights: Object.assign(Object.create(null), input.routing?.weights) as Record<string, number>
    },
    cache: {
      enabled: cache?.enabled ?? true,
      maxSize: cache?.maxSize ?? 1000,
      maxBytes: cache?.maxBytes ?? 128_000_000,
      ttlMs: millis(cache?.ttl, 600_000),
      staleWhileRevalidateMs: millis(cache?.staleWhileRevalidate, 0),
      staleIfErrorMs: millis(cache?.staleIfError, 0),
      explain: cache?.explain ?? true,
      store: cache?.store ?? "memory",
      warmup: cache?.warmup,
      maxTemperature: cache?.maxTemperature,
      coalesce: cache?.coalesce ?? true,
      semantic: {
        mode: cache?.semantic?.mode ?? "off",
        embedder: cache?.semantic?.embedder ?? "lexical",
        threshold: cache?.semantic?.threshold ?? 0.85,
        maxWords: cache?.semantic?.maxWords,
        maxEntries: cache?.semantic?.maxEntries ?? Math.min(cache?.maxSize ?? 1000, 100_000),
        timeoutMs: millis(cache?.semantic?.timeout, 300),
        judge: cache?.semantic?.judge,
        judgeBudget: cache?.semantic?.judgeBudget ?? 0.1,
        judgeTimeoutMs: millis(cache?.semantic?.judgeTimeout, 2000),
        shadowSample: cache?.semantic?.shadowSample ?? 0
      }
    },
    retry: {
      maxAttempts: retry?.maxAttempts ?? 3,
      baseDelayMs: millis(retry?.baseDelay, 1000),
      maxDelayMs: millis(retry?.maxDelay, 30_000),
      budget: retry?.budget ?? 0.2
    },
    breaker: {
      failureRate: breaker?.failureRate ?? 0.5,
      minimumCalls: breaker?.minimumCalls ?? 20,
      consecutiveFailures: breaker?.consecutiveFailures,
      openForMs: millis(breaker?.openFor, 30_000)
    },
    hedge: {
      enabled: hedge?.enabled ?? false,
      afterPercentile: hedge?.afterPercentile ?? 95,
      maxShare: hedge?.maxShare ?? 0.05
    },
    queue: { maxWaiting: queue?.maxWaiting ?? 10_000, maxWaitMs: millis(queue?.maxWait, 60_000) },
    tenants: {
      listed: recordOf(input.tenants, tenantOf),
      others: tenantOf(input.tenantDefaults ?? {})
    },
    budgets: buildBudgets(input.budgets),
    keys: { required: input.keys?.required ?? false, refreshMs: millis(input.keys?.refresh, 10_000) },
    storage: {
      database: storage?.database ?? (door === "serve" ? "sqlite:./millrace.db" : "memory"),
      redis: storage?.redis ?? undefined,
      redisTimeoutMs: millis(storage?.redisTimeout, 100),
      durability: storage?.durability ?? "relaxed",
      retentionDays: storage?.retention ?? undefined
    },
    logging: buildLogging(logging, door),
    telemetry: buildTelemetry(input.telemetry),
    server: {
      host: server?.host ?? "127.0.0.1",
      port: server?.port ?? 4000,
      adminToken: server?.adminToken === undefined ? undefined : Redacted.make(secretText(server.adminToken)),
      bodyLimitBytes: server?.bodyLimit ?? 20_000_000,
      drainMs: millis(server?.drain, 30_000)
    },
    simulated: onlySimulated(providers),
    notes
  }
}

const tenantOf = ({ rateLimits, weight }: NonNullable<EngineConfigInput["tenantDefaults"]>): TenantOptions => ({
  weight: weight ?? 1,
  rateLimits: rateLimits === undefined ? undefined : ownLimits(rateLimits)
})

const onlySimulated = (providers: ReadonlyArray<ProviderConfig>): boolean =>
  providers.every((provider) => provider.kind === "simulated")
