/**
 * The corpus of recorded provider payloads: what was answered, what two independent implementations read in it, and
 * how a decoded answer compares with that.
 *
 * `compare` is the same whether an answer was decoded by a protocol alone or came through the gateway. A field is
 * skipped when the two implementations dispute it. Three figures are compared in our own, disjoint terms (law 9).
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { isDeepStrictEqual } from "node:util"
import type { EngineError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import * as Usage from "../../engine/src/Usage.ts"

const corpus = path.resolve(import.meta.dirname, "../../../shared/fixtures")

export const hasCorpus = existsSync(path.join(corpus, "dev"))

/** The wires of the corpus. */
export type RecordedEndpoint =
  | "openai-chat"
  | "openai-responses"
  | "openai-completions"
  | "openai-embeddings"
  | "anthropic-messages"
  | "gemini"

export interface ExpectedUsage {
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly totalTokens: number | null
  readonly cachedInputTokens: number | null
  readonly cacheWriteTokens: number | null
  readonly reasoningTokens: number | null
  /** Gemini: prompts for the provider's own tools, which one of the references counts as input. */
  readonly toolUsePromptTokens?: number | null
}

export interface ExpectedToolCall {
  /** Null where the provider gave none. */
  readonly id: string | null
  readonly name: string
  readonly arguments: unknown
  readonly argumentsRaw?: string
}

export interface ExpectedError {
  readonly status: number | null
  readonly kind?: string
  readonly providerType: string | number | null
  readonly providerCode: string | number | null
  readonly retryAfterMs?: number | null
  /** Set where the wait is a date; then `retryAfterMs` is null and the difference to the `date` header counts. */
  readonly retryAfterHttpDate?: string
}

export interface Expected {
  readonly outcome: "success" | "http-error" | "stream-error" | "error-in-200" | "truncated"
  readonly text?: string | null
  /** Truncated streams: the text of the whole stream. */
  readonly textPrefixOf?: string
  readonly reasoning?: string | null
  readonly refusal?: string
  readonly toolCalls?: ReadonlyArray<ExpectedToolCall>
  readonly finishReason?: string | null
  readonly rawFinishReason?: string | null
  readonly usage?: ExpectedUsage | null
  readonly error?: ExpectedError
  readonly responseId?: string | null
  readonly model?: string | null
  readonly signatures?: number
  readonly redactedThinking?: number
  /** Why the prompt was blocked, which is an end although no finish reason comes. */
  readonly blockReason?: string
  /** `dims` is the length of the base64 text where there is one. */
  readonly embeddings?: { readonly count: number; readonly dims: number; readonly base64: boolean }
  readonly disputed?: { readonly [field: string]: unknown }
}

export interface RecordedCase {
  readonly id: string
  readonly provider: string
  readonly endpoint: RecordedEndpoint
  readonly streaming: boolean
  readonly tags: ReadonlyArray<string>
  readonly request: { readonly url?: string; readonly body?: unknown } | null
  readonly response: {
    readonly status: number
    readonly headers: { readonly [name: string]: string }
    readonly body: string
    readonly chunkSizes?: ReadonlyArray<number>
  }
  readonly stress?: { readonly utf8SplitOffsets?: ReadonlyArray<number> }
  readonly expected: Expected
}

/** All cases of an endpoint: those recorded, those with mutated framing, and those made by hand. */
export const casesOf = (endpoint: RecordedEndpoint): ReadonlyArray<RecordedCase> =>
  [`dev/${endpoint}`, "mutated", "synthetic"]
    .flatMap((folder) => readdirSync(path.join(corpus, folder)).map((name) => path.join(corpus, folder, name)))
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(readFileSync(file, "utf8")) as RecordedCase)
    .filter((recorded) => recorded.endpoint === endpoint)

/**
 * Cases whose body no provider sent: a test of the project they come from put it together, so that its deltas and what it
 * says in the end are two different answers.
 */
export const artefacts: { readonly [id: string]: string } = {
  "resp-azure-s-azure-reasoning-encrypted-content-1-4f1296":
    "two responses in one stream; the references read the last",
  "resp-openai-s-flue-v0-8-latest-cassette-f18d24": "a path is redacted in the final arguments and not in their deltas"
}

/** What came out of an answer: the parts up to its end, and the error that ended it, if one did. */
export interface Decoded {
  readonly completion: Reply.Completion
  readonly error: EngineError | undefined
}

export interface Comparison {
  /** One line for each field that differs. */
  readonly wrong: ReadonlyArray<string>
  /** Fields that the two implementations dispute. */
  readonly skipped: ReadonlyArray<string>
  /** Fields that the body states and neither implementation reads. */
  readonly beyond: ReadonlyArray<string>
}

export const compare = (recorded: RecordedCase, decoded: Decoded): Comparison => {
  const report = new Report(recorded)
  const { expected } = recorded
  const { outcome } = expected
  if (expected.embeddings !== undefined) compareEmbeddings(report, recorded, decoded)
  else if (outcome === "success") compareSuccess(report, recorded, decoded)
  else if (outcome === "truncated") compareTruncated(report, recorded, decoded)
  else compareFailure(report, recorded, decoded)
  return report
}

