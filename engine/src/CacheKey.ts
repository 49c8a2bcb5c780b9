/**
 * The identity of a request: one hash over everything that can change the answer (law 7).
 *
 * Model candidates, messages, tools, format, sampling, seed, tenant or namespace, and every passed-through field are in
 * it; what only changes how the answer is delivered or accounted for (stream, metadata, priority, timeout) is not. Key
 * order inside free-form JSON does not matter, and neither does a default that is written out (`CacheDefaults.ts`).
 * `explain` names the fields in which two requests differ, `fingerprint` keeps enough to do so without their text.
 */
import { Predicate } from "effect"
import { hash } from "node:crypto"
import { type Defaults, defaultsOf, isDefault, type KindOf, unknownKind, withoutDefaults } from "./CacheDefaults.ts"
import type { Target } from "./Call.ts"
import type { Message, Request } from "./Request.ts"

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

/** Characters of a key: 192 bits, base64url. */
export const keyLength = 32

/** The first 192 bits of the SHA-256 of the identity's canonical text, base64url. */
export const cacheKey = (request: Request, candidates: ReadonlyArray<Target>, kindOf: KindOf = unknownKind): string => {
  let text = ""
  identify(request, candidates, kindOf, (field, value) => {
    text += `${field.length}:${field}${canonical(value)}`
  })
  // UTF-8 has one byte sequence for all halves of surrogate pairs; JSON escapes them.
  return hash("sha256", text.isWellFormed() ? text : JSON.stringify(text), "base64url").slice(0, keyLength)
}

/**
 * What each field of a request is for: whether it is in the identity. A field that is added to requests has to take a
 * place here, and a test holds `cacheKey` to it.
 */
export const fieldRoles: { readonly [K in keyof Required<Request>]: "identity" | "delivery" } = {
  id: "delivery",
  // By the candidates that routing finds.
  model: "delivery",
  provider: "delivery",
  messages: "identity",
  temperature: "identity",
  topP: "identity",
  topK: "identity",
  presencePenalty: "identity",
  frequencyPenalty: "identity",
  logprobs: "identity",
  maxTokens: "identity",
  stop: "identity",
  seed: "identity",
  tools: "identity",
  toolChoice: "identity",
  parallelToolCalls: "identity",
  responseFormat: "identity",
  reasoning: "identity",
  stream: "delivery",
  metadata: "delivery",
  tenant: "identity",
  // What it allows is in the candidates.
  key: "delivery",
  priority: "delivery",
  timeoutMs: "delivery",
  cacheMode: "delivery",
  cacheTtlMs: "delivery",
  cacheNamespace: "identity",
  cachePacing: "delivery",
  cacheSemantic: "delivery",
  providerOptions: "identity",
  embed: "identity",
  wire: "identity"
}

/** A request with the candidates that routing found for it. */
export interface Routed {
  readonly request: Request
  readonly candidates: ReadonlyArray<Target>
}

/** Paths of the fields in which the identities of two requests differ, empty when they share an entry. */
export const explain = (a: Routed, b: Routed, kindOf: KindOf = unknownKind): ReadonlyArray<string> => {
  const out: Array<string> = []
  const left = fieldsOf(a, kindOf)
  const right = fieldsOf(b, kindOf)
  for (const field of new Set([...left.keys(), ...right.keys()])) {
    differences(field, left.get(field), right.get(field), out)
  }
  return out
}

/** Fields of an identity and a hash of 20 bits for each: names no content, and tells which of them differ. */
export type Fingerprint = ReadonlyArray<readonly [path: string, hash: number]>

/** Paths of a fingerprint; what comes after them is folded into the last. */
const pathsMax = 40

/** Items of a list of messages that have a path of their own. */
const itemsMax = 16

const lists: ReadonlySet<string> = new Set(["messages", "input", "contents", "tools"])

