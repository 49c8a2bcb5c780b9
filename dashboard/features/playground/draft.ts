/**
 * The form of the playground as it is typed, and the call that it makes: a body of OpenAI's Chat Completions.
 *
 * Numbers and JSON stay text until they are sent; `checked` says what is wrong with them, by field. A body that was logged
 * becomes a draft again, whatever else is in it is left out.
 */

export const cacheModes = ["default", "refresh", "bypass", "only"] as const
export type CacheMode = (typeof cacheModes)[number]

export const roles = ["system", "user", "assistant", "tool"] as const
export type Role = (typeof roles)[number]

export const formats = ["text", "json", "schema"] as const
export type Format = (typeof formats)[number]

export interface ToolCall {
  readonly id: string
  readonly type: "function"
  readonly function: { readonly name: string; readonly arguments: string }
}

export interface Turn {
  /** Tells turns apart while they are edited. */
  readonly id: number
  readonly role: Role
  readonly content: string
  /** The call that a tool's turn answers. */
  readonly toolCallId: string
  /** What an assistant's turn asked for; taken over from an answer, not typed. */
  readonly toolCalls: ReadonlyArray<ToolCall>
}

export interface Draft {
  readonly turns: ReadonlyArray<Turn>
  /** JSON: a list of tools. */
  readonly tools: string
  readonly format: Format
  /** JSON: the schema of the answer. */
  readonly schema: string
  readonly temperature: string
  readonly topP: string
  readonly maxTokens: string
  readonly seed: string
  /** One a line. */
  readonly stop: string
  readonly cache: CacheMode
  readonly stream: boolean
}

/** A message of a body. */
export interface BodyMessage {
  readonly role: Role
  readonly content: string | null
  readonly tool_call_id?: string
  readonly tool_calls?: ReadonlyArray<ToolCall>
}

export interface BodyTool {
  readonly type: "function"
  readonly function: {
    readonly name: string
    readonly description?: string
    readonly parameters?: Readonly<Record<string, unknown>>
    readonly strict?: boolean
  }
}

/** What is sent, but for the model and whether it is streamed. */
export interface CallBody {
  readonly messages: ReadonlyArray<BodyMessage>
  readonly temperature?: number
  readonly top_p?: number
  readonly max_tokens?: number
  readonly seed?: number
  readonly stop?: ReadonlyArray<string>
  readonly tools?: ReadonlyArray<BodyTool>
  readonly response_format?:
    | { readonly type: "json_object" }
    | {
        readonly type: "json_schema"
        readonly json_schema: { readonly name: string; readonly schema: Readonly<Record<string, unknown>> }
      }
}

/** The whole body of a call. */
export const bodyOf = ({ body, model, stream }: { body: CallBody; model: string; stream: boolean }) => ({
  model,
  ...body,
  ...(stream ? { stream: true as const, stream_options: { include_usage: true } } : {})
})

export const turn = (id: number, role: Role, content = ""): Turn => ({
  id,
  role,
  content,
  toolCallId: "",
  toolCalls: []
})

export const firstDraft: Draft = {
  turns: [turn(1, "system"), turn(2, "user", "Write a haiku about programming")],
  tools: "",
  format: "text",
  schema: "",
  temperature: "",
  topP: "",
  maxTokens: "",
  seed: "",
  stop: "",
  cache: "default",
  stream: true
}

/** An id that no turn has. */
export const nextId = (turns: ReadonlyArray<Turn>): number => Math.max(0, ...turns.map(({ id }) => id)) + 1

export type DraftField = "messages" | "tools" | "schema" | "temperature" | "topP" | "maxTokens" | "seed"

export type Problems = Readonly<Partial<Record<DraftField, string>>>

export interface Checked {
  readonly problems: Problems
  /** Undefined while there is a problem. */
  readonly body: CallBody | undefined
}

export const checked = (draft: Draft): Checked => {
  const problems: Partial<Record<DraftField, string>> = {}
  const take = <A>(field: DraftField, read: () => A): A | undefined => {
    try {
      return read()
    } catch (error) {
      problems[field] = error instanceof Error ? error.message : String(error)
      return undefined
    }
  }
  const messages = take("messages", () => messagesOf(draft.turns))
  const temperature = take("temperature", () => numberIn(draft.temperature, 0, 2))
  const topP = take("topP", () => numberIn(draft.topP, 0, 1))
  const maxTokens = take("maxTokens", () => wholeIn(draft.maxTokens, 1))
  const seed = take("seed", () => wholeIn(draft.seed, Number.MIN_SAFE_INTEGER))
  const tools = take("tools", () => toolsOf(draft.tools))
  const format = take("schema", () => formatOf(draft))
  const stop = draft.stop.split("\n").filter((line) => line !== "")
  if (Object.keys(problems).length > 0 || messages === undefined) return { problems, body: undefined }
  const body: CallBody = {
    messages,
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop.length === 0 ? {} : { stop }),
    ...(tools === undefined ? {} : { tools }),
    ...(format === undefined ? {} : { response_format: format })
  }
  return { problems, body }
}

