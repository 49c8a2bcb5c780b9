/**
 * Opaque metadata of another SDK's answer, kept in canonical blocks and given back on the next turn.
 *
 * Providers behind another SDK want fields of their earlier answers returned unchanged, each under the provider's own
 * name. A signature or encrypted text alone has its canonical field; anything else is JSON in a reasoning block without
 * text, which other protocols leave out: behind the reasoning it belongs to, or before its tool call.
 */
import { Predicate, type Schema } from "effect"
import type { Part } from "./Reply.ts"
import type { ContentPart } from "./Request.ts"

/** Fields by provider name, as both SDKs shape them. */
export type Metadata = { readonly [provider: string]: { readonly [field: string]: Schema.Json } }

type Bearer = "reasoning" | "tool-call"

/** The part that ends a reasoning whose metadata this is; undefined where there is nothing to give back. */
export const reasoningEnd = (metadata: unknown): Part | undefined => {
  const kept = metadataOf(metadata)
  if (kept === undefined) return undefined
  const [fields, ...others] = Object.values(kept)
  if (fields !== undefined && others.length === 0 && Object.keys(fields).length === 1) {
    const { redacted = fields["redactedData"], signature } = fields
    if (Predicate.isString(signature)) return { type: "reasoning", text: "", signature }
    if (Predicate.isString(redacted)) return { type: "reasoning", text: "", redacted }
  }
  return carrier("reasoning", kept)
}

/** The part that goes before a tool call whose metadata this is. */
export const beforeToolCall = (metadata: unknown): Part | undefined => {
  const kept = metadataOf(metadata)
  return kept === undefined ? undefined : carrier("tool-call", kept)
}

/** A part of an earlier turn with what is to be given back with it. */
export interface Returned {
  readonly part: ContentPart
  metadata: Metadata | undefined
}

/**
 * The parts of an earlier turn without the carriers, each with its metadata. A signature of no known origin is given to
 * `namespace`, the provider that is going to read it.
 */
export const returned = (content: ReadonlyArray<ContentPart>, namespace: string): ReadonlyArray<Returned> => {
  const out: Array<Returned> = []
  let forToolCall: Metadata | undefined
  for (const part of content) {
    if (part.type !== "reasoning") {
      out.push({ part, metadata: part.type === "tool-call" ? forToolCall : undefined })
      forToolCall = undefined
      continue
    }
    const carried = carriedBy(part.redacted)
    const last = out[out.length - 1]
    if (carried === undefined) out.push({ part, metadata: plain(part, namespace) })
    else if (carried.bearer === "tool-call") forToolCall = carried.metadata
    else if (part.text === "" && last?.part.type === "reasoning" && last.metadata === undefined) {
      last.metadata = carried.metadata
    } else out.push({ part: { type: "reasoning", text: part.text }, metadata: carried.metadata })
  }
  return out
}

const carrier = (bearer: Bearer, metadata: Metadata): Part => ({
  type: "reasoning",
  text: "",
  redacted: JSON.stringify({ bearer, metadata })
})

const carriedBy = (
  redacted: string | undefined
): { readonly bearer: Bearer; readonly metadata: Metadata } | undefined => {
  if (redacted === undefined || !redacted.startsWith('{"bearer":')) return undefined
  try {
    const { bearer, metadata } = JSON.parse(redacted) as { readonly bearer: unknown; readonly metadata: unknown }
    const kept = metadataOf(metadata)
    return kept === undefined || (bearer !== "reasoning" && bearer !== "tool-call")
      ? undefined
      : { bearer, metadata: kept }
  } catch {
    return undefined
  }
}

const plain = (
  { redacted, signature }: Extract<ContentPart, { readonly type: "reasoning" }>,
  namespace: string
): Metadata | undefined => {
  if (signature !== undefined) return { millrace: { signature }, [namespace]: { signature } }
  return redacted === undefined ? undefined : { millrace: { redacted }, [namespace]: { redactedData: redacted } }
}

/** The fields that have a value, of the providers that have any. */
const metadataOf = (metadata: unknown): Metadata | undefined => {
  if (!Predicate.isObject(metadata)) return undefined
  const kept: Record<string, { readonly [field: string]: Schema.Json }> = {}
  for (const [provider, fields] of Object.entries(metadata)) {
    if (!Predicate.isObject(fields)) continue
    const present = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)
    if (present.length > 0) kept[provider] = Object.fromEntries(present) as { readonly [field: string]: Schema.Json }
  }
  return Object.keys(kept).length === 0 ? undefined : kept
}
