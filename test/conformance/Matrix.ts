/**
 * Recorded answers through the gateway: a server replays the bytes, a client's own SDK asks for them in its dialect, whole
 * or streamed, and what it hears is compared with what the references read, as far as the dialect can say it.
 *
 * Where the dialect is the provider's own and the answer goes through as it came, a field that is not what the references
 * read must be what the same SDK reads from the provider itself: some servers send what OpenAI's SDK can't put together.
 * Disputed fields are skipped. Every request is made of the case's id, so that the server knows what to replay.
 */
import type { ServerResponse } from "node:http"
import { isDeepStrictEqual } from "node:util"
import { idle, startGateway, type TestGateway } from "../support/gateway.ts"
import { startUpstream, type TestUpstream, type UpstreamRequest } from "../support/upstream.ts"
import {
  casesOf,
  type Expected,
  hasCorpus,
  type RecordedCase,
  type RecordedEndpoint,
  statusOfKind
} from "./Recorded.ts"
import type { Heard, HeardUsage, Reader } from "./SdkReaders.ts"

/** The dialects that are asked in. */
export type Inbound = "openai-chat" | "openai-responses" | "anthropic-messages" | "gemini"

/** The wires that answer in text. */
export const textEndpoints: ReadonlyArray<RecordedEndpoint> = [
  "openai-chat",
  "openai-responses",
  "openai-completions",
  "anthropic-messages",
  "gemini"
]

export interface Stage {
  readonly gateway: TestGateway
  readonly upstream: TestUpstream
  /** Bytes of each write of the provider's server; 0 writes everything at once. */
  pieceBytes: number
  readonly close: () => Promise<void>
}

