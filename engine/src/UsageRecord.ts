/**
 * The record of one settled request, as the usage database keeps it, and its two views in the admin API.
 *
 * A record is flat and holds no key; prompt and answer only where content logging is switched on; of a provider's error its
 * normalised message alone. It is never changed, but for its price when history is priced anew. Tokens are disjoint
 * (law 9) and count what a provider was asked for: a request that the cache served has none, it has saved tokens.
 */
import type { AttemptDetail, CacheKind, RequestDetail, RequestItem, RequestStatus } from "./AdminAnswers.ts"
import type { Attempt, Call, Outcome, Target } from "./Call.ts"
import { type Failing, fingerprintOf, messageOf } from "./ErrorGroups.ts"
import type { EngineError, Fault } from "./Errors.ts"
import { servedByCache } from "./CacheKinds.ts"
import { sumUsd } from "./Money.ts"
import { withAskedTier } from "./ServiceTier.ts"
import * as Usage from "./Usage.ts"
import * as UsageContent from "./UsageContent.ts"
import { linesOf, priceColumns } from "./UsagePrice.ts"

/** One settled request. Times are epoch milliseconds. */
export interface UsageRecord {
  readonly id: string
  readonly timeMs: number
  readonly tenant: string
  readonly keyId: string | null
  readonly modelRequested: string | null
  readonly model: string | null
  readonly provider: string | null
  readonly status: RequestStatus
  readonly fault: Fault | null
  readonly errorKind: string | null
  readonly cache: CacheKind
  readonly uncachedInput: number
  readonly cacheReadInput: number
  readonly cacheWriteInput: number
  readonly output: number
  readonly reasoning: number
  readonly estimated: boolean
  readonly costUsd: number | null
  readonly priceTable: string | null
  readonly unpricedReason: string | null
  readonly savedUsd: number | null
  readonly savedTokens: number
  readonly latencyMs: number | null
  readonly ttftMs: number | null
  readonly queueMs: number
  readonly cacheAgeMs: number | null
  readonly cacheSimilarity: number | null
  /** Our own work before the first attempt. */
  readonly overheadMs: number | null
  readonly stream: boolean
  /** What the caller attached, at most 4 KiB of JSON. */
  readonly metadata: UsageContent.Metadata | null
  /** Prompt and answer as text; null unless content logging is switched on. */
  readonly content: UsageContent.UsageContent | null
  /** The lines of `costUsd`; null where there is no such price. */
  readonly inputUsd: number | null
  readonly cacheReadUsd: number | null
  readonly cacheWriteUsd: number | null
  readonly outputUsd: number | null
  readonly reasoningUsd: number | null
  /** What the provider's own prompt cache saved; negative where it wrote more than it read. */
  readonly providerCacheSavedUsd: number | null
  /** Service tier, media and the like, which its price depends on; null for an ordinary answer. */
  readonly usageDetail: Usage.UsageDetail | null
  /** Message of the error without ids, numbers and quoted text, at most 200 characters. */
  readonly errorDetail: string | null
  /** What failures with the same cause have in common. */
  readonly fingerprint: string | null
  readonly attempts: ReadonlyArray<AttemptRecord>
}

/** One attempt. Times are epoch milliseconds. */
export interface AttemptRecord {
  readonly provider: string
  readonly model: string
  readonly startedAtMs: number
  readonly queueMs: number
  readonly firstPartAtMs: number | null
  readonly endedAtMs: number | null
  /** Null where the attempt has no price of its own. */
  readonly costUsd: number | null
  readonly error: {
    readonly kind: string
    readonly fault: Fault
    readonly status: number
    readonly upstreamStatus: number | null
    readonly retryAfterMs: number | null
  } | null
  /** A second attempt that was made beside one that took long. */
  readonly hedge?: true
  /** Another attempt at the same time answered first: what this one has probably cost, null where there is no price. */
  readonly lost?: { readonly costUsd: number | null }
}

export { servedByCache }

/** Prompt tokens of a record in the sense of OpenAI: with cache reads and writes. */
export const promptTokensOf = (record: UsageRecord): number =>
  record.uncachedInput + record.cacheReadInput + record.cacheWriteInput

/**
 * The record of a call at its settlement, when its journal is complete. A failed call is booked on the target that was
 * tried last, else on the one that would have been tried first. Prompt and answer are kept only when `content` says so.
 */
