/**
 * One call of the playground: sends a chat completion as any OpenAI client would, and yields what comes back.
 *
 * Times are measured in the browser, from sending the request. A refused call throws `CallFailed` with what the gateway
 * said; a stream that ends without its last event is a failure too.
 */
import { EventSourceParserStream } from "eventsource-parser/stream"
import { isFault, type Fault } from "@/features/requests/faults"
import { RequestFailed } from "@/lib/api"
import { bodyOf, type CacheMode, type CallBody } from "./draft"

export interface RunInput {
  readonly model: string
  readonly body: CallBody
  readonly cache: CacheMode
  readonly stream: boolean
  /** The virtual key in whose name the call goes; null for none. */
  readonly keyId: string | null
}

/** What the gateway's response headers say; null where a header is missing. */
export interface Decisions {
  readonly requestId: string | null
  readonly provider: string | null
  readonly model: string | null
  readonly cache: string | null
  readonly cacheAgeSeconds: number | null
  readonly attempts: number | null
  readonly costUsd: number | null
}

export interface TokenCounts {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** A piece of a call of a tool; pieces with one index belong together. */
export interface ToolPiece {
  readonly index: number
  readonly id: string | undefined
  readonly name: string
  readonly arguments: string
}

export type RunEvent =
  | { readonly type: "headers"; readonly decisions: Decisions; readonly afterMs: number }
  | { readonly type: "text"; readonly text: string; readonly afterMs: number }
  | { readonly type: "reasoning"; readonly text: string; readonly afterMs: number }
  | { readonly type: "tools"; readonly pieces: ReadonlyArray<ToolPiece>; readonly afterMs: number }
  | { readonly type: "usage"; readonly tokens: TokenCounts }
  | { readonly type: "end"; readonly finishReason: string | null; readonly afterMs: number }

/** The gateway refused the call, or broke it off. */
export class CallFailed extends Error {
  readonly status: number
  readonly code: string | null
  readonly fault: Fault | null
  readonly retryAfter: string | null
  readonly decisions: Decisions

  constructor(message: string, status: number, code: string | null, headers: Headers) {
    super(message)
    this.name = "CallFailed"
    this.status = status
    this.code = code
    const fault = headers.get("x-millrace-fault")
    this.fault = isFault(fault) ? fault : null
    this.retryAfter = headers.get("retry-after")
    this.decisions = decisionsOf(headers)
  }
}

export async function* run(input: RunInput, signal: AbortSignal): AsyncGenerator<RunEvent> {
  const startedMs = performance.now()
  const after = () => performance.now() - startedMs
  const query = input.keyId === null ? "" : `?${new URLSearchParams({ keyId: input.keyId })}`
  const response = await fetch(`/api/playground${query}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-millrace-cache": input.cache },
    body: JSON.stringify(bodyOf(input)),
    signal
  }).catch((error: unknown) => {
    throw signal.aborted
      ? error
      : new RequestFailed({ kind: "offline", message: "The dashboard's server does not answer." })
  })
  if (!response.ok) throw await refusal(response)
  yield { type: "headers", decisions: decisionsOf(response.headers), afterMs: after() }
  const streamed = response.headers.get("content-type")?.startsWith("text/event-stream") === true
  if (streamed) yield* readStream(response, after)
  else yield* readWhole(response, after)
}

interface UsageBody {
  readonly prompt_tokens?: number
  readonly completion_tokens?: number
}

interface ErrorBody {
  readonly message?: string
  readonly code?: string | null
}

interface MessageBody {
  readonly content?: string | null
  readonly refusal?: string | null
  readonly reasoning_content?: string | null
  readonly tool_calls?: ReadonlyArray<{
    readonly index?: number
    readonly id?: string
    readonly function?: { readonly name?: string; readonly arguments?: string }
  }>
}

interface ChunkBody {
  readonly choices?: ReadonlyArray<{
    readonly delta?: MessageBody
    readonly message?: MessageBody
    readonly finish_reason?: string | null
  }>
  readonly usage?: UsageBody | null
  readonly error?: ErrorBody
}

async function* readStream(response: Response, after: () => number): AsyncGenerator<RunEvent> {
  const events = response
    .body!.pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
    .getReader()
  let finishReason: string | null = null
  for (;;) {
    const { done, value } = await events.read()
    if (done)
      throw new CallFailed("The stream ended before the answer was complete.", response.status, null, response.headers)
    if (value.data === "[DONE]") break
    const chunk = JSON.parse(value.data) as ChunkBody
    if (chunk.error !== undefined) {
      throw new CallFailed(
        chunk.error.message ?? "The answer broke off.",
        response.status,
        chunk.error.code ?? null,
        response.headers
      )
    }
    const choice = chunk.choices?.[0]
    yield* said(choice?.delta, after())
    if (choice?.finish_reason) finishReason = choice.finish_reason
    yield* tokensOf(chunk.usage)
  }
  yield { type: "end", finishReason, afterMs: after() }
}

async function* readWhole(response: Response, after: () => number): AsyncGenerator<RunEvent> {
  const body = (await response.json()) as ChunkBody
  const choice = body.choices?.[0]
  yield* said(choice?.message, after())
  yield* tokensOf(body.usage)
  yield { type: "end", finishReason: choice?.finish_reason ?? null, afterMs: after() }
}

/** What a message, or a piece of one, says. */
function* said(message: MessageBody | undefined, afterMs: number): Generator<RunEvent> {
  if (message === undefined) return
  if (message.reasoning_content) yield { type: "reasoning", text: message.reasoning_content, afterMs }
  const text = `${message.content ?? ""}${message.refusal ?? ""}`
  if (text !== "") yield { type: "text", text, afterMs }
  if (message.tool_calls !== undefined && message.tool_calls.length > 0) {
    const pieces = message.tool_calls.map((call, place) => ({
      index: call.index ?? place,
      id: call.id,
      name: call.function?.name ?? "",
      arguments: call.function?.arguments ?? ""
    }))
    yield { type: "tools", pieces, afterMs }
  }
}

function* tokensOf(usage: UsageBody | null | undefined): Generator<RunEvent> {
  if (usage === null || usage === undefined) return
  yield {
    type: "usage",
    tokens: { promptTokens: usage.prompt_tokens ?? 0, completionTokens: usage.completion_tokens ?? 0 }
  }
}

const refusal = async (response: Response): Promise<Error> => {
  const body = (await response.json().catch(() => null)) as (ErrorBody & { kind?: string; error?: ErrorBody }) | null
  if (body?.kind !== undefined) return new RequestFailed(body as never)
  const message = body?.error?.message ?? `The gateway answered with HTTP ${response.status}.`
  return new CallFailed(message, response.status, body?.error?.code ?? null, response.headers)
}

const decisionsOf = (headers: Headers): Decisions => ({
  requestId: headers.get("x-millrace-request-id"),
  provider: headers.get("x-millrace-provider"),
  model: headers.get("x-millrace-model"),
  cache: headers.get("x-millrace-cache"),
  cacheAgeSeconds: numberOf(headers.get("x-millrace-cache-age")),
  attempts: numberOf(headers.get("x-millrace-attempts")),
  costUsd: numberOf(headers.get("x-millrace-cost-usd"))
})

const numberOf = (value: string | null): number | null => {
  const number = value === null || value.trim() === "" ? Number.NaN : Number(value)
  return Number.isFinite(number) ? number : null
}