class Report implements Comparison {
  readonly wrong: Array<string> = []
  readonly skipped: Array<string> = []
  readonly beyond: Array<string> = []
  private readonly recorded: RecordedCase

  constructor(recorded: RecordedCase) {
    this.recorded = recorded
  }

  equal(field: string, actual: unknown, expected: unknown): void {
    if (this.recorded.expected.disputed?.[field] !== undefined) this.skipped.push(field)
    else if (!isDeepStrictEqual(actual, expected)) {
      this.wrong.push(`${field}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`)
    }
  }

  /** Like `equal`, but a value that the body states under `key` may be read where the references read nothing. */
  equalOrBeyond(field: string, actual: unknown, expected: unknown, nothing: unknown, key: RegExp): void {
    if (isDeepStrictEqual(expected, nothing) && !isDeepStrictEqual(actual, nothing)) {
      if (key.test(this.recorded.response.body)) return void this.beyond.push(field)
    }
    this.equal(field, actual, expected)
  }
}

const compareSuccess = (report: Report, recorded: RecordedCase, { completion, error }: Decoded): void => {
  const { expected } = recorded
  compareContent(report, expected, completion)
  if (endsWithoutSignal(recorded)) return report.equal("error", error?._tag, "StreamTruncated")
  report.equal("error", error?.message, undefined)
  if (expected.finishReason === "interrupted" && blocked.test(recorded.response.body)) {
    report.beyond.push("blockReason")
    report.equal("finishReason", completion.finishReason, "content-filter")
  } else {
    report.equal("finishReason", completion.finishReason, finishReasonOf(expected.finishReason))
    report.equal("rawFinishReason", completion.rawFinishReason ?? null, expected.rawFinishReason ?? null)
  }
  report.equal("responseId", completion.id, expected.responseId ?? "")
  report.equal("model", completion.model, expected.model ?? completion.model)
  if (expected.usage === undefined || expected.usage === null)
    report.equal("usage.estimated", completion.usage.estimated, true)
  else compareUsage(report, expected.usage, completion.usage)
}

/**
 * The references call a stream without a finish reason interrupted; for us `[DONE]` is a signal as well, and so is the
 * reason why Gemini blocked the prompt, which the references read in a whole answer.
 */
const endsWithoutSignal = ({ expected, response }: RecordedCase): boolean =>
  expected.finishReason === "interrupted" && !/^data: ?\[DONE\]/m.test(response.body) && !blocked.test(response.body)

const blocked = /"blockReason": ?"/

const finishReasonOf = (expected: string | null | undefined): string =>
  expected === undefined || expected === null || expected === "interrupted" ? "other" : expected

const compareContent = (report: Report, expected: Expected, completion: Reply.Completion): void => {
  report.equal("text", Reply.textOf(completion), expected.text ?? "")
  report.equalOrBeyond("reasoning", Reply.reasoningOf(completion), expected.reasoning ?? "", "", /"reasoning_details"/)
  report.equal("refusal", Reply.refusalOf(completion), expected.refusal ?? "")
  const calls = Reply.toolCallsOf(completion)
  const expectedCalls = expected.toolCalls ?? []
  report.equal(
    "toolCalls",
    calls.map((call) => ({ id: call.id, name: call.name, arguments: parsed(call.arguments) })),
    expectedCalls.map((call, index) => ({
      id: call.id ?? calls[index]?.id,
      name: call.name,
      arguments: call.arguments
    }))
  )
  report.equal("toolCalls", new Set(calls.map((call) => call.id)).size, calls.length)
  expectedCalls.forEach((call, index) => {
    if (call.argumentsRaw !== undefined) report.equal("toolCalls", calls[index]?.arguments, call.argumentsRaw)
  })
  const reasoning = completion.content.filter((block) => block.type === "reasoning")
  if (expected.signatures !== undefined) {
    report.equal("signatures", reasoning.filter((block) => block.signature !== undefined).length, expected.signatures)
  }
  if (expected.redactedThinking !== undefined) {
    const redacted = reasoning.filter((block) => block.redacted !== undefined).length
    report.equal("redactedThinking", redacted, expected.redactedThinking)
  }
}

/** The corpus marks arguments that are no JSON, as of an answer that was cut off. */
const parsed = (written: string): unknown => {
  try {
    return JSON.parse(written === "" ? "{}" : written)
  } catch {
    return { __unparsed: written }
  }
}

/**
 * Figures of a provider in disjoint terms: what a total has over input and output is output (xAI and Gemini leave
 * reasoning out of it), and a part is never larger than its whole (Azure states more cached than prompt tokens). Prompts
 * for the provider's own tools are input.
 */
