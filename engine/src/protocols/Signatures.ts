/**
 * Signatures of reasoning, labelled with the dialect they came in.
 *
 * A provider refuses a signature that is not its own, and a conversation may change providers between two turns. So a
 * signature travels as `gemini:…` or `openai-responses:…` through messages and callers, and each protocol takes back its
 * own alone. Anthropic's, which are the oldest and which routers hand through, carry no label.
 */
import type { Dialect } from "../Reply.ts"

const labels: ReadonlyArray<Dialect> = ["openai-responses", "gemini"]

/** The signature as it travels. One that has a label keeps it. */
export const labelled = (dialect: Dialect, signature: string): string =>
  dialect === "anthropic-messages" || originOf(signature) !== undefined ? signature : `${dialect}:${signature}`

/** The signature as the provider of this dialect wrote it; undefined for those of others. */
export const ownSignature = (dialect: Dialect, signature: string | undefined): string | undefined => {
  if (signature === undefined || signature === "") return undefined
  const origin = originOf(signature)
  if (origin === undefined) return dialect === "anthropic-messages" ? signature : undefined
  return origin === dialect ? signature.slice(origin.length + 1) : undefined
}

const originOf = (signature: string): Dialect | undefined => labels.find((label) => signature.startsWith(`${label}:`))
