/**
 * One request in canonical form, and the public `AIRequest` it is decoded from.
 *
 * `AIRequest` is what people write: a prompt or messages, and options. `Request` is what the pipeline works on: messages
 * only, defaults filled in, units in the names. Decoding happens once, at the door; every rejected field is named.
 */
import { Effect, Result, Schema } from "effect"
import { InvalidRequest } from "./Errors.ts"
import type { Grant } from "./Grant.ts"
import { describeIssue } from "./Issues.ts"
import type { Dialect } from "./Reply.ts"
import { guardOf } from "./SchemaGuard.ts"

/** What an earlier answer's block said beside its text may stay in it; no provider is sent it. */
const Text = Schema.Struct({
  type: Schema.Literal("text"),
  text: Schema.String,
  citations: Schema.optional(Schema.Array(Schema.Unknown)),
  logprobs: Schema.optional(Schema.Array(Schema.Unknown))
})

/** `image` is an https URL, a `data:` URL or base64 (then `mediaType` is needed). */
const Image = Schema.Struct({
  type: Schema.Literal("image"),
  image: Schema.String,
  mediaType: Schema.optional(Schema.String),
  detail: Schema.optional(Schema.Literals(["auto", "low", "high"]))
})

/** `data` is an https URL, a `data:` URL or base64. */
const File = Schema.Struct({
  type: Schema.Literal("file"),
  data: Schema.String,
  mediaType: Schema.String,
  filename: Schema.optional(Schema.String)
})

const Reasoning = Schema.Struct({
  type: Schema.Literal("reasoning"),
  text: Schema.String,
  signature: Schema.optional(Schema.String),
  redacted: Schema.optional(Schema.String)
})

/** `arguments` is JSON text, as the model wrote it. */
const ToolCall = Schema.Struct({
  type: Schema.Literal("tool-call"),
  id: Schema.String,
  name: Schema.String,
  arguments: Schema.String
})

const ToolResult = Schema.Struct({
  type: Schema.Literal("tool-result"),
  id: Schema.String,
  name: Schema.optional(Schema.String),
  content: Schema.Union([Schema.String, Schema.Array(Schema.Union([Text, Image, File]))]),
  isError: Schema.optional(Schema.Boolean)
})

const ContentPart = Schema.Union([Text, Image, File, Reasoning, ToolCall, ToolResult])
export type ContentPart = typeof ContentPart.Type

const Message = Schema.Struct({
  role: Schema.Literals(["system", "user", "assistant", "tool"]),
  content: Schema.Union([Schema.String, Schema.Array(ContentPart)]),
  name: Schema.optional(Schema.String)
})
/** One turn of a conversation. A string as content is one text part. */
export type Message = typeof Message.Type

const JsonObject = Schema.Record(Schema.String, Schema.Json)

/** A function the model may call; `parameters` is a JSON Schema. */
const Tool = Schema.Struct({
  name: Schema.NonEmptyString,
  description: Schema.optional(Schema.String),
  parameters: Schema.optional(JsonObject),
  strict: Schema.optional(Schema.Boolean)
})
export type Tool = typeof Tool.Type

const ToolChoice = Schema.Union([
  Schema.Literals(["auto", "none", "required"]),
  Schema.Struct({ name: Schema.NonEmptyString })
])
export type ToolChoice = typeof ToolChoice.Type

const ResponseFormat = Schema.Union([
  Schema.Struct({ type: Schema.Literals(["text", "json"]) }),
  Schema.Struct({
    type: Schema.Literal("json-schema"),
    schema: JsonObject,
    name: Schema.optional(Schema.String),
    description: Schema.optional(Schema.String),
    strict: Schema.optional(Schema.Boolean)
  })
])
export type ResponseFormat = typeof ResponseFormat.Type

const ReasoningOptions = Schema.Struct({
  effort: Schema.optional(Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh"])),
  maxTokens: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0)))
})

const CacheMode = Schema.Literals(["default", "refresh", "bypass", "only"])

const CacheOptions = Schema.Struct({
  mode: Schema.optional(CacheMode),
  ttl: Schema.optional(Schema.Finite.check(Schema.isGreaterThan(0))),
  namespace: Schema.optional(Schema.NonEmptyString),
  /** How a hit is streamed: at once, or in the rhythm in which the answer came when it was made. */
  pacing: Schema.optional(Schema.Literals(["instant", "original"])),
  semantic: Schema.optional(Schema.Boolean)
})

