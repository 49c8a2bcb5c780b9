/**
 * Answers in OpenAI's Chat Completions dialect, read by the letter of its reference and by nothing else: what a client
 * without any tolerance sees. Knows nothing of the engine.
 */

export interface ReadToolCall {
  id: string
  name: string
  arguments: string
}

export interface ReadUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details?: { readonly cached_tokens?: number }
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number }
}

export interface ReadError {
  readonly message: string
  readonly type: string | null
  readonly param: string | null
  readonly code: string | number | null
}

export interface ReadAnswer {
  text: string
  reasoning: string
  refusal: string
  toolCalls: Array<ReadToolCall>
  finishReason: string | null
  usage: ReadUsage | undefined
  estimated: boolean
  error: ReadError | undefined
  /** True when a stream has ended with `[DONE]`; a whole answer is always complete. */
  done: boolean
}

/** Data of the events of a stream, whatever their framing; `[DONE]` as it is. */
export const dataOf = (stream: string): ReadonlyArray<any> => {
  const data: Array<unknown> = []
  for (const block of stream.replace(/^\uFEFF/, "").split(/\r\n\r\n|\n\n|\r\r/)) {
    const lines = block.split(/\r\n|\n|\r/).filter((line) => line.startsWith("data:"))
    const text = lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n")
    if (text !== "") data.push(text.startsWith("[DONE]") ? "[DONE]" : (JSON.parse(text) as unknown))
  }
  return data
}

export const readWhole = (body: any): ReadAnswer => {
  const read = nothing()
  read.done = true
  if (body.error !== undefined) return { ...read, error: body.error as ReadError }
  add(
    read,
    body.choices[0].message,
    body.choices[0].message.tool_calls?.map((call: object, index: number) => ({ ...call, index }))
  )
  read.finishReason = body.choices[0].finish_reason as string
  addUsage(read, body)
  return read
}

export const readStream = (events: ReadonlyArray<any>): ReadAnswer => {
  const read = nothing()
  for (const event of events) {
    if (read.done || read.error !== undefined) throw new Error("something comes after the end")
    if (event === "[DONE]") read.done = true
    else if (event.error !== undefined) read.error = event.error as ReadError
    else {
      const choice = event.choices[0]
      if (choice !== undefined) {
        add(read, choice.delta, choice.delta.tool_calls)
        if (choice.finish_reason !== null) read.finishReason = choice.finish_reason as string
      }
      addUsage(read, event)
    }
  }
  return read
}

const nothing = (): ReadAnswer => ({
  text: "",
  reasoning: "",
  refusal: "",
  toolCalls: [],
  finishReason: null,
  usage: undefined,
  estimated: false,
  error: undefined,
  done: false
})

const add = (read: ReadAnswer, delta: any, calls: ReadonlyArray<any> | undefined): void => {
  read.text += delta.content ?? ""
  read.reasoning += delta.reasoning_content ?? ""
  read.refusal += delta.refusal ?? ""
  for (const call of calls ?? []) {
    const open = (read.toolCalls[call.index] ??= { id: "", name: "", arguments: "" })
    open.id += call.id ?? ""
    open.name += call.function?.name ?? ""
    open.arguments += call.function?.arguments ?? ""
  }
}

const addUsage = (read: ReadAnswer, body: any): void => {
  if (body.usage !== undefined && body.usage !== null) read.usage = body.usage as ReadUsage
  if (body["x-millrace"]?.usage_estimated === true) read.estimated = true
}
