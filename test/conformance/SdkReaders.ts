/**
 * The vendors' own SDKs as readers: each asks for a model in its dialect, whole or streamed, and tells what it heard.
 *
 * Streams are read by the SDK's stream helper, whose own checks count as well. A failure, before or in a stream, is part of
 * what was heard. Nothing here knows what should come.
 */
import Anthropic from "@anthropic-ai/sdk"
import { GoogleGenAI } from "@google/genai"
import OpenAI from "openai"

/** What a client got, in the words of its own dialect where they are words. */
export interface Heard {
  text: string
  reasoning: string
  refusal: string
  calls: ReadonlyArray<HeardCall>
  finish: string | undefined
  /** Input with everything cached, output with everything reasoned. */
  usage: HeardUsage | undefined
  error: HeardError | undefined
}

export interface HeardCall {
  readonly id: string | undefined
  readonly name: string
  readonly arguments: unknown
}

export interface HeardUsage {
  readonly input: number
  readonly output: number
  readonly cached: number
  readonly reasoning: number
}

export interface HeardError {
  /** Undefined in a stream. */
  readonly status: number | undefined
  readonly message: string
  readonly headers: Headers | undefined
}

export interface Reader {
  readonly ask: (model: string, stream: boolean) => Promise<Heard>
}

const prompt = "What was recorded?"

const heard = async (read: (into: Heard) => Promise<void>): Promise<Heard> => {
  const into: Heard = {
    text: "",
    reasoning: "",
    refusal: "",
    calls: [],
    finish: undefined,
    usage: undefined,
    error: undefined
  }
  try {
    await read(into)
  } catch (error) {
    const { headers, message, status } = error as Error & { readonly status?: number; readonly headers?: unknown }
    into.error = { status, message, headers: headers instanceof Headers ? headers : undefined }
  }
  return into
}

/** Arguments as a value; the corpus marks those that are no JSON in this way. */
const parsed = (written: string): unknown => {
  try {
    return JSON.parse(written === "" ? "{}" : written)
  } catch {
    return { __unparsed: written }
  }
}

/** `openai` on Chat Completions. Reasoning is a field that the SDK hands on without knowing it. */
export const chatReader = (baseURL: string): Reader => {
  const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 })
  const take = ({ choices: [choice], usage }: OpenAI.ChatCompletion, into: Heard): void => {
    const message = choice!.message as OpenAI.ChatCompletionMessage & { readonly reasoning_content?: string }
    into.text = message.content ?? ""
    into.refusal = message.refusal ?? ""
    into.finish = choice!.finish_reason
    into.calls = (message.tool_calls ?? []).map((call) =>
      call.type === "custom"
        ? { id: call.id, name: call.custom.name, arguments: parsed(call.custom.input) }
        : { id: call.id, name: call.function.name, arguments: parsed(call.function.arguments) }
    )
    if (usage == null) return
    into.usage = {
      input: usage.prompt_tokens,
      output: usage.completion_tokens,
      cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
      reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0
    }
  }
  return {
    ask: (model, stream) =>
      heard(async (into) => {
        const body = { model, messages: [{ role: "user" as const, content: prompt }] }
        if (!stream) {
          const answer = await client.chat.completions.create(body)
          const message = answer.choices[0]!.message as { readonly reasoning_content?: string }
          into.reasoning = message.reasoning_content ?? ""
          return take(answer, into)
        }
        const reply = client.chat.completions.stream({ ...body, stream_options: { include_usage: true } })
        for await (const { choices } of reply) {
          const delta = choices.find(({ index }) => index === 0)?.delta as
            | (OpenAI.ChatCompletionChunk.Choice.Delta & { readonly reasoning_content?: string })
            | undefined
          into.text += delta?.content ?? ""
          into.refusal += delta?.refusal ?? ""
          into.reasoning += delta?.reasoning_content ?? ""
        }
        const { text } = into
        const answer = await reply.finalChatCompletion()
        take(answer, into)
        if (into.text !== text) throw new Error("the helper's message is not the sum of its deltas")
      })
  }
}

