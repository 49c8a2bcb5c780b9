/**
 * Answers of `POST /v1/responses`: whole, as server-sent events, and errors.
 *
 * Where the upstream spoke the same dialect, its body and events are handed on as they came; else they are written from the
 * canonical answer, numbered from 0. A stream ends with `response.completed` or `response.incomplete`; a failure after the
 * first part is `response.failed` and nothing after it.
 */
import { Result } from "effect"
import { randomBytes } from "node:crypto"
import type { Call } from "../Call.ts"
import type { EngineError } from "../Errors.ts"
import { isObject, parseJson } from "../protocols/Json.ts"
import * as Reply from "../Reply.ts"
import type { WireRequest } from "../Request.ts"
import { promptTokens, totalTokens, type Usage } from "../Usage.ts"
import { AnswerLosses, millraceMark } from "./AnswerLosses.ts"
import { type InboundDialect, type StreamEncoder, wireEvent, type WirePart } from "./Dialect.ts"
import { openAiError } from "./OpenAiErrors.ts"
import { type Items, itemsOf, type ResponseMemory } from "./ResponseMemory.ts"
import { ResponseItems } from "./ResponsesItems.ts"
import { decodeResponses } from "./ResponsesRequest.ts"
import { ToolOrder } from "./ToolOrder.ts"

const encodeWhole = (call: Call, completion: Reply.Completion, made: Made): string => {
  if (completion.wire?.dialect === "openai-responses") {
    const { body } = completion.wire
    const answer = completion.usage.estimated ? parseJson(body) : undefined
    return isObject(answer) ? JSON.stringify({ ...answer, ...usageOf(completion.usage) }) : body
  }
  const root = rootOf(call)
  const items = new ResponseItems(root, ignore)
  let finish: Finish | undefined
  for (const part of Reply.toParts(completion)) {
    if (part.type === "finish") finish = part
    else items.add(part)
  }
  const response = finished({ call, root, model: completion.model }, finish!, items)
  made(response)
  return JSON.stringify(response)
}

/** Called with every response that was made here. */
type Made = (response: { readonly id: string; readonly output: Items }) => void

/** Ids that nobody can guess: who knows one may go on from it. */
const rootOf = (call: Call): string => `${call.request.id}_${randomBytes(8).toString("hex")}`

const ignore = (): void => undefined

type Finish = Extract<Reply.Part, { readonly type: "finish" }>

export const responsesDialect = (memory: ResponseMemory): InboundDialect => {
  /** What was asked, as it was before it was made fit for OpenAI. */
  const asked = new WeakMap<WireRequest, Items>()
  const remember =
    (call: Call): Made =>
    ({ id, output }) => {
      const { tenant, wire } = call.request
      const input = wire === undefined ? undefined : asked.get(wire)
      if (input !== undefined && wire!.body["store"] !== false) memory.remember(tenant, id, { input, output })
    }
  return {
    dialect: "openai-responses",
    decode: (body, tenant) => {
      const resolved = memory.resolve(tenant, body)
      const decoded = decodeResponses(resolved)
      if (Result.isSuccess(decoded)) asked.set(decoded.success.wire!, itemsOf(resolved["input"]))
      return decoded
    },
    encodeWhole: (call, completion) => encodeWhole(call, completion, remember(call)),
    encodeStream: (call) => new ResponsesStream(call, remember(call)),
    encodeError: (error) => JSON.stringify({ error: openAiError(error) })
  }
}

class ResponsesStream implements StreamEncoder {
  private readonly asked: Asked
  private readonly made: Made
  private readonly items: ResponseItems
  private readonly order = new ToolOrder((part) => this.write(part))
  private out = ""
  private readonly losses = new AnswerLosses("openai-responses")
  private sequence = 0
  private started = false
  private id: string
  private raw = false
  /** The provider's event that was passed on last. */
  private last: WirePart | undefined = undefined
  /** The provider's terminal event, until it is known whether its usage has to be estimated. */
  private terminal: WirePart | undefined = undefined

  constructor(call: Call, made: Made) {
    const root = rootOf(call)
    this.asked = { call, root, model: "" }
    this.made = made
    this.id = `resp_${root}`
    this.items = new ResponseItems(root, (type, data) => this.event(type, data))
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
        ...baseOf(this.asked, "failed"),
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
    if (part.type === "start") this.asked.model = part.model
    this.start()
    this.losses.add(part)
    if (part.type !== "finish") return this.items.add(part)
    const response = finished(this.asked, part, this.items, this.losses.list)
    this.made(response)
    this.event(`response.${response.status}`, { response })
  }

  private start(): void {
    if (this.started || this.raw) return
    this.started = true
    const response = { ...baseOf(this.asked, "in_progress"), output: [] }
    this.event("response.created", { response })
    this.event("response.in_progress", { response })
  }

  private event(type: string, data: object): void {
    this.out += `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.sequence++, ...data })}\n\n`
  }
}

/** What a response object repeats. */
interface Asked {
  readonly call: Call
  readonly root: string
  model: string
}

const seconds = (epochMs: number): number => Math.floor(epochMs / 1000)

/** The response object without its outcome; it repeats what was asked. */
const baseOf = ({ call, model, root }: Asked, status: string) => {
  const body = call.request.wire?.dialect === "openai-responses" ? call.request.wire.body : {}
  const asked = (field: string, fallback: unknown): unknown => body[field] ?? fallback
  return {
    id: `resp_${root}`,
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
    previous_response_id: asked("previous_response_id", null),
    reasoning: asked("reasoning", { effort: null, summary: null }),
    store: asked("store", true),
    temperature: asked("temperature", null),
    text: asked("text", { format: { type: "text" } }),
    tool_choice: asked("tool_choice", "auto"),
    tools: asked("tools", []),
    top_p: asked("top_p", null),
    truncation: "disabled",
    user: asked("user", null)
  }
}

const finished = (asked: Asked, finish: Finish, items: ResponseItems, lost: ReadonlyArray<string> = []) => {
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
    ...baseOf(asked, status),
    ...(status === "completed" ? { completed_at: seconds(asked.call.clock.currentTimeMillisUnsafe()) } : {}),
    ...(status === "failed"
      ? { error: { code: "server_error", message: "the provider ended the answer with an error" } }
      : {}),
    ...(cut === undefined ? {} : { incomplete_details: { reason: cut } }),
    status,
    output: items.output,
    ...usageOf(finish.usage, lost)
  }
}

/** Codes are those that OpenAI's reference knows. */
const failureOf = (error: EngineError) => ({
  code: error.status === 429 ? "rate_limit_exceeded" : error.fault === "caller" ? "invalid_prompt" : "server_error",
  message: error.message
})

const usageOf = (usage: Usage, lost: ReadonlyArray<string> = []) => ({
  usage: {
    input_tokens: promptTokens(usage),
    input_tokens_details: { cached_tokens: usage.cacheReadInput },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: totalTokens(usage)
  },
  ...millraceMark(usage, lost)
})
