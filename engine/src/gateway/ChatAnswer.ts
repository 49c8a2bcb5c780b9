/**
 * Answers of `POST /v1/chat/completions`: whole, as server-sent events, and errors.
 *
 * Where the upstream spoke the same dialect, its body and events are handed on as they came; else they are written from the
 * canonical answer. A stream ends with `[DONE]` only when the answer is complete; a failure after the first part is an
 * `error` object and nothing after it.
 */
import type { Call } from "../Call.ts"
import type { EngineError } from "../Errors.ts"
import { toOpenAi } from "../protocols/Logprobs.ts"
import * as Reply from "../Reply.ts"
import { completionTokens, promptTokens, totalTokens, type Usage } from "../Usage.ts"
import { AnswerLosses, millraceMark } from "./AnswerLosses.ts"
import { chatAnnotation } from "./CitationForms.ts"
import { ChatReasoning, wholeReasoning } from "./ChatReasoning.ts"
import { decodeChat } from "./ChatRequest.ts"
import { type InboundDialect, type StreamEncoder, wireEvent } from "./Dialect.ts"
import { openAiError } from "./OpenAiErrors.ts"

const encodeWhole = (call: Call, completion: Reply.Completion): string => {
  if (completion.wire?.dialect === "openai-chat") return withUsage(completion.wire.body, completion.usage)
  const toolCalls = Reply.toolCallsOf(completion)
  const content = Reply.textOf(completion)
  const reasoning = wholeReasoning(completion.content)
  const refusal = Reply.refusalOf(completion)
  const annotations = Reply.citationsOf(completion).flatMap((citation) => chatAnnotation(citation) ?? [])
  return JSON.stringify({
    id: idOf(call),
    object: "chat.completion",
    created: createdOf(call),
    model: modelOf(call, completion.model),
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: content === "" && (toolCalls.length > 0 || refusal !== "") ? null : content,
          refusal: refusal === "" ? null : refusal,
          ...(annotations.length === 0 ? {} : { annotations }),
          ...reasoning.message,
          ...(toolCalls.length === 0
            ? {}
            : {
                tool_calls: toolCalls.map(({ arguments: args, id, name }, index) => ({
                  id,
                  type: "function",
                  function: { name, arguments: args === "" ? "{}" : args },
                  ...reasoning.calls[index]
                }))
              })
        },
        logprobs: logprobsOf(Reply.logprobsOf(completion)),
        finish_reason: finishReasonOf(completion.finishReason, toolCalls.length > 0)
      }
    ],
    usage: usageOf(completion.usage),
    ...millraceMark(completion.usage)
  })
}

/** The provider's own body, with an estimate where it stated no usage. */
const withUsage = (body: string, usage: Usage): string => {
  if (!usage.estimated) return body
  const answer = JSON.parse(body) as { readonly [key: string]: unknown }
  return JSON.stringify({ ...answer, usage: usageOf(usage), ...millraceMark(usage) })
}

const encodeStream = (call: Call): StreamEncoder => new ChatStream(call)

export const chatDialect: InboundDialect = {
  dialect: "openai-chat",
  decode: decodeChat,
  encodeWhole,
  encodeStream,
  encodeError: (error) => JSON.stringify({ error: openAiError(error) })
}

class ChatStream implements StreamEncoder {
  private readonly call: Call
  private id: string
  private readonly created: number
  private readonly includeUsage: boolean
  private model: string
  private prefix = ""
  private raw = false
  private opened = false
  private toolCalls = 0
  private readonly reasoning = new ChatReasoning()
  private readonly losses = new AnswerLosses("openai-chat")

  constructor(call: Call) {
    this.call = call
    this.id = idOf(call)
    this.created = createdOf(call)
    this.model = modelOf(call, "")
    const options = call.request.wire?.body["stream_options"]
    this.includeUsage =
      typeof options === "object" && options !== null && "include_usage" in options && options.include_usage === true
  }

