/**
 * Answers of `POST /v1/messages`: whole, as server-sent events, and errors.
 *
 * Where the upstream spoke the same dialect, its body and events are handed on as they came; else they are written from the
 * canonical answer, one content block after the other. `message_start` carries our own count of the prompt, `message_delta`
 * the provider's figures. A stream ends with `message_stop` only when the answer is complete; a failure after the first
 * part is an `error` event and nothing after it.
 */
import type { Call } from "../Call.ts"
import type { EngineError } from "../Errors.ts"
import { isObject, parseJson } from "../protocols/Json.ts"
import * as Reply from "../Reply.ts"
import type { Usage } from "../Usage.ts"
import { AnswerLosses, millraceMark } from "./AnswerLosses.ts"
import { anthropicError } from "./AnthropicErrors.ts"
import { type InboundDialect, type StreamEncoder, wireEvent, type WirePart } from "./Dialect.ts"
import { messagesCitation } from "./CitationForms.ts"
import { decodeMessages } from "./MessagesRequest.ts"
import { ToolOrder } from "./ToolOrder.ts"

const encodeWhole = (call: Call, completion: Reply.Completion): string => {
  if (completion.wire?.dialect === "anthropic-messages") return withUsage(completion.wire.body, completion.usage)
  return JSON.stringify({
    ...messageOf(call, completion.model),
    content: completion.content.flatMap((block) =>
      block.type === "text" && block.text === "" ? [] : [blockOf(block)]
    ),
    ...stopOf(completion.finishReason, completion.rawFinishReason, completion.content.some(isToolCall), () =>
      Reply.refusalOf(completion)
    ),
    usage: usageOf(completion.usage),
    ...millraceMark(completion.usage)
  })
}

/** The provider's own body, with an estimate where it stated no usage. */
const withUsage = (body: string, usage: Usage): string => {
  if (!usage.estimated) return body
  const answer = parseJson(body)
  return isObject(answer) ? JSON.stringify({ ...answer, usage: usageOf(usage), ...millraceMark(usage) }) : body
}

export const messagesDialect: InboundDialect = {
  dialect: "anthropic-messages",
  headers: ["anthropic-beta"],
  decode: decodeMessages,
  encodeWhole,
  encodeStream: (call) => new MessagesStream(call),
  encodeError: anthropicError,
  encodeCount: (tokens) => JSON.stringify({ input_tokens: tokens })
}

/** The block that is being written. */
type Open = "text" | "thinking" | "signed" | { readonly tool: number } | undefined

class MessagesStream implements StreamEncoder {
  private readonly call: Call
  private readonly order = new ToolOrder((part) => this.write(part))
  private out = ""
  private started = false
  private raw = false
  /** The provider's `message_delta` and what follows it, until it is known whether its usage has to be estimated. */
  private last: ReadonlyArray<WirePart> = []
  private model = ""
  private open: Open = undefined
  private index = -1
  private called = false
  /** Citations that came while no text was open. */
  private readonly waiting: Array<Reply.Citation> = []
  private readonly losses = new AnswerLosses("anthropic-messages")
  private refusal = ""

  constructor(call: Call) {
    this.call = call
  }

  part(part: Reply.Part): string {
    this.out = ""
    if (part.type === "wire") this.pass(part)
    else if (!this.raw) this.order.add(part)
    else if (part.type === "finish") this.passLast(part.usage)
    return this.out
  }

  end(): string {
    return this.raw ? "" : event("message_stop", { type: "message_stop" })
  }

  error(error: EngineError): string {
    this.out = ""
    if (this.raw) this.passLast(undefined)
    else this.order.flush()
    return `${this.out}event: error\ndata: ${anthropicError(error, this.call.request.id)}\n\n`
  }

  private pass(part: WirePart): void {
    this.raw = true
    if (this.last.length > 0 || part.event === "message_delta") this.last = [...this.last, part]
    else this.out = wireEvent(part)
  }

  private passLast(usage: Usage | undefined): void {
    for (const part of this.last) {
      const estimated = usage?.estimated === true && part.event === "message_delta"
      this.out += wireEvent(estimated ? { ...part, data: withUsage(part.data, usage) } : part)
    }
    this.last = []
  }

  private write(part: Reply.Part): void {
    if (part.type === "start") this.model = part.model
    if (!this.started) this.start()
    this.losses.add(part)
    switch (part.type) {
      case "text":
        return this.text(part.text)
      case "refusal":
        this.refusal += part.text
        return this.text(part.text)
      case "citation":
        return this.cite(part.citation)
      case "reasoning":
        return this.reasoning(part)
      case "tool-call":
        return this.toolCall(part)
      case "finish":
        return this.finish(part)
      default:
        return
    }
  }

  private start(): void {
    this.started = true
    const usage = { ...usageOf(noUsage), input_tokens: this.call.journal.promptTokens ?? 0 }
    const message = { ...messageOf(this.call, this.model), content: [], ...unstopped, usage }
    this.out += event("message_start", { type: "message_start", message })
  }

