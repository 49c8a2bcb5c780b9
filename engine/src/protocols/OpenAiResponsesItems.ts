/**
 * Output items of the Responses API as canonical parts.
 *
 * A message gives its texts, each with its annotations and log probabilities, and its refusals; reasoning its summary, else
 * its own text; function and custom tool calls their arguments. What has streamed already is left to the caller.
 */
import { Predicate } from "effect"
import type { Part } from "../Reply.ts"
import { readAnnotation } from "./CitationReader.ts"
import { isObject, type JsonObject, stringOr } from "./Json.ts"
import { LeftOut } from "./LeftOut.ts"
import { fromOpenAi } from "./Logprobs.ts"
import { signatureOf } from "./OpenAiResponsesReasoning.ts"

/** What of the items decides the finish reason. */
export interface Seen {
  calls: number
  refused: boolean
  /** UTF-16 code units of text so far. */
  text: number
  readonly leftOut: LeftOut
}

export const nothingSeen = (): Seen => ({ calls: 0, refused: false, text: 0, leftOut: new LeftOut() })

/** Notes an item of the output that has no canonical form, or the parts of a message that have none. */
export const noteItem = (item: JsonObject, { leftOut }: Seen): void => {
  const type = stringOr(item["type"], "")
  if (type === "message") {
    for (const part of listOf(item["content"])) {
      const of = isObject(part) ? stringOr(part["type"], "output_text") : "output_text"
      if (!/text$|^refusal$/.test(of)) leftOut.noteItem(of)
    }
  } else if (type !== "reasoning" && !isCall(item)) leftOut.noteItem(type)
}

export const decodeItems = (items: ReadonlyArray<unknown>, out: Array<Part>): Seen => {
  const seen = nothingSeen()
  for (const item of items) {
    if (!isObject(item)) continue
    noteItem(item, seen)
    if (item["type"] === "message") {
      decodeMessage(item, seen, out)
    } else if (item["type"] === "reasoning") decodeReasoning(item, true, out)
    else if (isCall(item)) out.push({ ...openedCall(item, seen.calls++), arguments: writtenIn(item) })
  }
  return seen
}

/** Appends the texts of a message, each with what belongs to it. */
export const decodeMessage = (item: JsonObject, seen: Seen, out: Array<Part>): void => {
  const content = item["content"]
  if (Predicate.isString(content) && content !== "") out.push(textPart(content, seen))
  for (const part of listOf(content)) {
    if (!isObject(part)) continue
    const text = stringOr(part["text"], "")
    const refusal = stringOr(part["refusal"], "")
    const base = seen.text
    if (text !== "") out.push(textPart(text, seen))
    decodeLogprobs(part["logprobs"], out)
    for (const annotation of listOf(part["annotations"])) readAnnotation(annotation, base, out)
    if (refusal === "") continue
    seen.refused = true
    out.push({ type: "refusal", text: refusal })
  }
}

export const textPart = (text: string, seen: Seen): Part => {
  seen.text += text.length
  return { type: "text", text }
}

export const decodeLogprobs = (list: unknown, out: Array<Part>): void => {
  const logprobs = fromOpenAi(list)
  if (logprobs.length > 0) out.push({ type: "logprobs", logprobs })
}

/** Appends a reasoning item: its text where that has not been streamed, and its signature. */
export const decodeReasoning = (item: JsonObject, withText: boolean, out: Array<Part>): void => {
  const summary = textsOf(item["summary"])
  const text = withText ? (summary.length > 0 ? summary : textsOf(item["content"])).join(separator) : ""
  const signature = signatureOf(item, summary.length > 0)
  if (text === "" && signature === undefined) return
  out.push({ type: "reasoning", text, ...(signature === undefined ? {} : { signature }) })
}

export const separator = "\n"

const textsOf = (parts: unknown): ReadonlyArray<string> =>
  listOf(parts).flatMap((part) => {
    const text = isObject(part) ? stringOr(part["text"], "") : ""
    return text === "" ? [] : [text]
  })

export const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

export const isCall = (item: JsonObject): boolean =>
  item["type"] === "function_call" || item["type"] === "custom_tool_call"

export const openedCall = (item: JsonObject, index: number): Extract<Part, { readonly type: "tool-call" }> => ({
  type: "tool-call",
  index,
  id: stringOr(item["call_id"], "") || stringOr(item["id"], ""),
  name: stringOr(item["name"], ""),
  arguments: ""
})

/** Arguments of a function, or the free text for a custom tool. */
export const writtenIn = (item: JsonObject): string => stringOr(item["arguments"], "") || stringOr(item["input"], "")