/** A provider's server that replays recordings, and a gateway with a provider of every protocol at it. */
export const startStage = async (): Promise<Stage> => {
  const byId = new Map(
    hasCorpus
      ? [...textEndpoints, "openai-embeddings" as const].flatMap(casesOf).map((recorded) => [recorded.id, recorded])
      : []
  )
  const serve = async (response: ServerResponse, request: UpstreamRequest): Promise<void> => {
    const inPath = /\/models\/([^:/]+):/.exec(request.path)?.[1]
    const recorded = byId.get(inPath === undefined ? (request.json["model"] as string) : decodeURIComponent(inPath))!
    const { body, headers, status } = recorded.response
    // Some recordings kept no headers.
    response.writeHead(status, recorded.streaming ? { ...headers, "content-type": "text/event-stream" } : headers)
    const bytes = Buffer.from(body)
    for (let at = 0; stage.pieceBytes > 0 && at < bytes.length; at += stage.pieceBytes) {
      response.write(bytes.subarray(at, at + stage.pieceBytes))
      if (at % (64 * stage.pieceBytes) === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    response.end(stage.pieceBytes > 0 ? undefined : bytes)
  }
  const upstream = await startUpstream(serve)
  // Recordings report the limits of a thousand accounts; nothing is to be learned from them.
  const rateLimits = { learn: false }
  const shared = { apiKey: "recorded-key-0123456789", baseUrl: upstream.url, model: "unused", rateLimits }
  const gateway = await startGateway(
    {
      providers: [
        { ...shared, name: "openai-chat", kind: "openai-compatible" },
        { ...shared, name: "openai-embeddings", kind: "openai-compatible" },
        { ...shared, name: "openai-completions", kind: "openai-compatible", api: "completions" },
        { ...shared, name: "openai-responses", kind: "openai-compatible", api: "responses" },
        { ...shared, name: "anthropic-messages", kind: "anthropic", maxTokens: 1000 },
        { ...shared, name: "gemini", kind: "google" }
      ],
      cache: { enabled: false },
      retry: { maxAttempts: 1, maxDelay: 1 },
      breaker: { minimumCalls: 1_000_000 }
    },
    { virtual: true }
  )
  const stage: Stage = {
    gateway,
    upstream,
    pieceBytes: 0,
    close: async () => {
      await idle(gateway)
      await gateway.close()
      await upstream.close()
    }
  }
  return stage
}

/** What came of some cases. */
export interface Row {
  readonly endpoint: string
  readonly asked: string
  cases: number
  equal: number
  /** Equal to what the SDK reads from the provider itself, where the references read something else. */
  asSent: number
  /** The fields that this is about. */
  differing: string
  skipped: string
  readonly wrong: Array<string>
}

/** Asks for each case and compares. */
export const runCases = async (
  stage: Stage,
  inbound: Inbound,
  readers: { readonly gateway: Reader; readonly provider: Reader },
  cases: ReadonlyArray<RecordedCase>,
  asked: "as recorded" | "the other way"
): Promise<ReadonlyArray<Row>> => {
  const rows = new Map<string, Row>()
  const skipped = new Map<Row, Map<string, number>>()
  const differing = new Map<Row, Map<string, number>>()
  for (const recorded of cases) {
    const { endpoint, expected } = recorded
    const stream = recorded.streaming === (asked === "as recorded")
    const row = rows.get(endpoint) ?? {
      endpoint,
      asked,
      cases: 0,
      equal: 0,
      asSent: 0,
      differing: "",
      skipped: "",
      wrong: []
    }
    rows.set(endpoint, row)
    row.cases++
    const heard = await readers.gateway.ask(`${endpoint}/${recorded.id}`, stream)
    const comparison =
      expected.outcome === "success" && !isUnfinished(recorded)
        ? compareAnswer(inbound, recorded, heard, stream)
        : compareFailure(recorded, heard, stream)
    count(skipped, row, comparison.skipped)
    // A provider that asked for a pause is ready again for the next case.
    if (heard.error !== undefined) await stage.gateway.later("1 day")
    if (comparison.wrong.length === 0) row.equal++
    else if (
      inbound === endpoint &&
      stream === recorded.streaming &&
      isSame(heard, await readers.provider.ask(recorded.id, stream), expected)
    ) {
      row.asSent++
      count(
        differing,
        row,
        comparison.wrong.map((line) => line.slice(0, line.indexOf(":")))
      )
    } else row.wrong.push(...comparison.wrong.map((line) => `${endpoint} ${recorded.id} (stream ${stream}) ${line}`))
  }
  for (const [row, counts] of skipped) row.skipped = tally(counts)
  for (const [row, counts] of differing) row.differing = tally(counts)
  return [...rows.values()]
}

type Counts = Map<Row, Map<string, number>>

const count = (into: Counts, row: Row, fields: ReadonlyArray<string>): void => {
  const counts = into.get(row) ?? new Map<string, number>()
  for (const field of fields) counts.set(field, (counts.get(field) ?? 0) + 1)
  into.set(row, counts)
}

const tally = (counts: ReadonlyMap<string, number>): string =>
  [...counts].map(([field, times]) => `${field} ${times}`).join(", ")

/** Whether two readings are one but for a count that nobody stated. */
const isSame = (heard: Heard, own: Heard, expected: Expected): boolean => {
  const plain = ({ error, usage, ...rest }: Heard) => ({
    ...rest,
    // A stream that was cut is reported by the gateway, and by the SDK itself where it notices.
    failed: error === undefined ? undefined : (error.status ?? "in the stream"),
    usage: expected.usage == null ? undefined : usage
  })
  return isDeepStrictEqual(plain(heard), plain(own))
}

/** Lines for fields that differ, and names of fields that were not compared, with the reason. */
class Differences {
  readonly wrong: Array<string> = []
  readonly skipped: Array<string> = []
  private readonly recorded: RecordedCase

  constructor(recorded: RecordedCase) {
    this.recorded = recorded
  }

  equal(field: string, actual: unknown, expected: unknown): void {
    if (this.recorded.expected.disputed?.[field] !== undefined) {
      this.skipped.push(`${field} disputed`)
      return
    }
    if (isDeepStrictEqual(actual, expected)) return
    this.wrong.push(`${field}: expected ${clip(expected)}, got ${clip(actual)}`)
  }
}

const clip = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 300)

const hasFieldForRefusals = (inbound: Inbound): boolean => inbound === "openai-chat" || inbound === "openai-responses"

const compareAnswer = (inbound: Inbound, recorded: RecordedCase, heard: Heard, stream: boolean): Differences => {
  const out = new Differences(recorded)
  const { expected, response } = recorded
  const calls = expected.toolCalls ?? []
  const malformed = calls.some((call) => !isRecord(call.arguments) || "__unparsed" in call.arguments)
  // The SDK parses the input of a call itself, and reports what it can't; a custom tool's is free text.
  if (
    (malformed || /"custom_tool_call"/.test(response.body)) &&
    inbound === "anthropic-messages" &&
    heard.error !== undefined &&
    stream
  ) {
    out.skipped.push("toolCalls that are no JSON object")
    return out
  }
  const finish = finishOf(inbound, recorded, malformed)
  out.equal("error", heard.error?.message, finish === "failed" && stream ? heard.error?.message : undefined)
  const refusal = expected.refusal ?? ""
  out.equal("text", heard.text, (expected.text ?? "") + (hasFieldForRefusals(inbound) ? "" : refusal))
  if (hasFieldForRefusals(inbound)) out.equal("refusal", heard.refusal, refusal)
  // Details that the references don't read.
  if ((expected.reasoning ?? "") !== "" || !/"reasoning_details"/.test(response.body)) {
    out.equal("reasoning", heard.reasoning, expected.reasoning ?? "")
  }
  if (malformed && inbound !== "openai-chat" && inbound !== "openai-responses") {
    out.skipped.push("toolCalls that are no JSON object")
  } else {
    out.equal(
      "toolCalls",
      heard.calls,
      calls.map(({ arguments: args, id, name }, index) => ({ id: id ?? heard.calls[index]?.id, name, arguments: args }))
    )
  }
  out.equal("finishReason", heard.finish, finish)
  if (expected.usage == null) out.skipped.push("usage that nobody stated")
  else compareUsage(out, recorded, heard.usage)
  return out
}

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const compareUsage = (out: Differences, recorded: RecordedCase, usage: HeardUsage | undefined): void => {
  const { cachedInputTokens, inputTokens, outputTokens, reasoningTokens, toolUsePromptTokens, totalTokens } =
    recorded.expected.usage!
  const input = (inputTokens ?? 0) + (toolUsePromptTokens ?? 0)
  const output = Math.max((totalTokens ?? 0) - input, outputTokens ?? 0)
  out.equal("usage.inputTokens", usage?.input, input)
  out.equal("usage.outputTokens", usage?.output, output)
  const cached = Math.min(cachedInputTokens ?? 0, input)
  if (cached > 0 || !new RegExp(`"cached_tokens": ?${usage?.cached}\\b`).test(recorded.response.body)) {
    out.equal("usage.cachedInputTokens", usage?.cached, cached)
  }
  out.equal("usage.reasoningTokens", usage?.reasoning, Math.min(reasoningTokens ?? 0, output))
}

/** The reason to finish as the dialect has a word for it. */
const finishOf = (inbound: Inbound, recorded: RecordedCase, malformed: boolean): string => {
  const { blockReason, finishReason, rawFinishReason, refusal = "", toolCalls = [] } = recorded.expected
  const blocked = blockReason ?? /"blockReason": ?"(\w+)"/.exec(recorded.response.body)?.[1]
  const reason = finishReason === "interrupted" && blocked !== undefined ? "content-filter" : finishReason
  const raw = rawFinishReason ?? blocked ?? ""
  const called = toolCalls.length > 0
  switch (inbound) {
    case "openai-chat":
      if (reason === "tool-calls") return "tool_calls"
      if (reason === "content-filter") return "content_filter"
      return reason === "stop" || reason === "length" || reason === "error" ? reason : called ? "tool_calls" : "stop"
    case "openai-responses":
      if (reason === "length") return "max_output_tokens"
      if (reason === "content-filter") return refusal === "" ? "content_filter" : "completed"
      return reason === "error" ? "failed" : "completed"
    case "anthropic-messages":
      if (/^(?:stop_sequence|pause_turn|model_context_window_exceeded)$/.test(raw)) return raw
      if (reason === "length") return "max_tokens"
      if (reason === "content-filter") return "refusal"
      return called || reason === "tool-calls" ? "tool_use" : "end_turn"
    case "gemini":
      if (malformed && reason !== "length") return "MALFORMED_FUNCTION_CALL"
      if (/^[A-Z][A-Z_]+$/.test(raw)) return raw
      if (reason === "stop" || reason === "tool-calls") return "STOP"
      if (reason === "length") return "MAX_TOKENS"
      return reason === "content-filter" ? "SAFETY" : "OTHER"
  }
}

/** A stream that stops without a signal: the references return what came, the gateway says that it is cut. */
const isUnfinished = ({ endpoint, expected, response, streaming }: RecordedCase): boolean =>
  streaming &&
  expected.finishReason === "interrupted" &&
  !(endpoint.startsWith("openai-") && /^data: ?\[DONE\]/m.test(response.body)) &&
  !/"blockReason": ?"/.test(response.body)

const compareFailure = (recorded: RecordedCase, heard: Heard, stream: boolean): Differences => {
  const out = new Differences(recorded)
  const { expected, response } = recorded
  out.equal("fails", heard.error !== undefined, true)
  const { error } = heard
  if (error === undefined) return out
  if (error.status === undefined || error.status === 200) {
    out.equal("stream", stream, true)
    const text = expected.textPrefixOf ?? expected.text ?? ""
    out.equal("text", heard.text, expected.outcome === "truncated" ? text.slice(0, heard.text.length) : text)
    return out
  }
  // Nothing had been handed on, or the whole answer was waited for.
  const status = statusOf(expected, response.status)
  if (status !== undefined) out.equal("error.status", error.status, status)
  if (error.headers !== undefined) {
    const fault = error.status < 500 && error.status !== 429 ? "caller" : "provider"
    out.equal("error.fault", error.headers.get("x-millrace-fault"), fault)
    const { retryAfterMs } = expected.error ?? {}
    if (error.status === 429 && retryAfterMs != null && retryAfterMs > 0) {
      const seconds = String(Math.max(1, Math.ceil(retryAfterMs / 1000)))
      out.equal("error.retryAfterMs", error.headers.get("retry-after"), seconds)
    }
  }
  out.equal("error.message", error.message.includes(recorded.endpoint), true)
  return out
}

/** What the caller hears for a provider's failure; undefined where the corpus does not say what kind it is. */
const statusOf = ({ error, outcome }: Expected, upstreamStatus: number): number | undefined =>
  error === undefined ? (outcome === "truncated" ? 502 : undefined) : statusOfKind(error.kind, upstreamStatus)