  private text(text: string): void {
    if (text === "") return
    if (this.open !== "text") this.openBlock("text", { type: "text", text: "", citations: null })
    this.delta({ type: "text_delta", text })
    for (const citation of this.waiting.splice(0)) this.cite(citation)
  }

  /** In the text block that is open, else in the next: one without text could not be given back. */
  private cite(citation: Reply.Citation): void {
    if (this.open === "text") this.delta({ type: "citations_delta", citation: messagesCitation(citation) })
    else this.waiting.push(citation)
  }

  private reasoning(part: Extract<Reply.Part, { readonly type: "reasoning" }>): void {
    if (part.redacted !== undefined) {
      this.openBlock(undefined, { type: "redacted_thinking", data: part.redacted })
      return this.stopBlock()
    }
    if (part.text === "" && part.signature === undefined) return
    if (this.open !== "thinking") this.openBlock("thinking", { type: "thinking", thinking: "", signature: "" })
    if (part.text !== "") this.delta({ type: "thinking_delta", thinking: part.text })
    if (part.signature === undefined) return
    this.delta({ type: "signature_delta", signature: part.signature })
    this.open = "signed"
  }

  private toolCall(part: Extract<Reply.Part, { readonly type: "tool-call" }>): void {
    this.called = true
    if (typeof this.open !== "object" || this.open.tool !== part.index) {
      const block = { type: "tool_use", id: part.id ?? "", name: part.name ?? "", input: {} }
      this.openBlock({ tool: part.index }, block)
    }
    if (part.arguments !== "") this.delta({ type: "input_json_delta", partial_json: part.arguments })
  }

  private finish(part: Extract<Reply.Part, { readonly type: "finish" }>): void {
    if (this.open !== undefined) this.stopBlock()
    if (this.waiting.length > 0) this.losses.late()
    this.out += event("message_delta", {
      type: "message_delta",
      delta: stopOf(part.finishReason, part.rawFinishReason, this.called, () => this.refusal),
      usage: usageOf(part.usage),
      ...millraceMark(part.usage, this.losses.list)
    })
  }

  private openBlock(open: Open, block: unknown): void {
    if (this.open !== undefined) this.stopBlock()
    this.open = open
    this.out += event("content_block_start", { type: "content_block_start", index: ++this.index, content_block: block })
  }

  private stopBlock(): void {
    this.open = undefined
    this.out += event("content_block_stop", { type: "content_block_stop", index: this.index })
  }

  private delta(delta: unknown): void {
    this.out += event("content_block_delta", { type: "content_block_delta", index: this.index, delta })
  }
}

const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

const messageOf = (call: Call, model: string) => ({
  id: `msg_${call.request.id}`,
  type: "message",
  role: "assistant",
  model: model === "" ? (call.journal.target?.model ?? call.request.model ?? "") : model
})

const blockOf = (block: Reply.Block): unknown => {
  switch (block.type) {
    case "text":
      return { type: "text", text: block.text, citations: block.citations?.map(messagesCitation) ?? null }
    case "refusal":
      return { type: "text", text: block.text, citations: null }
    case "reasoning":
      return block.redacted === undefined
        ? { type: "thinking", thinking: block.text, signature: block.signature ?? "" }
        : { type: "redacted_thinking", data: block.redacted }
    case "tool-call":
      return { type: "tool_use", id: block.id, name: block.name, input: inputOf(block.arguments) }
  }
}

/** Arguments as the object they are; what is no JSON stays text, so that nobody takes it for an empty call. */
const inputOf = (written: string): unknown => (written.trim() === "" ? {} : (parseJson(written) ?? written))

const isToolCall = (block: Reply.Block): boolean => block.type === "tool-call"

const unstopped = { stop_reason: null, stop_sequence: null, stop_details: null }

const stopOf = (reason: Reply.FinishReason, raw: string | undefined, called: boolean, refusal: () => string) => {
  const stop = raw !== undefined && ownWords[raw] === reason ? raw : stopReasonOf(reason, called)
  const details = stop === "refusal" ? { type: "refusal", category: null, explanation: refusal() || null } : null
  return { stop_reason: stop, stop_sequence: null, stop_details: details }
}

/** Words of Anthropic that say more than the canonical reason. */
const ownWords: { readonly [raw: string]: Reply.FinishReason } = {
  stop_sequence: "stop",
  pause_turn: "stop",
  model_context_window_exceeded: "length"
}

const stopReasonOf = (reason: Reply.FinishReason, called: boolean): string => {
  switch (reason) {
    case "length":
      return "max_tokens"
    case "content-filter":
      return "refusal"
    case "tool-calls":
      return "tool_use"
    default:
      return called ? "tool_use" : "end_turn"
  }
}

const noUsage = { uncachedInput: 0, cacheReadInput: 0, cacheWriteInput: 0, output: 0, reasoning: 0 }

const usageOf = (usage: Omit<Usage, "estimated">) => ({
  input_tokens: usage.uncachedInput,
  cache_creation_input_tokens: usage.cacheWriteInput,
  cache_read_input_tokens: usage.cacheReadInput,
  output_tokens: usage.output,
  ...(usage.reasoning > 0 ? { output_tokens_details: { thinking_tokens: usage.reasoning } } : {})
})