export const fingerprint = (
  request: Request,
  candidates: ReadonlyArray<Target>,
  kindOf: KindOf = unknownKind
): Fingerprint => {
  const out: Array<[string, number]> = []
  const add = (path: string, value: unknown) => {
    if (out.length < pathsMax) out.push([path, shortHash(value)])
    else out[pathsMax - 1] = ["…", shortHash([out[pathsMax - 1]![1], path, value])]
  }
  identify(request, candidates, kindOf, (field, value) => {
    if (value === null) return
    if (!Array.isArray(value) || !lists.has(field)) return add(field, value)
    for (let i = 0; i < value.length && i < itemsMax; i++) add(`${field}[${i}]`, value[i])
    if (value.length > itemsMax) add(`${field}[${itemsMax}…]`, value.slice(itemsMax))
  })
  return out
}

/** Paths in which two fingerprints differ. */
export const explainFingerprints = (a: Fingerprint, b: Fingerprint): ReadonlyArray<string> => {
  const left = new Map(a)
  const right = new Map(b)
  return [...new Set([...left.keys(), ...right.keys()])].filter((path) => left.get(path) !== right.get(path))
}

type Json = { readonly [field: string]: unknown }

/**
 * Hands over each field of an identity with its value, always in the same order. A request in a provider's dialect is
 * identified by its body, which holds every other field already; its fields come last, sorted.
 */
const identify = (
  request: Request,
  candidates: ReadonlyArray<Target>,
  kindOf: KindOf,
  field: (name: string, value: unknown) => void
): void => {
  const { cacheNamespace, wire } = request
  const defaults = defaultsOf(candidates, kindOf)
  field("model", candidates.length === 1 ? idOf(candidates[0]!) : candidates.map(idOf))
  // A namespace is shared by the tenants that name it.
  if (cacheNamespace === undefined) field("tenant", request.tenant)
  else field("namespace", cacheNamespace)
  if (wire === undefined) return identifyCanonical(request, defaults, field)
  field("dialect", wire.dialect)
  field("headers", wire.headers ?? null)
  const { body } = wire
  // Vectors are written out as numbers or as base64 from the same answer.
  const embeds = request.embed !== undefined
  for (const name of Object.keys(body).sort()) {
    const value = body[name]
    if (inert.has(name) || (embeds && name === "encoding_format")) continue
    if (isDefault(wire.dialect, name, value, body, defaults)) continue
    const kept = withoutDefaults(wire.dialect, name, value)
    if (kept !== undefined) field(name, kept)
  }
}

const identifyCanonical = (
  request: Request,
  defaults: Defaults,
  field: (name: string, value: unknown) => void
): void => {
  const { embed, maxTokens, parallelToolCalls, providerOptions, reasoning, responseFormat, seed, stop } = request
  const { frequencyPenalty, logprobs, presencePenalty, temperature, toolChoice, tools, topK, topP } = request
  if (request.messages.length > 0) field("messages", plainTexts(request.messages))
  if (temperature !== undefined && !(temperature === 1 && defaults.temperature)) field("temperature", temperature)
  if (topP !== undefined && !(topP === 1 && defaults.topP)) field("topP", topP)
  if (topK !== undefined) field("topK", topK)
  if (presencePenalty !== undefined && !(presencePenalty === 0 && defaults.penalties)) {
    field("presencePenalty", presencePenalty)
  }
  if (frequencyPenalty !== undefined && !(frequencyPenalty === 0 && defaults.penalties)) {
    field("frequencyPenalty", frequencyPenalty)
  }
  if (logprobs !== undefined) field("logprobs", logprobs)
  if (maxTokens !== undefined) field("maxTokens", maxTokens)
  if (stop !== undefined && stop.length > 0) field("stop", stop)
  if (seed !== undefined) field("seed", seed)
  if (tools !== undefined && tools.length > 0) field("tools", tools)
  // `auto` is what is done without it; without tools there is nothing to choose.
  if (toolChoice !== undefined && toolChoice !== "auto") field("toolChoice", toolChoice)
  if (parallelToolCalls !== undefined && !(parallelToolCalls && defaults.parallelToolCalls)) {
    field("parallelToolCalls", parallelToolCalls)
  }
  if (responseFormat !== undefined && responseFormat.type !== "text") field("responseFormat", responseFormat)
  if (reasoning?.effort !== undefined || reasoning?.maxTokens !== undefined) field("reasoning", reasoning)
  if (providerOptions !== undefined && !isEmpty(providerOptions)) field("providerOptions", providerOptions)
  if (embed !== undefined) field("embed", embed)
}

