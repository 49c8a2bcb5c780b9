/**
 * The identity of a request: one hash over everything that can change the answer (law 7).
 *
 * Model candidates, messages, tools, format, sampling, seed, tenant or namespace, and every passed-through field are in
 * it; what only changes how the answer is delivered or accounted for (stream, metadata, priority, timeout) is not. Key
 * order inside free-form JSON does not matter. `explain` names the fields in which two requests differ.
 */
import { hash } from "node:crypto"
import type { Target } from "./Call.ts"
import type { Request } from "./Request.ts"

/** Fields of a dialect's body that don't change the answer. */
const inert = new Set([
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

/** SHA-256 over the canonical JSON of the identity, base64url. */
export const cacheKey = (request: Request, candidates: ReadonlyArray<Target>): string =>
  hash("sha256", JSON.stringify(identity(request, candidates)), "base64url")

/** Paths of the fields in which the identities of two requests differ, empty when they share an entry. */
export const explain = (
  a: { readonly request: Request; readonly candidates: ReadonlyArray<Target> },
  b: { readonly request: Request; readonly candidates: ReadonlyArray<Target> }
): ReadonlyArray<string> => {
  const out: Array<string> = []
  const left = identity(a.request, a.candidates)
  const right = identity(b.request, b.candidates)
  fields.forEach((field, index) => differences(field, left[index], right[index], out))
  return out
}

const fields = [
  "model",
  "scope",
  "messages",
  "temperature",
  "topP",
  "maxTokens",
  "stop",
  "seed",
  "tools",
  "toolChoice",
  "responseFormat",
  "reasoning",
  "providerOptions",
  "body"
] as const

/**
 * The values of `fields`, in their order. A request that came in a provider's dialect is identified by its body, which
 * holds every other field already.
 */
const identity = (request: Request, candidates: ReadonlyArray<Target>): ReadonlyArray<unknown> => {
  const model = candidates.map((target) => `${target.provider}/${target.model}`)
  const scope =
    request.cacheNamespace === undefined ? ["tenant", request.tenant] : ["namespace", request.cacheNamespace]
  if (request.wire !== undefined) {
    return [model, scope, ...noFields, [request.wire.dialect, withoutInert(request.wire.body)]]
  }
  return [
    model,
    scope,
    request.messages.map((message) => [
      message.role,
      typeof message.content === "string" ? message.content : message.content.map(canonical),
      message.name
    ]),
    request.temperature,
    request.topP,
    request.maxTokens,
    request.stop,
    request.seed,
    canonical(request.tools),
    canonical(request.toolChoice),
    canonical(request.responseFormat),
    canonical(request.reasoning),
    canonical(request.providerOptions)
  ]
}

const noFields: ReadonlyArray<undefined> = new Array<undefined>(fields.length - 3).fill(undefined)

const withoutInert = (body: { readonly [key: string]: unknown }): unknown => {
  const kept: Array<[string, unknown]> = []
  for (const key of Object.keys(body).toSorted()) if (!inert.has(key)) kept.push([key, canonical(body[key])])
  return kept
}

/** The value with the keys of every object in order; absent and undefined are the same. */
const canonical = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(canonical)
  const source = value as { readonly [key: string]: unknown }
  const pairs: Array<[string, unknown]> = []
  for (const key of Object.keys(source).toSorted()) {
    if (source[key] !== undefined) pairs.push([key, canonical(source[key])])
  }
  return { object: pairs }
}

const differences = (path: string, a: unknown, b: unknown, out: Array<string>): void => {
  if (JSON.stringify(a) === JSON.stringify(b)) return
  const left = childrenOf(a)
  const right = childrenOf(b)
  if (left === undefined || right === undefined) {
    out.push(path)
    return
  }
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    differences(typeof key === "number" ? `${path}[${key}]` : `${path}.${key}`, left.get(key), right.get(key), out)
  }
}

const childrenOf = (value: unknown): Map<string | number, unknown> | undefined => {
  if (Array.isArray(value)) return new Map(value.map((item, index) => [index, item]))
  if (typeof value === "object" && value !== null && "object" in value) {
    return new Map(value.object as ReadonlyArray<[string, unknown]>)
  }
  return undefined
}
