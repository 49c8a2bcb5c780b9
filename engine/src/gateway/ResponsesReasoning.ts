/**
 * Reasoning items as a caller of the Responses API sees them, there and back.
 *
 * An item of OpenAI comes and goes as its own. Reasoning of any other provider becomes an item with a summary, whose
 * `encrypted_content` is the other provider's signature under its label.
 */
import { isObject, type JsonObject, stringOr } from "../protocols/Json.ts"
import { itemOf, signatureOf } from "../protocols/OpenAiResponsesReasoning.ts"
import type { ContentPart } from "../Request.ts"
import { carriedIn, carriedOut, isForeign, type Signed } from "./CarriedSignatures.ts"

/** The canonical part of an item that came back. */
export const reasoningPart = (item: JsonObject): Extract<ContentPart, { readonly type: "reasoning" }> => {
  const summary = textsOf(item["summary"])
  const text = (summary.length > 0 ? summary : textsOf(item["content"])).join("\n\n")
  const encrypted = stringOr(item["encrypted_content"], "")
  if (encrypted === "") return { type: "reasoning", text }
  if (isForeign("openai-responses", encrypted)) {
    return { type: "reasoning", text, ...carriedIn("openai-responses", encrypted) }
  }
  return { type: "reasoning", text, signature: signatureOf(item, summary.length > 0)! }
}

/** The item of a block of an answer. */
export const reasoningItem = (id: string, text: string, signed: Signed): { readonly [key: string]: unknown } => {
  const own = itemOf(text, signed.signature)
  if (own !== undefined) return { ...own, id }
  const encrypted = carriedOut("openai-responses", signed)
  return {
    type: "reasoning",
    id,
    summary: text === "" ? [] : [{ type: "summary_text", text }],
    ...(encrypted === undefined ? {} : { encrypted_content: encrypted })
  }
}

/** The id of the item that OpenAI signed. */
export const signedId = (signature: string | undefined): string | undefined =>
  stringOr(itemOf("", signature)?.["id"], "") || undefined

/** Whether an item is reasoning that no provider of this API signed. */
export const isForeignItem = (item: JsonObject): boolean => {
  if (item["type"] !== "reasoning") return false
  const encrypted = stringOr(item["encrypted_content"], "")
  return encrypted === "" ? stringOr(item["id"], "").startsWith("rs_req_") : isForeign("openai-responses", encrypted)
}

const textsOf = (parts: unknown): ReadonlyArray<string> =>
  Array.isArray(parts)
    ? parts.flatMap((part) => {
        const text = isObject(part) ? stringOr(part["text"], "") : ""
        return text === "" ? [] : [text]
      })
    : []
