/**
 * The identity of a request: one hash over everything that can change the answer (law 7).
 *
 * Model candidates, messages, tools, format, sampling, seed, tenant or namespace, and every passed-through field are in
 * it; what only changes how the answer is delivered or accounted for (stream, metadata, priority, timeout) is not. Key
 * order inside free-form JSON does not matter. `explain` names the fields in which two requests differ.
 */
import { Predicate } from "effect"
import { hash } from "node:crypto"
import type { Target } from "./Call.ts"
import type { Request } from "./Request.ts"

/** Fields of a dialect's body that don't change the answer; the model is in the identity by its candidates. */
const inert: ReadonlySet<string> = new Set([
  "stream",
  "stream_options",
  "metadata",
  "user",
  "safety_identifier",
  "prompt_cache_key",
  "prompt_cache_retention",
  "store",
  "model"
])

/** SHA-256 of the identity's canonical text, base64url. */
export const cacheKey = (request: Request, candidates: ReadonlyArray<Target>): string => {
  const fields = identity(request, candidates)
  let text = ""
  // `identity` writes its fields in one order, so they need no sorting.
  for (const field in fields) if (fields[field] !== undefined) text += `${field}${canonical(fields[field])}`
  // UTF-8 has one byte sequence for all halves of surrogate pairs; JSON escapes them.
  return hash("sha256", text.isWellFormed() ? text : JSON.stringify(text), "base64url")
}

/** Paths of the fields in which the identities of two requests differ, empty when they share an entry. */
export const explain = (
  a: { readonly request: Request; readonly candidates: ReadonlyArray<Target> },
  b: { readonly request: Request; readonly candidates: ReadonlyArray<Target> }
): ReadonlyArray<string> => {
  const out: Array<string> = []
  const left = identity(a.request, a.candidates)
  const right = identity(b.request, b.candidates)
  for (const field of new Set([...Object.keys(left), ...Object.keys(right)])) {
    differences(field, left[field], right[field], out)
  }
  return out
}

type Identity = { readonly [field: string]: unknown }

/** A request in a provider's dialect is identified by its body, which holds every other field already. */
const identity = (request: Request, candidates: ReadonlyArray<Target>): Identity => {
  const model = candidates.length === 1 ? idOf(candidates[0]!) : candidates.map(idOf)
  const { cacheNamespace: namespace, wire } = request
  if (wire !== undefined)
    return {
      model,
      namespace,
      tenant: tenantOf(request),
      dialect: wire.dialect,
      headers: wire.headers,
      body: active(wire.body)
    }
  return {
    model,
    namespace,
    tenant: tenantOf(request),
    messages: request.messages,
    temperature: request.temperature,
    topP: request.topP,
    maxTokens: request.maxTokens,
    stop: request.stop,
    seed: request.seed,
    tools: request.tools,
    toolChoice: request.toolChoice,
    parallelToolCalls: request.parallelToolCalls,
    responseFormat: request.responseFormat,
    reasoning: request.reasoning,
    providerOptions: request.providerOptions,
    embed: request.embed
  }
}

const idOf = (target: Target): string => `${target.provider}/${target.model}`

/** A namespace is shared by the tenants that name it. */
const tenantOf = (request: Request): string | undefined =>
  request.cacheNamespace === undefined ? request.tenant : undefined

const active = (body: Identity): Identity => {
  const kept: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const key of Object.keys(body)) if (!inert.has(key)) kept[key] = body[key]
  return kept
}

/**
 * A text that two values share when they mean the same, and only then. Strings carry their length instead of escapes, so
 * a long prompt is copied and not scanned; keys are in order, absent and undefined are the same.
 */
const canonical = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return `"${value.length}:${value}`
    case "object": {
      if (value === null) return "~"
      let text = ""
      if (Array.isArray(value)) {
        for (const item of value) text += canonical(item)
        return `[${text}]`
      }
      const source = value as Identity
      for (const key of Object.keys(source).sort()) {
        if (source[key] !== undefined) text += `${key.length}:${key}${canonical(source[key])}`
      }
      return `{${text}}`
    }
    default:
      return `${String(value)};`
  }
}

const differences = (path: string, a: unknown, b: unknown, out: Array<string>): void => {
  if (a === b || canonical(a) === canonical(b)) return
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.max(a.length, b.length); i++) differences(`${path}[${i}]`, a[i], b[i], out)
  } else if (isRecord(a) && isRecord(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
      differences(`${path}.${key}`, a[key], b[key], out)
  } else out.push(path)
}

const isRecord = (value: unknown): value is Identity => Predicate.isObject(value) && !Array.isArray(value)