/** A string as content is one text part (`Request.ts`). */
const plainTexts = (messages: ReadonlyArray<Message>): ReadonlyArray<Message> => {
  if (messages.every(({ content }) => typeof content === "string" || content.length !== 1)) return messages
  return messages.map((message) => {
    const [only] = message.content
    return message.content.length === 1 && typeof only === "object" && only.type === "text"
      ? { ...message, content: only.text }
      : message
  })
}

const isEmpty = (value: object): boolean => {
  for (const _ in value) return false
  return true
}

const idOf = (target: Target): string => `${target.provider}/${target.model}`

/** The fields by name. One of a body that bears the name of one that every identity has, such as `tenant`, gets a mark. */
const fieldsOf = ({ candidates, request }: Routed, kindOf: KindOf): Map<string, unknown> => {
  const out = new Map<string, unknown>()
  identify(request, candidates, kindOf, (name, value) => {
    if (value !== null) out.set(out.has(name) ? `body.${name}` : name, value)
  })
  return out
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
      const source = value as Json
      const keys = Object.keys(source)
      const { content, role } = source
      // Most messages: the same text that the loop below would write.
      if (keys.length === 2 && typeof content === "string" && typeof role === "string") {
        return `{7:content"${content.length}:${content}4:role"${role.length}:${role}}`
      }
      if (keys.length > 1 && !isSorted(keys)) keys.sort()
      for (const key of keys) {
        const inner = source[key]
        if (inner !== undefined) text += `${key.length}:${key}${canonical(inner)}`
      }
      return `{${text}}`
    }
    default:
      return `${String(value)};`
  }
}

/** Most objects are; `sort` would copy their keys. */
const isSorted = (keys: ReadonlyArray<string>): boolean => {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return false
  return true
}

/**
 * A number of 20 bits that equal values share, whatever the order of keys; it tells values apart and protects nothing.
 */
const shortHash = (value: unknown): number => mix(value) >>> 12

const mix = (value: unknown): number => {
  if (typeof value === "string") return mixText(value)
  if (typeof value !== "object" || value === null) return mixText(`${typeof value}${String(value)}`)
  let sum = Array.isArray(value) ? 0x2c1b_3c6d : 0x297a_2d39
  if (Array.isArray(value)) for (const item of value) sum = Math.imul(sum ^ mix(item), 0x01000193) + 1
  else {
    for (const key of Object.keys(value)) {
      const inner = (value as Json)[key]
      if (inner !== undefined) sum = (sum + Math.imul(mixText(key) ^ 0x9e37_79b9, mix(inner) | 1)) | 0
    }
  }
  return avalanche(sum)
}

/** FNV-1a in four lanes, which a processor runs side by side. */
const mixText = (text: string): number => {
  let a = 0x811c9dc5
  let b = 0x1234_5678
  let c = 0x2545_f491
  let d = text.length
  const whole = text.length & ~3
  for (let i = 0; i < whole; i += 4) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193)
    b = Math.imul(b ^ text.charCodeAt(i + 1), 0x01000193)
    c = Math.imul(c ^ text.charCodeAt(i + 2), 0x01000193)
    d = Math.imul(d ^ text.charCodeAt(i + 3), 0x01000193)
  }
  for (let i = whole; i < text.length; i++) a = Math.imul(a ^ text.charCodeAt(i), 0x01000193)
  return avalanche(a ^ Math.imul(b, 3) ^ Math.imul(c, 5) ^ Math.imul(d, 7))
}

const avalanche = (value: number): number => {
  const once = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b)
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2_ae35)
  return (twice ^ (twice >>> 16)) >>> 0
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

const isRecord = (value: unknown): value is Json => Predicate.isObject(value) && !Array.isArray(value)
