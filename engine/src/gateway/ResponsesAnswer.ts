/**
 * Answers of `POST /v1/responses`: whole, as server-sent events, and errors.
 *
 * Where the upstream spoke the same dialect, its body and events are handed on as they came; else they are written from the
 * canonical answer, numbered from 0. A stream ends with `response.completed` or `response.incomplete`; a failure after the
 * first part is `response.failed` and nothing after it.
 */
import type { Call } from "../Call.ts"
import type { EngineError } from "../Errors.ts"
import { isObject, parseJson } from "../protocols/Json.ts"
import * as Reply from "../Reply.ts"
import { promptTokens, totalTokens, type Usage } from "../Usage.ts"
import { type InboundDialect, type StreamEncoder, wireEvent, type WirePart } from "./Dialect.ts"
import { openAiError } from "./OpenAiErrors.ts"
import { ResponseItems } from "./ResponsesItems.ts"
import { decodeResponses } from "./ResponsesRequest.ts"
import { ToolOrder } from "./ToolOrder.ts"

const encodeWhole = (call: Call, completion: Reply.Completion): string => {
  if (completion.wire?.dialect === "openai-responses") {
    const { body } = completion.wire
    const answer = completion.usage.estimated ? parseJson(body) : undefined
    return isObject(answer) ? JSON.stringify({ ...answer, ...usageOf(completion.usage) }) : body
  }
  const items = new ResponseItems(call.request.id, ignore)
  let finish: Finish | undefined
  for (const part of Reply.toParts(completion)) {
    if (part.type === "finish") finish = part
    else items.add(part)
  }
  return JSON.stringify(finished(call, completion.model, finish!, items))
}

const ignore = (): void => undefined

type Finish = Extract<Reply.Part, { readonly type: "finish" }>

export const responsesDialect: InboundDialect = {
  dialect: "openai-responses",
  decode: decodeResponses,
  encodeWhole,
  encodeStream: (call) => new ResponsesStream(call),
  encodeError: (error) => JSON.stringify({ error: openAiError(error) })
}

class ResponsesStream implements StreamEncoder {
  private readonly call: Call
  private readonly items: ResponseItems
  private readonly order = new ToolOrder((part) => this.write(part))
  private out = ""
  private sequence = 0
  private started = false
  private model = ""
  private id: string
  private raw = false
  /** The provider's event that was passed on last. */
  private last: WirePart | undefined = undefined
  /** The provider's terminal event, until it is known whether its usage has to be estimated. */
  private terminal: WirePart | undefined = undefined

  constructor(call: Call) {
    this.call = call
    this.id = idOf(call)
    this.items = new ResponseItems(call.request.id, (type, data) => this.event(type, data))
  }

  part(part: Reply.Part): string {
    this.out = ""
    if (part.type === "wire") this.pass(part)
    else if (!this.raw) this.order.add(part)
    else if (part.type === "start" && part.id !== "") this.id = part.id
    else if (part.type === "finish") this.passTerminal(part.usage)
    return this.out
  }

  end(): string {
    return ""
  }

  error(error: EngineError): string {
    this.out = ""
    if (!this.raw) this.order.flush()
    else this.sequence = 1 + Number(/"sequence_number"\s*:\s*(\d+)/.exec(this.last?.data ?? "")?.[1] ?? -1)
    this.start()
    this.event("response.failed", {
      response: {
        ...baseOf(this.call, this.model, "failed"),
        id: this.id,
        error: failureOf(error),
        output: this.items.output
      }
    })
    return this.out
  }

  private pass(part: WirePart): void {
    this.raw = true
    if (part.event === "response.completed" || part.event === "response.incomplete") this.terminal = part
    else {
      this.last = part
      this.out = wireEvent(part)
    }
  }

  private passTerminal(usage: Usage): void {
    if (this.terminal === undefined) return
    const data = usage.estimated ? parseJson(this.terminal.data) : undefined
    if (isObject(data) && isObject(data["response"])) {
      const response = { ...data["response"], ...usageOf(usage) }
      this.out = wireEvent({ event: this.terminal.event, data: JSON.stringify({ ...data, response }) })
    } else this.out = wireEvent(this.terminal)
  }

  private write(part: Reply.Part): void {
    if (part.type === "start") this.model = part.model
    this.start()
    if (part.type !== "finish") return this.items.add(part)
    const response = finished(this.call, this.model, part, this.items)
    this.event(`response.${response.status}`, { response })
  }

  private start(): void {
    if (this.started || this.raw) return
    this.started = true
    const response = { ...baseOf(this.call, this.model, "in_progress"), output: [] }
    this.event("response.created", { response })
    this.event("response.in_progress", { response })
  }

  private event(type: string, data: object): void {
    this.out += `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.sequence++, ...data })}\n\n`
  }
}

const idOf = (call: Call): string => `resp_${call.request.id}`

const seconds = (epochMs: number): number => Math.floor(epochMs / 1000)

/** The response object without its outcome; it repeats what was asked. */
const baseOf = (call: Call, model: string, status: string) => {
  const body = call.request.wire?.dialect === "openai-responses" ? call.request.wire.body : {}
  const asked = (field: string, fallback: unknown): unknown => body[field] ?? fallback
  return {
    id: idOf(call),
    object: "response",
    created_at: seconds(call.journal.startedAtMs),
    status,
    background: false,
    error: null as unknown,
    incomplete_details: null as unknown,
    instructions: asked("instructions", null),
    max_output_tokens: asked("max_output_tokens", null),
    metadata: asked("metadata", {}),
    model: model === "" ? (call.journal.target?.model ?? call.request.model ?? "") : model,
    parallel_tool_calls: asked("parallel_tool_calls", true),
    previous_response_id: null,
    reasoning: asked("reasoning", { effort: null, summary: null }),
    store: false,
    temperature: asked("temperature", null),
    text: asked("text", { format: { type: "text" } }),
    tool_choice: asked("tool_choice", "auto"),
    tools: asked("tools", []),
    top_p: asked("top_p", null),
    truncation: "disabled",
    user: asked("user", null)
  }
}

const finished = (call: Call, model: string, finish: Finish, items: ResponseItems) => {
  const reason = finish.finishReason
  const cut =
    reason === "length"
      ? "max_output_tokens"
      : reason === "content-filter" && !items.refused
        ? "content_filter"
        : undefined
  items.close(cut !== undefined)
  const status = reason === "error" ? "failed" : cut === undefined ? "completed" : "incomplete"
  return {
    ...baseOf(call, model, status),
    ...(status === "completed" ? { completed_at: seconds(call.clock.currentTimeMillisUnsafe()) } : {}),
    ...(status === "failed"
      ? { error: { code: "server_error", message: "the provider ended the answer with an error" } }
      : {}),
    ...(cut === undefined ? {} : { incomplete_details: { reason: cut } }),
    status,
    output: items.output,
    ...usageOf(finish.usage)
  }
}

/** Codes are those that OpenAI's reference knows. */
const failureOf = (error: EngineError) => ({
  code: error.status === 429 ? "rate_limit_exceeded" : error.fault === "caller" ? "invalid_prompt" : "server_error",
  message: error.message
})

const usageOf = (usage: Usage) => ({
  usage: {
    input_tokens: promptTokens(usage),
    input_tokens_details: { cached_tokens: usage.cacheReadInput },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: totalTokens(usage)
  },
  ...(usage.estimated ? { "x-millrace": { usage_estimated: true } } : {})
})
