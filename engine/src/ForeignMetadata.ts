/**
 * Opaque metadata of another SDK's answer, kept in canonical blocks and given back on the next turn.
 *
 * Providers behind another SDK want fields of their earlier answers returned unchanged, each under the provider's own
 * name. A signature or encrypted text alone has its canonical field; anything else is JSON in a reasoning block without
 * text, which other protocols leave out: behind the reasoning it belongs to, or with the id of its tool call.
 */
import { Predicate, type Schema } from "effect"
import type { Part } from "./Reply.ts"
import type { ContentPart } from "./Request.ts"

/** Fields by provider name, as both SDKs shape them. */
export type Metadata = { readonly [provider: string]: { readonly [field: string]: Schema.Json } }

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
  return carrier({ metadata: kept })
}

/** The part that carries the metadata of a tool call; undefined where there is none. */
export const besideToolCall = (id: string, metadata: unknown): Part | undefined => {
  const kept = metadataOf(metadata)
  return kept === undefined ? undefined : carrier({ toolCall: id, metadata: kept })
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
  const ofToolCalls = new Map<string, Metadata>()
  for (const part of content) {
    const carried = part.type === "reasoning" ? carriedBy(part.redacted) : undefined
    const last = out[out.length - 1]
    if (part.type !== "reasoning") out.push({ part, metadata: undefined })
    else if (carried === undefined) out.push({ part, metadata: plain(part, namespace) })
    else if (carried.toolCall !== undefined) ofToolCalls.set(carried.toolCall, carried.metadata)
    else if (last?.part.type === "reasoning" && last.metadata === undefined) last.metadata = carried.metadata
    else out.push({ part: { type: "reasoning", text: "" }, metadata: carried.metadata })
  }
  for (const item of out) if (item.part.type === "tool-call") item.metadata = ofToolCalls.get(item.part.id)
  return out
}

interface Carried {
  /** Id of the tool call it belongs to; without one it belongs to the reasoning before it. */
  readonly toolCall?: string | undefined
  readonly metadata: Metadata
}

/** The first key tells a carrier from the encrypted text of a provider. */
const carrierStart = '{"millrace":'

const carrier = (carried: Carried): Part => ({
  type: "reasoning",
  text: "",
  redacted: JSON.stringify({ millrace: carried })
})

const carriedBy = (redacted: string | undefined): Carried | undefined => {
  if (redacted === undefined || !redacted.startsWith(carrierStart)) return undefined
  try {
    const { metadata, toolCall } = (JSON.parse(redacted) as { readonly millrace: Record<string, unknown> }).millrace
    const kept = metadataOf(metadata)
    return kept === undefined
      ? undefined
      : { metadata: kept, toolCall: Predicate.isString(toolCall) ? toolCall : undefined }
  } catch {
    return undefined
  }
}

const plain = (
  { redacted, signature }: Extract<ContentPart, { readonly type: "reasoning" }>,
  namespace: string
): Metadata | undefined => {
  if (signature !== undefined) return { [namespace]: { signature }, millrace: { signature } }
  return redacted === undefined ? undefined : { [namespace]: { redactedData: redacted }, millrace: { redacted } }
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