const PriorityName = Schema.Literals(["interactive", "batch"])
const Priority = Schema.Union([PriorityName, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))])

const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))
const Penalty = Schema.Finite.check(Schema.isBetween({ minimum: -2, maximum: 2 }))

/** What a caller hands in. Exactly one of `prompt` and `messages`; times are milliseconds. */
export const AIRequest = Schema.Struct({
  prompt: Schema.optional(Schema.String),
  messages: Schema.optional(Schema.Array(Message)),
  system: Schema.optional(Schema.String),
  /** `provider/model`, an alias, or a bare model id. Without it the first provider's default model answers. */
  model: Schema.optional(Schema.NonEmptyString),
  provider: Schema.optional(Schema.NonEmptyString),
  temperature: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
  topP: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  maxTokens: Schema.optional(PositiveInt),
  stop: Schema.optional(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  seed: Schema.optional(Schema.Int),
  /** Samples from so many most probable tokens. */
  topK: Schema.optional(PositiveInt),
  presencePenalty: Schema.optional(Penalty),
  frequencyPenalty: Schema.optional(Penalty),
  /** Log probabilities of the tokens, each with so many alternatives (0–20). */
  logprobs: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))),
  tools: Schema.optional(Schema.Array(Tool)),
  toolChoice: Schema.optional(ToolChoice),
  /** False asks for one call at a time. */
  parallelToolCalls: Schema.optional(Schema.Boolean),
  responseFormat: Schema.optional(ResponseFormat),
  reasoning: Schema.optional(ReasoningOptions),
  stream: Schema.optional(Schema.Boolean),
  metadata: Schema.optional(JsonObject),
  tenant: Schema.optional(Schema.NonEmptyString),
  priority: Schema.optional(Priority),
  /** Milliseconds for everything: queue, all attempts, the whole stream. */
  timeout: Schema.optional(Schema.Finite.check(Schema.isGreaterThan(0))),
  cache: Schema.optional(CacheOptions),
  /** Fields that are passed through to the provider untouched. */
  providerOptions: Schema.optional(JsonObject)
})
export interface AIRequest extends Schema.Schema.Type<typeof AIRequest> {}

export type CacheMode = typeof CacheMode.Type

/** A request as the pipeline sees it. */
export interface Request {
  /** Unique in this installation; also the id in logs, spans, usage rows and `x-millrace-request-id`. */
  readonly id: string
  readonly model: string | undefined
  readonly provider: string | undefined
  /** At least one; system messages keep their place. */
  readonly messages: ReadonlyArray<Message>
  readonly temperature: number | undefined
  readonly topP: number | undefined
  readonly maxTokens: number | undefined
  readonly stop: ReadonlyArray<string> | undefined
  readonly seed: number | undefined
  /** Samples from so many most probable tokens. */
  readonly topK?: number | undefined
  readonly presencePenalty?: number | undefined
  readonly frequencyPenalty?: number | undefined
  /** Log probabilities of the tokens are asked for, each with so many alternatives. */
  readonly logprobs?: number | undefined
  readonly tools: ReadonlyArray<Tool> | undefined
  readonly toolChoice: ToolChoice | undefined
  /** False asks for one call at a time. */
  readonly parallelToolCalls?: boolean | undefined
  readonly responseFormat: ResponseFormat | undefined
  readonly reasoning: typeof ReasoningOptions.Type | undefined
  readonly stream: boolean
  readonly metadata: { readonly [key: string]: Schema.Json } | undefined
  readonly tenant: string
  /** What the virtual key allows that it came with; undefined without one, and for requests from code. */
  readonly key?: Grant | undefined
  /** 0 is served first, 9 last; `interactive` is 3 and `batch` 7. */
  readonly priority: number
  readonly timeoutMs: number | undefined
  readonly cacheMode: CacheMode
  readonly cacheTtlMs: number | undefined
  readonly cacheNamespace: string | undefined
  /** Undefined is `instant`. */
  readonly cachePacing?: "instant" | "original" | undefined
  readonly cacheSemantic: boolean | undefined
  readonly providerOptions: { readonly [key: string]: Schema.Json } | undefined
  /** Set when embeddings are asked for instead of an answer; `messages` is empty then. */
  readonly embed: EmbedInput | undefined
  /** The body in the dialect it came in, so that unknown fields reach an upstream of the same dialect. */
  readonly wire: WireRequest | undefined
}

