/**
 * From a configuration to what spans say of its providers, and which of them are told the trace of a call.
 *
 * By default that is none but servers of one's own: a trace id says nothing of a prompt, but it lets a third party join
 * calls that are none of its business. Nothing here acts on a request.
 */
import type { Layer } from "effect"
import { isIP } from "node:net"
import type { EngineConfig } from "./Config.ts"
import { type Conventions, providerNameOf } from "./GenAiNames.ts"
import { baseUrlOf } from "./LiveProviders.ts"
import { type TracedProvider, Tracing } from "./Tracing.ts"

export const tracingLayer = (config: EngineConfig, conventions: Conventions): Layer.Layer<Tracing> => {
  const { content, propagate } = config.telemetry
  const providers = new Map<string, TracedProvider>()
  for (const provider of config.providers) {
    const baseUrl = baseUrlOf(provider)
    const url = baseUrl === undefined ? null : URL.parse(baseUrl)
    const { kind, name } = provider
    providers.set(name, {
      genAiName: providerNameOf({ name, kind, baseUrl }),
      address: url?.hostname.replaceAll(/^\[|\]$/g, ""),
      port: url === null ? undefined : url.port === "" ? (url.protocol === "http:" ? 80 : 443) : Number(url.port),
      propagates: url !== null && (propagate === "all" || (propagate === "local" && isLocal(url.hostname)))
    })
  }
  return Tracing.layer({ conventions, content, providerOf: (name) => providers.get(name) })
}

/** Addresses of this machine and of private networks, names without a dot, and names that no public zone has. */
export const isLocal = (hostname: string): boolean => {
  const host = hostname.replaceAll(/^\[|\]$/g, "").toLowerCase()
  if (isIP(host) === 4) {
    const [a, b] = host.split(".").map(Number) as [number, number]
    return (
      a === 127 ||
      a === 10 ||
      (a === 172 && b >= 16 && b <= 31) ||
      (a === 192 && b === 168) ||
      (a === 169 && b === 254) ||
      (a === 100 && b >= 64 && b <= 127)
    )
  }
  if (isIP(host) === 6) return host === "::1" || /^(f[cd]|fe[89ab])/.test(host)
  return !host.includes(".") || /\.(localhost|local|internal|lan|home\.arpa|svc|test)\.?$/.test(host)
}
