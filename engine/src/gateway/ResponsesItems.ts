/**
 * The output items of a response, built from canonical parts, and the events that tell how they grow.
 *
 * A message holds texts, with their annotations and log probabilities, and refusals in the order they came; reasoning and each tool call are items of their own. An item
 * ends where another begins. Every item is announced, grown and closed, in this order and once.
 */
import { toOpenAi } from "../protocols/Logprobs.ts"
import type { Citation, Part, TokenLogprob } from "../Reply.ts"
import { responsesAnnotation } from "./CitationForms.ts"
import { reasoningItem, signedId } from "./ResponsesReasoning.ts"

type Json = { readonly [key: string]: unknown }

type ContentType = "output_text" | "refusal"

interface Content {
  readonly type: ContentType
  /** Where it begins in the text of the answer. */
  readonly base: number
  text: string
  readonly annotations: Array<Json>
  readonly logprobs: Array<TokenLogprob>
}

type Open =
  | {
      readonly type: "message"
      readonly content: Array<Json>
      part: Content | undefined
    }
  | {
      readonly type: "reasoning"
      readonly id: string
      text: string
      signature: string | undefined
      redacted: string | undefined
    }
  | {
      readonly type: "function_call"
      readonly index: number
      readonly callId: string
      readonly name: string
      arguments: string
    }

/** Builds the items of one response. Stateful; made anew for each. */
export class ResponseItems {
  readonly output: Array<Json> = []
  refused = false
  private readonly root: string
  private readonly emit: (type: string, data: Json) => void
  private open: Open | undefined = undefined
  private textLength = 0
  /** The text that closed last, for citations that come after it. */
  private closed: { readonly at: Json; readonly content: Content } | undefined = undefined

  /** `root` begins with `req_`; the ids of the items are made from it. */
  constructor(root: string, emit: (type: string, data: Json) => void) {
    this.root = root
    this.emit = emit
  }

  add(part: Part): void {
    switch (part.type) {
      case "text":
        return this.text("output_text", part.text)
      case "citation":
        return this.citation(part.citation)
      case "logprobs":
        return void this.content("output_text").logprobs.push(...part.logprobs)
      case "refusal":
        this.refused = true
        return this.text("refusal", part.text)
      case "reasoning":
        return this.reasoning(part)
      case "tool-call":
        return this.call(part)
      default:
        return
    }
  }

  /** Closes the item that is open; `cut` when the answer ended within it. */
  close(cut = false): void {
    const open = this.open
    if (open === undefined) return
    if (open.type === "message") this.closeContent(open)
    else if (open.type === "reasoning") this.closeReasoning(open)
    else this.closeCall(open)
    const item = this.itemOf(open, cut ? "incomplete" : "completed")
    this.emit("response.output_item.done", { output_index: this.output.length, item })
    this.output.push(item)
    this.open = undefined
  }

  private text(type: ContentType, text: string): void {
    if (text === "") return
    const content = this.content(type)
    content.text += text
    if (type === "output_text") this.textLength += text.length
    this.emitInMessage(`response.${type}.delta`, { delta: text, ...(type === "refusal" ? {} : { logprobs: [] }) })
  }

  /** A citation that comes after its text has closed is still added to it: the response at the end has it there. */
  private citation(citation: Citation): void {
    const isOpen = this.open?.type === "message" && this.open.part?.type === "output_text"
    const late = isOpen ? undefined : this.closed
    const { annotations, base } = late?.content ?? this.content("output_text")
    const annotation = responsesAnnotation(citation, base)
    const data = { annotation_index: annotations.length, annotation }
    annotations.push(annotation)
    if (late === undefined) this.emitInMessage("response.output_text.annotation.added", data)
    else this.emit("response.output_text.annotation.added", { ...late.at, ...data })
  }

  /** The content of this type that is open, or a new one. */
  private content(type: ContentType): Content {
    const open =
      this.open?.type === "message" ? this.open : this.start({ type: "message", content: [], part: undefined })
    if (open.part?.type === type) return open.part
    this.closeContent(open)
    open.part = { type, base: this.textLength, text: "", annotations: [], logprobs: [] }
    this.emitInMessage("response.content_part.added", { part: contentOf(open.part) })
    return open.part
  }

  private emitInMessage(type: string, data: Json): void {
    const { open } = this
    if (open?.type === "message") this.emitHere(type, { content_index: open.content.length, ...data })
  }