export const fromCall = (call: Call, outcome: Outcome, content = false): UsageRecord => {
  const { journal, request } = call
  const error = outcome._tag === "Failure" ? outcome.error : undefined
  const cancelled = outcome._tag === "Cancelled" || error?._tag === "Cancelled"
  const completion = outcome._tag === "Success" ? outcome.completion : outcome.partial
  const reported = completion === undefined ? Usage.zero : completion.usage
  const served = servedByCache(journal.cache)
  const usage = served ? Usage.zero : withAskedTier(reported, request)
  const { attempts, candidates, cost, endedAtMs, firstPartAtMs, saved, startedAtMs } = journal
  const target = journal.target ?? attempts.at(-1)?.target ?? candidates[0]
  const answering = served
    ? undefined
    : attempts.findLast(({ firstPartAtMs: at, lost }) => at !== undefined && lost === undefined)
  const failing = error === undefined || cancelled ? undefined : failingOf(error, request, target)
  const price = priceColumns(usage, served ? undefined : cost)
  return {
    id: request.id,
    timeMs: Math.floor(startedAtMs),
    tenant: clip(request.tenant),
    keyId: request.key?.keyId ?? null,
    modelRequested: request.model === undefined ? null : clip(request.model),
    model: target === undefined ? null : target.model,
    provider: target === undefined ? null : target.provider,
    status: cancelled ? "cancelled" : error === undefined ? "success" : "error",
    fault: cancelled ? "caller" : error === undefined ? null : error.fault,
    errorKind: cancelled ? "Cancelled" : error === undefined ? null : error._tag,
    cache: journal.cache,
    uncachedInput: usage.uncachedInput,
    cacheReadInput: usage.cacheReadInput,
    cacheWriteInput: usage.cacheWriteInput,
    output: usage.output,
    reasoning: usage.reasoning,
    estimated: reported.estimated,
    costUsd: cost === undefined ? (served ? 0 : null) : costWithLost(cost, attempts),
    priceTable: cost !== undefined && cost._tag === "Priced" ? cost.table : null,
    unpricedReason: cost !== undefined && cost._tag === "Unpriced" ? cost.reason : null,
    savedUsd: saved !== undefined && saved._tag === "Priced" ? saved.usd : null,
    savedTokens: served ? Usage.totalTokens(reported) : 0,
    latencyMs: endedAtMs === undefined ? null : endedAtMs - startedAtMs,
    ttftMs: firstPartAtMs === undefined ? null : firstPartAtMs - startedAtMs,
    queueMs: journal.queueMs,
    cacheAgeMs: journal.cacheAgeMs ?? null,
    cacheSimilarity: journal.cacheSimilarity ?? null,
    overheadMs: journal.overheadMs ?? null,
    stream: request.stream,
    metadata: UsageContent.metadataOf(request),
    content: content ? UsageContent.contentOf(request, completion) : null,
    inputUsd: price.inputUsd,
    cacheReadUsd: price.cacheReadUsd,
    cacheWriteUsd: price.cacheWriteUsd,
    outputUsd: price.outputUsd,
    reasoningUsd: price.reasoningUsd,
    providerCacheSavedUsd: price.providerCacheSavedUsd,
    usageDetail: usage.detail ?? null,
    errorDetail: failing === undefined || failing.message === "" ? null : failing.message,
    fingerprint: failing === undefined ? null : fingerprintOf(failing),
    attempts: attempts.map((attempt) => fromAttempt(attempt, attempt === answering ? cost : attempt.lost?.cost))
  }
}

const failingOf = (error: EngineError, request: Call["request"], target: Target | undefined): Failing => ({
  kind: error._tag,
  provider: target === undefined ? null : target.provider,
  model: target === undefined ? null : target.model,
  message: messageOf(error, request)
})

/** Names come from callers: this bounds what one of them can put into the database. */
const clip = (name: string): string => (name.length <= 256 ? name : name.slice(0, 256))

const fromAttempt = (attempt: Attempt, cost: Usage.Cost | undefined): AttemptRecord => ({
  provider: attempt.target.provider,
  model: attempt.target.model,
  startedAtMs: attempt.startedAtMs,
  queueMs: attempt.queueMs,
  firstPartAtMs: attempt.firstPartAtMs ?? null,
  endedAtMs: attempt.endedAtMs ?? null,
  costUsd: usdOf(cost),
  error: attempt.error === undefined ? null : fromError(attempt.error),
  ...(attempt.hedge === true ? { hedge: true } : {}),
  ...(attempt.lost === undefined ? {} : { lost: { costUsd: usdOf(attempt.lost.cost) } })
})

