/**
 * Reasoning items of the Responses API, there and back.
 *
 * Without state upstream a reasoning item can be given back only with its `encrypted_content`. The signature of a
 * reasoning block holds what the item needs beside its text: its id, whether the text was a summary or the reasoning
 * itself, and the encrypted content.
 */
import type { JsonObject } from "./Json.ts"
import { stringOr } from "./Json.ts"
import { labelled, ownSignature } from "./Signatures.ts"

/** The signature for a reasoning item; undefined for one that can't be given back. */
export const signatureOf = (item: JsonObject, summarised: boolean): string | undefined => {
  const encrypted = stringOr(item["encrypted_content"], "")
  if (encrypted === "") return undefined
  const id = stringOr(item["id"], "")
  return labelled(
    "openai-responses",
    `${summarised ? "summary" : "content"}:${plainId.test(id) ? id : ""}:${encrypted}`
  )
}

/** The reasoning item behind a block; undefined when no server of this API signed it. */
export const itemOf = (text: string, signature: string | undefined): { [key: string]: unknown } | undefined => {
  const own = ownSignature("openai-responses", signature)
  if (own === undefined) return undefined
  const [, kind, id, encrypted] = /^(?:(summary|content):([^:]*):)?([^]*)$/.exec(own)!
  const texts = (type: string) => (text === "" ? [] : [{ type, text }])
  return {
    type: "reasoning",
    ...(id === undefined || id === "" ? {} : { id }),
    summary: kind === "content" ? [] : texts("summary_text"),
    ...(kind === "content" && text !== "" ? { content: texts("reasoning_text") } : {}),
    encrypted_content: encrypted
  }
}

const plainId = /^[\w.-]{1,200}$/