/** Texts to embed, at least one. */
export interface EmbedInput {
  readonly input: ReadonlyArray<string>
  /** Length of the vectors, for models that can shorten them. */
  readonly dimensions: number | undefined
}

export interface WireRequest {
  readonly dialect: Dialect
  readonly body: { readonly [key: string]: unknown }
  /** What the body asks for that only an upstream of the same dialect can carry, in words for an error. */
  readonly needs: ReadonlyArray<string>
  /**
   * Paths of the body's hints and unknown fields. Only an upstream of the same dialect gets them; for any other they are
   * worked out, left out, and the caller is told.
   */
  readonly hints?: (() => ReadonlyArray<string>) | undefined
  /** Headers that belong to the body, such as `anthropic-beta`; lower-case names. */
  readonly headers?: { readonly [name: string]: string } | undefined
  /** Paths of reasoning that is no longer in `body`, because another provider signed it. */
  readonly dropped?: ReadonlyArray<string> | undefined
}

export const defaultTenant = "default"

export const priorityOf = (priority: typeof Priority.Type | undefined): number =>
  priority === undefined || priority === "interactive" ? 3 : priority === "batch" ? 7 : priority

const parseAIRequest = Schema.decodeUnknownResult(AIRequest, { onExcessProperty: "error" })
const isAIRequest = guardOf(AIRequest, { exact: true })

/**
 * Decodes what a caller handed in. Fails with `InvalidRequest`, which names the first field that is wrong.
 *
 * @example
 * fromAIRequest({ prompt: "hello", maxTokens: 100 }, "req_1")
 */
export const fromAIRequest = (
  input: unknown,
  id: string,
  options?: { readonly stream?: boolean | undefined }
): Effect.Effect<Request, InvalidRequest> => {
  const decoded: Result.Result<AIRequest, Schema.SchemaError> = isAIRequest(input)
    ? Result.succeed(input as AIRequest)
    : parseAIRequest(input)
  if (Result.isFailure(decoded)) return Effect.fail(new InvalidRequest(describeIssue(decoded.failure.issue)))
  const request = decoded.success
  const messages: Array<Message> = []
  if (request.system !== undefined) messages.push({ role: "system", content: request.system })
  if (request.messages !== undefined) {
    if (request.prompt !== undefined) return invalid("prompt", "give either prompt or messages, not both")
    if (request.messages.length === 0) return invalid("messages", "expected at least one message")
    for (const message of request.messages) messages.push(copied(message))
  } else if (request.prompt === undefined) {
    return invalid("prompt", "expected a prompt or messages")
  } else if (request.prompt === "") {
    return invalid("prompt", "expected text, got an empty string")
  } else messages.push({ role: "user", content: request.prompt })
  return Effect.succeed({
    id,
    model: request.model,
    provider: request.provider,
    messages,
    temperature: request.temperature,
    topP: request.topP,
    maxTokens: request.maxTokens,
    stop: typeof request.stop === "string" ? [request.stop] : request.stop,
    seed: request.seed,
    tools: request.tools,
    toolChoice: request.toolChoice,
    topK: request.topK,
    presencePenalty: request.presencePenalty,
    frequencyPenalty: request.frequencyPenalty,
    logprobs: request.logprobs,
    parallelToolCalls: request.parallelToolCalls,
    responseFormat: request.responseFormat,
    reasoning: request.reasoning,
    stream: options?.stream ?? request.stream ?? false,
    metadata: request.metadata,
    tenant: request.tenant ?? defaultTenant,
    priority: priorityOf(request.priority),
    timeoutMs: request.timeout,
    cacheMode: request.cache?.mode ?? "default",
    cacheTtlMs: request.cache?.ttl,
    cacheNamespace: request.cache?.namespace,
    cachePacing: request.cache?.pacing,
    cacheSemantic: request.cache?.semantic,
    providerOptions: request.providerOptions,
    embed: undefined,
    wire: undefined
  })
}

/** A caller may go on with its conversation while this request waits. */
const copied = (message: Message): Message =>
  typeof message.content === "string"
    ? { ...message }
    : { ...message, content: message.content.map((part) => ({ ...part })) }

const invalid = (field: string, detail: string) => Effect.fail(new InvalidRequest({ field, detail }))

/** Text of a message; parts that are no text are left out. */
export const textOf = (message: Message): string => {
  if (typeof message.content === "string") return message.content
  let text = ""
  for (const part of message.content) if (part.type === "text") text += part.text
  return text
}
