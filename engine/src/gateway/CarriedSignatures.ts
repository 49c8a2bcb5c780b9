/**
 * Signatures of reasoning on their way through a caller who speaks another dialect than the provider that signed.
 *
 * A caller gets a signature in its own dialect's field and gives it back on the next turn. One of the same dialect is bare,
 * as its provider wrote it; one of another keeps its label, Anthropic's gets one. Encrypted reasoning without text travels
 * in the same field where a dialect has no other. So an answer of any provider can be continued by the same provider
 * through any dialect. Gemini's field holds base64, so what is not Gemini's is wrapped in that.
 */
import { Result } from "effect"
import * as Base64 from "effect/encoding/Base64"
import { labelled, ownSignature } from "../protocols/Signatures.ts"
import type { Dialect } from "../Reply.ts"

const anthropicLabel = "anthropic-messages:"
const redactedLabel = "redacted:"

export interface Signed {
  readonly signature?: string
  readonly redacted?: string
}

/** What the dialect's signature field says for a block; undefined for one without a signature. */
export const carriedOut = (dialect: Dialect, { redacted, signature }: Signed): string | undefined => {
  const own = ownSignature(dialect, signature)
  if (redacted === undefined && own !== undefined) return own
  const foreign = redacted === undefined ? labelledOut(signature) : redactedLabel + redacted
  return foreign === undefined || dialect !== "gemini" ? foreign : Base64.encode(foreign)
}

/** What a field of the dialect says, in canonical form. */
export const carriedIn = (dialect: Dialect, written: string): Signed => {
  const text = dialect === "gemini" ? unwrapped(written) : written
  if (text.startsWith(redactedLabel)) return { redacted: text.slice(redactedLabel.length) }
  if (text.startsWith(anthropicLabel)) return { signature: text.slice(anthropicLabel.length) }
  return { signature: labelled(dialect, text) }
}

/** Whether providers of the dialect would refuse it: it was signed elsewhere. */
export const isForeign = (dialect: Dialect, written: string): boolean =>
  ownSignature(dialect, carriedIn(dialect, written).signature) === undefined

const labelledOut = (signature: string | undefined): string | undefined =>
  signature === undefined || ownSignature("anthropic-messages", signature) === undefined
    ? signature
    : anthropicLabel + signature

/** The text within, when it is one of ours. */
const unwrapped = (written: string): string => {
  const text = Result.getOrElse(Base64.decodeString(written), () => "")
  return /^(?:anthropic-messages|openai-responses|redacted):/.test(text) ? text : written
}
