/**
 * The effective configuration as plain JSON, without its secrets: keys and tokens become `<redacted>`.
 */
import { Redacted, type Schema } from "effect"
import type { EngineConfig } from "./Config.ts"

export const redact = (config: EngineConfig): { readonly [key: string]: Schema.Json } =>
  plain(config) as { readonly [key: string]: Schema.Json }

const plain = (value: unknown): Schema.Json => {
  if (Redacted.isRedacted(value)) return "<redacted>"
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
  }
  if (typeof value === "string") return withoutCredentials(value)
  return typeof value === "number" || typeof value === "boolean" ? value : null
}

/** A URL may carry a password, which may hold any character when nobody escaped it. */
export const withoutCredentials = (text: string): string =>
  text
    .replace(/^((?:postgres(?:ql)?|rediss?):\/\/)\S*@/i, "$1<redacted>@")
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/i, "$1<redacted>@")