  private reasoning(part: Extract<Part, { readonly type: "reasoning" }>): void {
    const { redacted, signature, text } = part
    if (redacted === undefined && signature === undefined && text === "") return
    let open = this.open
    if (
      open?.type !== "reasoning" ||
      redacted !== undefined ||
      open.signature !== undefined ||
      open.redacted !== undefined
    ) {
      open = this.start({
        type: "reasoning",
        id: this.reasoningId(signature),
        text: "",
        signature: undefined,
        redacted: undefined
      })
    }
    if (text !== "") {
      if (open.text === "") {
        const added = { type: "summary_text", text: "" }
        this.emitHere("response.reasoning_summary_part.added", { summary_index: 0, part: added })
      }
      open.text += text
      this.emitHere("response.reasoning_summary_text.delta", { summary_index: 0, delta: text })
    }
    open.signature = signature
    open.redacted = redacted
  }

  private call(part: Extract<Part, { readonly type: "tool-call" }>): void {
    let open = this.open
    if (open?.type !== "function_call" || open.index !== part.index) {
      const { id: callId = "", index, name = "" } = part
      open = this.start({ type: "function_call", index, callId, name, arguments: "" })
    }
    if (part.arguments === "") return
    open.arguments += part.arguments
    this.emitHere("response.function_call_arguments.delta", { delta: part.arguments })
  }

  private start<A extends Open>(open: A): A {
    this.close()
    this.open = open
    this.emit("response.output_item.added", {
      output_index: this.output.length,
      item: this.itemOf(open, "in_progress")
    })
    return open
  }

  private closeContent(open: Extract<Open, { readonly type: "message" }>): void {
    if (open.part === undefined) return
    const part = contentOf(open.part)
    const { annotations: _, type: __, ...said } = part
    this.emitInMessage(`response.${open.part.type}.done`, said)
    this.emitInMessage("response.content_part.done", { part })
    if (open.part.type === "output_text") {
      const at = { item_id: this.idOf(open), output_index: this.output.length, content_index: open.content.length }
      this.closed = { at, content: open.part }
    }
    open.content.push(part)
    open.part = undefined
  }

  private closeReasoning({ text }: Extract<Open, { readonly type: "reasoning" }>): void {
    if (text === "") return
    this.emitHere("response.reasoning_summary_text.done", { summary_index: 0, text })
    this.emitHere("response.reasoning_summary_part.done", { summary_index: 0, part: { type: "summary_text", text } })
  }

  /** A call without arguments has an empty object, as the API has it. */
  private closeCall(open: Extract<Open, { readonly type: "function_call" }>): void {
    if (open.arguments === "") {
      open.arguments = "{}"
      this.emitHere("response.function_call_arguments.delta", { delta: open.arguments })
    }
    this.emitHere("response.function_call_arguments.done", { name: open.name, arguments: open.arguments })
  }

  private emitHere(type: string, data: Json): void {
    this.emit(type, { item_id: this.idOf(this.open!), output_index: this.output.length, ...data })
  }

  private idOf(open: Open): string {
    if (open.type === "reasoning") return open.id
    return `${open.type === "message" ? "msg" : "fc"}_${this.root}_${this.output.length}`
  }

  /**
   * An item that OpenAI signed keeps its id, without which the signature is worth nothing. xAI gives several items one id,
   * which OpenAI's SDK does not take: of those the first has it.
   */
  private reasoningId(signature: string | undefined): string {
    if (this.open !== undefined) this.close()
    const signed = signedId(signature)
    const isFree = signed !== undefined && this.output.every(({ id }) => id !== signed)
    return isFree ? signed : `rs_${this.root}_${this.output.length}`
  }

  private itemOf(open: Open, status: "in_progress" | "completed" | "incomplete"): Json {
    const id = this.idOf(open)
    switch (open.type) {
      case "message":
        return { id, type: "message", status, role: "assistant", content: open.content }
      case "reasoning": {
        const { redacted, signature, text } = open
        return reasoningItem(id, text, {
          ...(signature === undefined ? {} : { signature }),
          ...(redacted === undefined ? {} : { redacted })
        })
      }
      case "function_call":
        return {
          id,
          type: "function_call",
          status,
          call_id: open.callId,
          name: open.name,
          arguments: open.arguments
        }
    }
  }
}

const contentOf = ({ annotations, logprobs, text, type }: Content): Json =>
  type === "refusal" ? { type, refusal: text } : { type, text, annotations, logprobs: toOpenAi(logprobs) }