const compareUsage = (report: Report, expected: ExpectedUsage, usage: Usage.Usage): void => {
  const input = (expected.inputTokens ?? 0) + (expected.toolUsePromptTokens ?? 0)
  const total = Math.max(expected.totalTokens ?? 0, input + (expected.outputTokens ?? 0))
  const output = total - input
  report.equal("usage.inputTokens", Usage.promptTokens(usage), input)
  report.equal("usage.outputTokens", Usage.completionTokens(usage), output)
  report.equal("usage.totalTokens", Usage.totalTokens(usage), total)
  report.equalOrBeyond(
    "usage.cachedInputTokens",
    usage.cacheReadInput,
    Math.min(expected.cachedInputTokens ?? 0, input),
    0,
    new RegExp(`"cached_tokens": ?${usage.cacheReadInput}\\b`)
  )
  report.equal("usage.cacheWriteTokens", usage.cacheWriteInput, Math.min(expected.cacheWriteTokens ?? 0, input))
  report.equal("usage.reasoningTokens", usage.reasoning, Math.min(expected.reasoningTokens ?? 0, output))
}

/** A whole answer is complete, whatever the references say of its end; its vectors are compared by their sizes. */
const compareEmbeddings = (report: Report, { expected }: RecordedCase, { completion, error }: Decoded): void => {
  const { base64, count, dims } = expected.embeddings!
  const vectors = completion.embeddings ?? []
  report.equal("error", error?.message, undefined)
  report.equal("embeddings.count", vectors.length, count)
  for (const vector of vectors) {
    const sizes = base64 ? [1, 4, 8].map((bytes) => 4 * Math.ceil((bytes * vector.length) / 3)) : [vector.length]
    report.equal("embeddings.dims", sizes.includes(dims), true)
  }
  report.equal("finishReason", completion.finishReason, "stop")
  report.equal("model", completion.model, expected.model ?? completion.model)
  const { inputTokens, totalTokens } = expected.usage!
  report.equal("usage.inputTokens", Usage.totalTokens(completion.usage), inputTokens ?? totalTokens)
}

const compareTruncated = (report: Report, { expected }: RecordedCase, { completion, error }: Decoded): void => {
  report.equal("error", error?._tag, "StreamTruncated")
  const text = Reply.textOf(completion)
  report.equal("text", text, (expected.textPrefixOf ?? "").slice(0, text.length))
}

const compareFailure = (report: Report, recorded: RecordedCase, { completion, error }: Decoded): void => {
  const { expected } = recorded
  const said = expected.error!
  if (error === undefined) return report.equal("error", "none", expected.outcome)
  if (expected.outcome === "stream-error") {
    report.equal("text", Reply.textOf(completion), expected.text ?? "")
    report.equal("reasoning", Reply.reasoningOf(completion), expected.reasoning ?? "")
  }
  if (said.kind !== undefined) report.equal("error.kind", kindOf(error), groupOf(said.kind))
  if (said.status !== null) report.equal("error.status", upstream(error, "upstreamStatus"), said.status)
  report.equal("error.providerType", upstream(error, "type") ?? null, asText(said.providerType))
  report.equal("error.providerCode", upstream(error, "code") ?? null, asText(said.providerCode))
  if (said.retryAfterMs !== undefined) {
    report.equal("error.retryAfterMs", upstream(error, "retryAfterMs") ?? null, retryAfterMsOf(recorded, said))
  }
}

const upstream = (error: EngineError, field: string): unknown =>
  field in error ? (error as unknown as { readonly [key: string]: unknown })[field] : undefined

const asText = (value: string | number | null): string | null => (value === null ? null : String(value))

const retryAfterMsOf = (recorded: RecordedCase, said: ExpectedError): number | null => {
  const date = recorded.response.headers["date"]
  if (said.retryAfterHttpDate === undefined || date === undefined) return said.retryAfterMs ?? null
  return Date.parse(said.retryAfterHttpDate) - Date.parse(date)
}

/** The corpus tells a missing key from a missing right; both are the provider's refusal of our key. */
const groupOf = (kind: string): string => (kind === "permission" ? "authentication" : kind)

const kindOf = (error: EngineError): string => {
  switch (error._tag) {
    case "RequestRejected":
      return error.kind
    case "ContentFiltered":
      return "content_filter"
    case "ProviderAuthFailed":
      return "authentication"
    case "ProviderRateLimited":
      return "rate_limit"
    case "ProviderQuotaExceeded":
      return "quota"
    case "ProviderOverloaded":
      return "overloaded"
    case "ProviderServerError":
      return "server"
    default:
      return error._tag
  }
}

/** What the gateway's caller hears for a failure of this kind; undefined where the corpus does not say what it is. */
export const statusOfKind = (kind: string | undefined, upstreamStatus: number): number | undefined => {
  switch (kind) {
    case "invalid_request":
      return upstreamStatus === 422 ? 422 : 400
    case "context_length":
    case "content_filter":
      return 400
    case "authentication":
    case "permission":
    case "server":
      return 502
    case "not_found":
      return 404
    case "request_too_large":
      return 413
    case "rate_limit":
    case "quota":
      return 429
    case "overloaded":
      return upstreamStatus === 503 ? 503 : 529
    default:
      return undefined
  }
}
