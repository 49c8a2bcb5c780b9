/**
 * Ids for tool calls that come without one.
 *
 * The same answer always gets the same ids, so that a cached answer, its stream and its whole form agree. An id is unique
 * in its response and at most 40 characters long, as OpenAI wants it.
 */
import { hash } from "node:crypto"

/** `responseId` may be empty; then `content`, the text that the call came in, tells calls of different turns apart. */
export const madeCallId = (responseId: string, index: number, content = ""): string => {
  const base = responseId === "" && content !== "" ? hash("sha256", content, "hex") : responseId
  return `call_${base.replaceAll(/[^A-Za-z0-9]/g, "").slice(-24)}_${index}`
}