  part(part: Reply.Part): string {
    if (part.type === "wire") {
      this.raw = true
      return part.usageOnly === true && !this.includeUsage ? "" : wireEvent(part)
    }
    if (part.type === "start") {
      this.model = modelOf(this.call, part.model)
      if (this.raw && part.id !== "") this.id = part.id
      return ""
    }
    if (this.raw) return part.type === "finish" && part.usage.estimated ? this.usage(part.usage) : ""
    this.losses.add(part)
    switch (part.type) {
      case "text":
        return this.delta({ ...this.reasoning.rest(), content: part.text })
      case "refusal":
        return this.delta({ ...this.reasoning.rest(), refusal: part.text })
      case "reasoning": {
        const fields = this.reasoning.add(part)
        return Object.keys(fields).length === 0 ? "" : this.delta(fields)
      }
      case "tool-call":
        return this.delta({ tool_calls: [this.toolCall(part)] })
      case "citation": {
        const annotation = chatAnnotation(part.citation)
        return annotation === undefined ? "" : this.delta({ annotations: [annotation] })
      }
      case "logprobs":
        return this.delta({}, null, logprobsOf(part.logprobs))
      case "finish": {
        const reason = finishReasonOf(part.finishReason, this.toolCalls > 0)
        const mark = this.includeUsage ? undefined : millraceMark({ estimated: false }, this.losses.list)
        return this.delta(this.reasoning.rest(), reason, null, mark) + this.usage(part.usage)
      }
    }
  }

  end(): string {
    return "data: [DONE]\n\n"
  }

  error(error: EngineError): string {
    return `data: ${JSON.stringify({ error: openAiError(error) })}\n\n`
  }

  private toolCall(part: Extract<Reply.Part, { readonly type: "tool-call" }>) {
    this.toolCalls = Math.max(this.toolCalls, part.index + 1)
    return {
      index: part.index,
      ...(part.id === undefined ? {} : { id: part.id, type: "function" }),
      function: { ...(part.name === undefined ? {} : { name: part.name }), arguments: part.arguments },
      ...(part.id === undefined ? {} : this.reasoning.call())
    }
  }

  private delta(
    delta: Record<string, unknown>,
    finishReason: string | null = null,
    logprobs: object | null = null,
    mark?: object
  ): string {
    const first = this.opened ? delta : { role: "assistant", ...delta }
    this.opened = true
    return this.event(
      `[{"index":0,"delta":${JSON.stringify(first)},"logprobs":${JSON.stringify(logprobs)},"finish_reason":${JSON.stringify(finishReason)}}]`,
      mark
    )
  }

  private usage(usage: Usage): string {
    if (!this.includeUsage) return ""
    return this.event("[]", { usage: usageOf(usage), ...millraceMark(usage, this.losses.list) })
  }

  private event(choices: string, more?: object): string {
    if (this.prefix === "") {
      this.prefix = `data: {"id":${JSON.stringify(this.id)},"object":"chat.completion.chunk","created":${this.created},"model":${JSON.stringify(this.model)},"choices":`
    }
    const beside = more === undefined ? "" : JSON.stringify(more).slice(1, -1)
    return `${this.prefix}${choices}${beside === "" ? "" : ","}${beside}}\n\n`
  }
}

const logprobsOf = (logprobs: ReadonlyArray<Reply.TokenLogprob>): object | null =>
  logprobs.length === 0 ? null : { content: toOpenAi(logprobs), refusal: null }

const idOf = (call: Call): string => `chatcmpl-${call.request.id}`

const createdOf = (call: Call): number => Math.floor(call.journal.startedAtMs / 1000)

const modelOf = (call: Call, reported: string): string =>
  reported === "" ? (call.journal.target?.model ?? call.request.model ?? "") : reported

/** OpenAI has no word for reasons that no other provider shares; a router's `error` is kept, since it is no normal end. */
const finishReasonOf = (reason: Reply.FinishReason, called: boolean): string => {
  switch (reason) {
    case "tool-calls":
      return "tool_calls"
    case "content-filter":
      return "content_filter"
    case "other":
      return called ? "tool_calls" : "stop"
    default:
      return reason
  }
}

const usageOf = (usage: Usage) => ({
  prompt_tokens: promptTokens(usage),
  completion_tokens: completionTokens(usage),
  total_tokens: totalTokens(usage),
  prompt_tokens_details: { cached_tokens: usage.cacheReadInput },
  completion_tokens_details: { reasoning_tokens: usage.reasoning }
})
