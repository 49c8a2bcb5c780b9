/**
 * Signed reasoning as a Chat caller sees it, there and back.
 *
 * Chat has no field of its own for signatures. They travel where others put them: `reasoning_details` of a message as
 * OpenRouter has them, and Gemini's signature of a call in its `extra_content.google`, as Google's own compatible endpoint
 * has it. A caller who gives an answer back as it came continues it at the provider that signed it.
 */
import { isObject, jsonText, parseJson, stringOr } from "../protocols/Json.ts"
import { labelled, ownSignature } from "../protocols/Signatures.ts"
import type { Block, Part } from "../Reply.ts"
import type { ContentPart } from "../Request.ts"

type Reasoning = Extract<ContentPart, { readonly type: "reasoning" }>
type Fields = { readonly [field: string]: unknown }

const claude = "anthropic-claude-v1"

/** The origin of a signature, in OpenRouter's words. */
const formatOf = (signature: string): string =>
  ownSignature("gemini", signature) !== undefined
    ? "google-gemini-v1"
    : ownSignature("openai-responses", signature) !== undefined
      ? "openai-responses-v1"
      : claude

/** A signed or encrypted block as a detail; undefined for one that has nothing to give back. */
const detailOf = (text: string, { redacted, signature }: Omit<Reasoning, "type" | "text">, index: number) => {
  if (redacted !== undefined) {
    const own = redacted.startsWith("{") ? parseJson(redacted) : undefined
    return isObject(own) && stringOr(own["type"], "").startsWith("reasoning.")
      ? own
      : { type: "reasoning.encrypted", data: redacted, format: claude, index }
  }
  return signature === undefined
    ? undefined
    : { type: "reasoning.text", text, signature, format: formatOf(signature), index }
}

/** What tells a call's signature to a Gemini behind any server; empty without one. */
const signed = (signature: string | undefined): Fields =>
  signature === undefined ? {} : { extra_content: { google: { thought_signature: signature } } }

/** Writes the reasoning of one answer, in pieces or at once. Stateful; made anew for each. */
export class ChatReasoning {
  private details = 0
  /** Reasoning since the last signature. */
  private thought = ""
  /** A signature of Gemini's that belongs to the part after it. */
  private pending: string | undefined = undefined

  /** The fields of a delta for a piece of reasoning. */
  add(part: Extract<Part, { readonly type: "reasoning" }>): Fields {
    const before = part.text === "" && part.redacted === undefined ? {} : this.rest()
    this.thought += part.text
    const text = part.text === "" ? {} : { reasoning_content: part.text }
    if (part.signature !== undefined && ownSignature("gemini", part.signature) !== undefined) {
      const waiting = this.rest()
      this.pending = part.signature
      return { ...waiting, ...before, ...text }
    }
    return { ...before, ...text, ...this.detail(part) }
  }

  /** The fields of a call that opens: the signature that came right before it. */
  call(): Fields {
    const signature = ownSignature("gemini", this.pending)
    this.pending = undefined
    this.thought = ""
    return signed(signature)
  }

  /** The fields of a delta for a signature that no call came for. */
  rest(): Fields {
    const signature = this.pending
    if (signature === undefined) return {}
    this.pending = undefined
    return this.detail({ signature })
  }

  private detail(block: Omit<Reasoning, "type" | "text">): Fields {
    const detail = detailOf(this.thought, block, this.details)
    if (detail === undefined) return {}
    this.details++
    if (block.redacted === undefined) this.thought = ""
    return { reasoning_details: [detail] }
  }
}

/** The reasoning of a whole answer: the fields of its message, and those of each of its calls by their number. */
export const wholeReasoning = (
  content: ReadonlyArray<Block>
): { readonly message: Fields; readonly calls: ReadonlyArray<Fields> } => {
  const writer = new ChatReasoning()
  const calls: Array<Fields> = []
  const details: Array<unknown> = []
  let text = ""
  const note = ({ reasoning_content: said, reasoning_details: found }: Fields): void => {
    text += stringOr(said, "")
    if (Array.isArray(found)) details.push(...(found as ReadonlyArray<unknown>))
  }
  for (const block of content) {
    if (block.type === "reasoning") note(writer.add(block))
    else if (block.type === "tool-call") calls.push(writer.call())
    else note(writer.rest())
  }
  note(writer.rest())
  return {
    message: {
      ...(text === "" ? {} : { reasoning_content: text }),
      ...(details.length === 0 ? {} : { reasoning_details: details })
    },
    calls
  }
}

/** The reasoning of an earlier turn, as it came back in a message. */
export const earlierReasoning = (text: string, details: ReadonlyArray<Fields>): Array<ContentPart> => {
  const parts = details.flatMap((detail): ReadonlyArray<Reasoning> => {
    const signature = stringOr(detail["signature"], "")
    const said = stringOr(detail["text"], "") || stringOr(detail["summary"], "")
    if (stringOr(detail["data"], "") !== "") {
      const redacted = detail["format"] === claude ? stringOr(detail["data"], "") : (jsonText(detail) ?? "")
      return [{ type: "reasoning", text: "", redacted }]
    }
    if (said === "" && signature === "") return []
    return [{ type: "reasoning", text: said, ...(signature === "" ? {} : { signature }) }]
  })
  return parts.length > 0 || text === "" ? parts : [{ type: "reasoning", text }]
}

/** Puts the signature that came with a call before it, at the thought that led to it where there is one. */
export const addSignature = (parts: Array<ContentPart>, signature: string): void => {
  if (signature === "") return
  const last = parts[parts.length - 1]
  const open = last?.type === "reasoning" && last.signature === undefined && last.redacted === undefined
  const carried = labelled("gemini", signature)
  if (open) parts[parts.length - 1] = { ...last, signature: carried }
  else parts.push({ type: "reasoning", text: "", signature: carried })
}
