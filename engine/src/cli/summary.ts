/**
 * What a configuration would run, as lines for people and as JSON. Keys and tokens are only counted.
 */
import { Duration, type Schema } from "effect"
import type { EngineConfig, ProviderConfig } from "../Config.ts"
import { redact, withoutCredentials } from "../ConfigRedact.ts"
import { baseUrlOf } from "../LiveProviders.ts"

/** The answer of one provider to a probe. */
export interface Probe {
  readonly provider: string
  readonly ok: boolean
  readonly latencyMs: number
  /** Why it failed; holds no key and no prompt. */
  readonly error: string | undefined
}

/** Lines of a name and a text, the names in one column. */
export const summaryLines = (config: EngineConfig, file: string | undefined): ReadonlyArray<string> => {
  const { breaker, budgets, cache, keys, queue, retry, routing, server, storage, telemetry } = config
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["configuration", file ?? "no file: defaults and environment"],
    ...config.providers.map((provider) => ["provider", providerText(provider)] as const),
    ...Object.entries(config.aliases).map(([alias, targets]) => ["alias", `${alias}: ${targets.join(", ")}`] as const),
    ["routing", routing.strategy],
    [
      "cache",
      cache.enabled ? `${cache.maxSize} entries for ${time(cache.ttlMs)}, semantic ${cache.semantic.mode}` : "off"
    ],
    ["retry", `${retry.maxAttempts} attempts, ${time(retry.baseDelayMs)} to ${time(retry.maxDelayMs)} apart`],
    [
      "breaker",
      `opens at ${breaker.failureRate * 100} % failures of ${breaker.minimumCalls} calls, for ${time(breaker.openForMs)}`
    ],
    ["queue", `${queue.maxWaiting} waiting, each for ${time(queue.maxWaitMs)}`],
    ["keys", keys.required ? "required" : "not required"],
    ...budgets.map((budget) => ["budget", budgetText(budget)] as const),
    ["storage", storageText(storage)],
    ["telemetry", telemetry.otlp === undefined ? "off" : `OTLP to ${hostOf(telemetry.otlp)}`],
    ["server", `${addressOf(server)}, admin token ${server.adminToken === undefined ? "made at start" : "set"}`],
    ...config.notes.map((note) => ["note", note] as const)
  ]
  return rows.map(([name, text]) => `${name.padEnd(15)}${text}`)
}

export const probeLine = (probe: Probe): string =>
  `${"probe".padEnd(15)}${probe.provider}: ${probe.ok ? `ok in ${Math.round(probe.latencyMs)} ms` : `failed: ${probe.error}`}`

/** The configuration as JSON, its secrets counted, with the base URLs that would be called. */
export const summaryJson = (
  config: EngineConfig,
  file: string | undefined
): { readonly [key: string]: Schema.Json } => {
  const json = redact(config)
  const providers = json["providers"] as ReadonlyArray<JsonObject>
  return {
    file: file ?? null,
    ...json,
    providers: config.providers.map((provider, index) => ({
      ...providers[index],
      apiKeys: provider.apiKeys.length,
      baseUrl: baseUrlOf(provider) ?? null
    })),
    server: { ...(json["server"] as JsonObject), adminToken: config.server.adminToken !== undefined }
  }
}

type JsonObject = { readonly [key: string]: Schema.Json }

const providerText = (provider: ProviderConfig): string => {
  const { concurrent, requestsPerMinute, tokensPerMinute } = provider.rateLimits
  const baseUrl = baseUrlOf(provider)
  const limits = [
    ...(requestsPerMinute === undefined ? [] : [`${requestsPerMinute} requests/min`]),
    ...(tokensPerMinute === undefined ? [] : [`${tokensPerMinute} tokens/min`]),
    `${concurrent} at once`
  ]
  return [
    `${provider.name} (${provider.kind})`,
    `model ${provider.model}`,
    provider.models === undefined ? "any other model" : `models ${provider.models.join(", ")}`,
    baseUrl === undefined ? "answers by itself" : `at ${hostOf(baseUrl)}`,
    `key ${keysText(provider.apiKeys.length)}`,
    limits.join(", ")
  ].join(" · ")
}

const budgetText = ({ name, of, period, scope, tokens, usd }: EngineConfig["budgets"][number]): string => {
  const limits = [
    ...(usd === undefined ? [] : [`$${usd}`]),
    ...(tokens === undefined ? [] : [`${tokens} tokens`])
  ].join(" and ")
  const whose =
    scope === "global" ? "of everybody" : of === undefined ? `of each ${scope}` : `of ${scope} ${of.join(", ")}`
  return `${name}: ${limits} ${period === "total" ? "in all" : `a ${period}`} ${whose}`
}

const keysText = (count: number): string => (count === 0 ? "no" : count === 1 ? "yes" : `yes (${count})`)

const hostOf = (url: string): string => new URL(url).host

const addressOf = ({ host, port }: EngineConfig["server"]): string =>
  `http://${host.includes(":") ? `[${host}]` : host}:${port}`

const time = (millis: number): string => Duration.format(Duration.millis(millis))

const storageText = ({ database, durability, retentionDays }: EngineConfig["storage"]): string =>
  `${withoutCredentials(database)}, ${durability}${retentionDays === undefined ? "" : `, rows kept ${retentionDays} days`}`