const messagesOf = (turns: ReadonlyArray<Turn>): ReadonlyArray<BodyMessage> => {
  const messages = turns.flatMap(({ content, role, toolCallId, toolCalls }): ReadonlyArray<BodyMessage> => {
    if (role === "tool") {
      if (toolCallId.trim() === "") throw new Error("A tool message needs the id of the call that it answers.")
      return [{ role, tool_call_id: toolCallId.trim(), content }]
    }
    if (role === "assistant" && toolCalls.length > 0) {
      return [{ role, content: content === "" ? null : content, tool_calls: toolCalls }]
    }
    return content.trim() === "" ? [] : [{ role, content }]
  })
  if (messages.length === 0) throw new Error("Write a message.")
  return messages
}

const numberIn = (text: string, least: number, most: number): number | undefined => {
  if (text.trim() === "") return undefined
  const value = Number(text)
  if (!(value >= least && value <= most)) throw new Error(`Expected a number from ${least} to ${most}.`)
  return value
}

const wholeIn = (text: string, least: number): number | undefined => {
  if (text.trim() === "") return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(least > 0 ? `Expected a whole number from ${least} on.` : "Expected a whole number.")
  }
  return value
}

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`This is no JSON${error instanceof Error ? `: ${error.message}` : ""}.`, { cause: error })
  }
}

/** Tools as OpenAI writes them, or only their `name`, `description` and `parameters`. */
const toolsOf = (text: string): ReadonlyArray<BodyTool> | undefined => {
  if (text.trim() === "") return undefined
  const list = parsed(text)
  if (!Array.isArray(list)) throw new Error("Expected a list of tools: [ … ].")
  if (list.length === 0) return undefined
  const names = new Set<string>()
  return list.map((item: unknown, index): BodyTool => {
    const given = isObject(item) && isObject(item["function"]) ? item["function"] : item
    const where = `Tool ${index + 1}`
    if (!isObject(given)) throw new Error(`${where}: expected an object.`)
    const { description, name, parameters, strict } = given
    if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name)) {
      throw new Error(`${where}: expected a name of up to 64 letters, digits, _ and -.`)
    }
    if (names.has(name)) throw new Error(`${where}: ${name} is there twice.`)
    names.add(name)
    if (description !== undefined && typeof description !== "string") {
      throw new Error(`${where}: expected a text as description.`)
    }
    if (parameters !== undefined && !isObject(parameters)) {
      throw new Error(`${where}: expected a JSON schema as parameters.`)
    }
    return {
      type: "function",
      function: {
        name,
        ...(description === undefined ? {} : { description }),
        ...(parameters === undefined ? {} : { parameters }),
        ...(typeof strict === "boolean" ? { strict } : {})
      }
    }
  })
}

const formatOf = ({ format, schema }: Draft): CallBody["response_format"] => {
  switch (format) {
    case "text":
      return undefined
    case "json":
      return { type: "json_object" }
    case "schema": {
      const value = schema.trim() === "" ? undefined : parsed(schema)
      if (!isObject(value)) throw new Error("Expected a JSON schema: { … }.")
      return { type: "json_schema", json_schema: { name: "answer", schema: value } }
    }
  }
}

/** A draft of a body that was logged; what is missing is as in `base`. */
export const draftOf = (body: Json, base: Draft): Draft => {
  const { max_tokens: maxTokens, messages, response_format: format, seed, stop, temperature, tools, top_p: topP } = body
  const asText = (value: unknown) => (typeof value === "number" ? String(value) : "")
  const turns = Array.isArray(messages) ? messages.filter(isObject).map(turnOf) : []
  const schema = isObject(format) && isObject(format["json_schema"]) ? format["json_schema"]["schema"] : undefined
  return {
    ...base,
    turns: turns.length === 0 ? base.turns : turns,
    temperature: asText(temperature),
    topP: asText(topP),
    maxTokens: asText(maxTokens),
    seed: asText(seed),
    stop: Array.isArray(stop) ? stop.join("\n") : "",
    tools: Array.isArray(tools) ? JSON.stringify(tools, null, 2) : "",
    format: !isObject(format) ? "text" : schema === undefined ? "json" : "schema",
    schema: schema === undefined ? "" : JSON.stringify(schema, null, 2)
  }
}

const turnOf = (message: Json, index: number): Turn => ({
  id: index + 1,
  role: roles.find((role) => role === message["role"]) ?? "user",
  content: typeof message["content"] === "string" ? message["content"] : "",
  toolCallId: typeof message["tool_call_id"] === "string" ? message["tool_call_id"] : "",
  toolCalls: Array.isArray(message["tool_calls"]) ? (message["tool_calls"] as ReadonlyArray<ToolCall>) : []
})
