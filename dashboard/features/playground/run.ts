/**
 * One call of the playground: sends a chat completion as any OpenAI client would, and yields what comes back.
 *
 * Times are measured in the browser, from sending the request. A refused call throws `CallFailed` with what the gateway
 * said; a stream that ends without its last event is a failure too.
 */
import { EventSourceParserStream } from "eventsource-parser/stream"
import { RequestFailed } from "@/lib/api"

export const cacheModes = ["default", "refresh", "bypass", "only"] as const

export type CacheMode = (typeof cacheModes)[number]

export interface RunInput {
  readonly model: string
  readonly system: string
  readonly prompt: string
  readonly temperature: number | null
  readonly maxTokens: number | null
  readonly cache: CacheMode
  readonly stream: boolean
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

export type RunEvent =
  | { readonly type: "headers"; readonly decisions: Decisions; readonly afterMs: number }
  | { readonly type: "text"; readonly text: string; readonly afterMs: number }
  | { readonly type: "usage"; readonly tokens: TokenCounts }
  | { readonly type: "end"; readonly finishReason: string | null; readonly afterMs: number }

/** The gateway refused the call, or broke it off. */
export class CallFailed extends Error {
  readonly status: number
  readonly code: string | null
  readonly fault: string | null
  readonly retryAfter: string | null
  readonly decisions: Decisions

  constructor(message: string, status: number, code: string | null, headers: Headers) {
    super(message)
    this.name = "CallFailed"
    this.status = status
    this.code = code
    this.fault = headers.get("x-millrace-fault")
    this.retryAfter = headers.get("retry-after")
    this.decisions = decisionsOf(headers)
  }
}

export async function* run(input: RunInput, signal: AbortSignal): AsyncGenerator<RunEvent> {
  const startedMs = performance.now()
  const after = () => performance.now() - startedMs
  const response = await fetch("/api/playground", {
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

/** The body of the call in the shape of OpenAI's Chat Completions. */
export const bodyOf = (input: RunInput) => ({
  model: input.model,
  messages: [
    ...(input.system.trim() === "" ? [] : [{ role: "system", content: input.system }]),
    { role: "user", content: input.prompt }
  ],
  ...(input.temperature === null ? {} : { temperature: input.temperature }),
  ...(input.maxTokens === null ? {} : { max_tokens: input.maxTokens }),
  ...(input.stream ? { stream: true, stream_options: { include_usage: true } } : {})
})

interface UsageBody {
  readonly prompt_tokens?: number
  readonly completion_tokens?: number
}

interface ErrorBody {
  readonly message?: string
  readonly code?: string | null
}

interface ChunkBody {
  readonly choices?: ReadonlyArray<{
    readonly delta?: { readonly content?: string | null }
    readonly message?: { readonly content?: string | null }
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
    if (choice?.delta?.content) yield { type: "text", text: choice.delta.content, afterMs: after() }
    if (choice?.finish_reason) finishReason = choice.finish_reason
    yield* tokensOf(chunk.usage)
  }
  yield { type: "end", finishReason, afterMs: after() }
}

async function* readWhole(response: Response, after: () => number): AsyncGenerator<RunEvent> {
  const body = (await response.json()) as ChunkBody
  const choice = body.choices?.[0]
  if (choice?.message?.content) yield { type: "text", text: choice.message.content, afterMs: after() }
  yield* tokensOf(body.usage)
  yield { type: "end", finishReason: choice?.finish_reason ?? null, afterMs: after() }
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