/** `openai` on the Responses API. */
export const responsesReader = (baseURL: string): Reader => {
  const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 })
  const take = (answer: OpenAI.Responses.Response, into: Heard): void => {
    const parts = answer.output.flatMap((item) => (item.type === "message" ? item.content : []))
    into.text = parts.map((part) => (part.type === "output_text" ? part.text : "")).join("")
    into.refusal = parts.map((part) => (part.type === "refusal" ? part.refusal : "")).join("")
    into.reasoning = answer.output
      .map((item) =>
        item.type !== "reasoning"
          ? ""
          : (item.summary.length > 0 ? item.summary : (item.content ?? [])).map(({ text }) => text).join("\n")
      )
      .join("")
    into.calls = answer.output.flatMap((item): ReadonlyArray<HeardCall> => {
      if (item.type === "function_call") {
        return [{ id: item.call_id, name: item.name, arguments: parsed(item.arguments) }]
      }
      return item.type === "custom_tool_call"
        ? [{ id: item.call_id, name: item.name, arguments: parsed(item.input) }]
        : []
    })
    into.finish = answer.incomplete_details?.reason ?? answer.status
    if (answer.usage == null) return
    into.usage = {
      input: answer.usage.input_tokens,
      output: answer.usage.output_tokens,
      cached: answer.usage.input_tokens_details?.cached_tokens ?? 0,
      reasoning: answer.usage.output_tokens_details?.reasoning_tokens ?? 0
    }
  }
  return {
    ask: (model, stream) =>
      heard(async (into) => {
        if (!stream) return take(await client.responses.create({ model, input: prompt }), into)
        const reply = client.responses.stream({ model, input: prompt })
        let failed: OpenAI.Responses.Response | undefined
        for await (const event of reply) {
          if (event.type === "response.output_text.delta") into.text += event.delta
          if (event.type === "response.refusal.delta") into.refusal += event.delta
          if (event.type === "response.failed") failed = event.response
        }
        if (failed !== undefined) {
          const { text } = into
          take(failed, into)
          into.text = text
          throw new Error(failed.error?.message ?? "failed without a word")
        }
        const { text } = into
        take(await reply.finalResponse(), into)
        if (text !== "" && into.text !== text) throw new Error("the helper's response is not the sum of its deltas")
      })
  }
}

/** `@anthropic-ai/sdk`. What a model refused is text to it. */
export const messagesReader = (baseURL: string): Reader => {
  const client = new Anthropic({ baseURL, apiKey: "any", maxRetries: 0 })
  const take = ({ content, stop_reason: reason, usage }: Anthropic.Message, into: Heard): void => {
    into.text = content.map((block) => (block.type === "text" ? block.text : "")).join("")
    into.reasoning = content.map((block) => (block.type === "thinking" ? block.thinking : "")).join("")
    into.calls = content.flatMap((block) =>
      block.type === "tool_use" ? [{ id: block.id, name: block.name, arguments: block.input }] : []
    )
    into.finish = reason ?? undefined
    into.usage = {
      input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
      output: usage.output_tokens,
      cached: usage.cache_read_input_tokens ?? 0,
      reasoning: usage.output_tokens_details?.thinking_tokens ?? 0
    }
  }
  return {
    ask: (model, stream) =>
      heard(async (into) => {
        const body = { model, max_tokens: 1000, messages: [{ role: "user" as const, content: prompt }] }
        if (!stream) return take(await client.messages.create(body), into)
        const reply = client.messages.stream(body)
        reply.on("text", (delta) => (into.text += delta))
        reply.on("thinking", (delta) => (into.reasoning += delta))
        const message = await reply.finalMessage()
        const { text } = into
        take(message, into)
        if (into.text !== text) throw new Error("the helper's message is not the sum of its deltas")
      })
  }
}

/** `@google/genai`. What a model refused is text to it. */
export const geminiReader = (baseUrl: string): Reader => {
  const client = new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl } })
  return {
    ask: (model, stream) =>
      heard(async (into) => {
        const body = { model, contents: prompt }
        const calls: Array<HeardCall> = []
        const chunks = stream
          ? await client.models.generateContentStream(body)
          : [await client.models.generateContent(body)]
        for await (const { candidates, promptFeedback, usageMetadata } of chunks) {
          const candidate = candidates?.find(({ index }) => (index ?? 0) === 0)
          for (const part of candidate?.content?.parts ?? []) {
            if (part.thought === true) into.reasoning += part.text ?? ""
            else into.text += part.text ?? ""
            const call = part.functionCall
            if (call !== undefined) calls.push({ id: call.id, name: call.name!, arguments: call.args ?? {} })
          }
          into.calls = calls
          into.finish = candidate?.finishReason ?? promptFeedback?.blockReason ?? into.finish
          if (usageMetadata === undefined) continue
          const input = usageMetadata.promptTokenCount ?? 0
          into.usage = {
            input,
            output: (usageMetadata.totalTokenCount ?? input) - input,
            cached: usageMetadata.cachedContentTokenCount ?? 0,
            reasoning: usageMetadata.thoughtsTokenCount ?? 0
          }
        }
      })
  }
}