const usdOf = (cost: Usage.Cost | undefined): number | null => (cost?._tag === "Priced" ? cost.usd : null)

/** Dollars of an answer and of those that nobody read, to the picodollar. */
const costWithLost = (cost: Usage.Cost, attempts: ReadonlyArray<Attempt>): number | null => {
  if (cost._tag === "Unpriced") return null
  for (const { lost } of attempts) {
    if (lost !== undefined) return sumUsd([cost.usd, ...attempts.map((attempt) => usdOf(attempt.lost?.cost))])
  }
  return cost.usd
}

const fromError = (error: EngineError): AttemptRecord["error"] => ({
  kind: error._tag,
  fault: error.fault,
  status: error.status,
  upstreamStatus: ("upstreamStatus" in error ? error.upstreamStatus : undefined) ?? null,
  retryAfterMs: ("retryAfterMs" in error ? error.retryAfterMs : undefined) ?? null
})

/** Errors of attempts that no provider has seen: our own limits and budgets, open circuits, missing abilities, callers who left. */
const unseen: ReadonlySet<string> = new Set<EngineError["_tag"]>([
  "BudgetExceeded",
  "Cancelled",
  "CircuitOpen",
  "QueueFull",
  "RateLimitExceeded",
  "ShuttingDown",
  "UnsupportedAbility"
])

/** True when a provider has seen the attempt. */
export const reachedProvider = ({ error }: AttemptRecord): boolean => error === null || !unseen.has(error.kind)

/** A record as a line of `GET requests`. */
export const toItem = (record: UsageRecord): RequestItem => ({
  id: record.id,
  time: new Date(record.timeMs).toISOString(),
  tenant: record.tenant,
  keyId: record.keyId,
  modelRequested: record.modelRequested,
  model: record.model,
  provider: record.provider,
  status: record.status,
  fault: record.fault,
  errorKind: record.errorKind,
  cache: record.cache,
  attempts: record.attempts.filter(reachedProvider).length,
  promptTokens: promptTokensOf(record),
  completionTokens: record.output,
  costUsd: record.costUsd,
  latencyMs: record.latencyMs,
  ttftMs: record.ttftMs,
  queueMs: record.queueMs
})

/** A record as `GET requests/{id}` shows it. */
export const toDetail = (record: UsageRecord): RequestDetail => ({
  ...toItem(record),
  attemptDetails: record.attempts.map((attempt, index) => toAttemptDetail(attempt, reasonOf(record.attempts, index))),
  cacheAgeMs: record.cacheAgeMs,
  cacheSimilarity: record.cacheSimilarity,
  reasoningTokens: record.reasoning,
  estimated: record.estimated,
  price: {
    usd: record.costUsd,
    table: record.priceTable,
    unpricedReason: record.unpricedReason,
    lines: linesOf(record)
  },
  savedUsd: record.savedUsd,
  savedTokens: record.savedTokens,
  providerCacheSavedUsd: record.providerCacheSavedUsd,
  serviceTier: record.usageDetail?.serviceTier ?? null,
  overheadMs: record.overheadMs,
  stream: record.stream,
  metadata: record.metadata as RequestDetail["metadata"],
  content: record.content as RequestDetail["content"],
  errorDetail: record.errorDetail,
  fingerprint: record.fingerprint
})

/** Why an attempt was made: the error of the one before it says the rest. */
const reasonOf = (attempts: ReadonlyArray<AttemptRecord>, index: number): AttemptDetail["reason"] => {
  const { hedge, provider } = attempts[index]!
  if (hedge === true) return "hedge"
  const before = attempts.findLast((attempt, at) => at < index && attempt.hedge !== true)
  return before === undefined ? "first" : before.provider === provider ? "retry" : "fallback"
}

const toAttemptDetail = (attempt: AttemptRecord, reason: AttemptDetail["reason"]): AttemptDetail => ({
  reason,
  lost: attempt.lost !== undefined,
  lostUsd: attempt.lost?.costUsd ?? null,
  provider: attempt.provider,
  model: attempt.model,
  startedAt: new Date(attempt.startedAtMs).toISOString(),
  queueMs: attempt.queueMs,
  firstPartMs: attempt.firstPartAtMs === null ? null : attempt.firstPartAtMs - attempt.startedAtMs,
  durationMs: attempt.endedAtMs === null ? null : attempt.endedAtMs - attempt.startedAtMs,
  costUsd: attempt.costUsd,
  error: attempt.error
})
