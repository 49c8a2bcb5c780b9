/**
 * What the leader of a flight tells its followers on other instances, and how it is written.
 *
 * A message carries parts with the number of parts before them, so that one that comes twice adds nothing; or a whole
 * answer; or a failure, as the error that the leader's own callers get; or that nothing more will be told. It carries
 * answers, and neither prompts nor keys.
 */
import { Schema } from "effect"
import type { Attempt, CacheResult, Call, Journal, Target } from "./Call.ts"
import * as Errors from "./Errors.ts"
import type { Asked } from "./FlightFailure.ts"
import type { Completion, Part } from "./Reply.ts"

/** Who answers, for the journals of those who share the answer. */
export interface FlightHead {
  readonly target: Target | undefined
  readonly cache: CacheResult
  readonly omitted: ReadonlyArray<string>
  readonly promptTokens: number | undefined
  readonly cacheAgeMs: number | undefined
  readonly cacheSimilarity: number | undefined
  readonly semanticKey: string | undefined
  /** A flight with the same callers has failed before. */
  readonly isSecond: boolean
}

/** What the record of one caller tells of the upstream call. */
export interface FlightBill {
  readonly attempts: ReadonlyArray<Attempt>
  readonly candidates: ReadonlyArray<Target>
  readonly queueMs: number
}

export type FlightMessage =
  | {
      readonly type: "parts"
      /** With the first of them. */
      readonly head?: FlightHead | undefined
      /** Parts of the answer before these. */
      readonly from: number
      readonly parts: ReadonlyArray<Part>
      readonly bill?: FlightBill | undefined
    }
  | {
      readonly type: "whole"
      readonly head: FlightHead
      readonly completion: Completion
      readonly bill?: FlightBill | undefined
    }
  | {
      readonly type: "failure"
      readonly head: FlightHead
      readonly error: Errors.EngineError
      readonly asked: Asked
      readonly bill?: FlightBill | undefined
    }
  /** Who can't wait for what was published so far begins anew. */
  | { readonly type: "gone" }

export const headOf = (journal: Journal, isSecond: boolean): FlightHead => ({
  target: journal.target,
  cache: journal.cache,
  omitted: journal.omitted,
  promptTokens: journal.promptTokens,
  cacheAgeMs: journal.cacheAgeMs,
  cacheSimilarity: journal.cacheSimilarity,
  semanticKey: journal.semanticKey,
  isSecond
})

export const billOf = ({ attempts, candidates, queueMs }: Journal): FlightBill => ({
  attempts: attempts.map(({ traceHeaders: _, ...attempt }) => attempt),
  candidates,
  queueMs
})

/** Notes who answers elsewhere: whoever shares the answer was `coalesced`, or served as the leader was. */
export const noteHead = ({ journal }: Call, head: FlightHead): void => {
  journal.elsewhere = true
  journal.target = head.target
  journal.cache = head.cache === "miss" ? "coalesced" : head.cache
  journal.omitted = head.omitted
  journal.promptTokens = head.promptTokens
  journal.cacheAgeMs = head.cacheAgeMs
  journal.cacheSimilarity = head.cacheSimilarity
  journal.semanticKey = head.semanticKey
}

/** Takes over what nobody at the leader's instance tells any more; an attempt that has not ended ends here. */
export const takeBill = ({ clock, journal }: Call, bill: FlightBill): void => {
  const nowMs = clock.currentTimeMillisUnsafe()
  if (journal.cache === "coalesced") journal.cache = "miss"
  journal.candidates = bill.candidates
  journal.queueMs = bill.queueMs
  journal.target ??= bill.attempts.at(-1)?.target
  for (const attempt of bill.attempts) journal.attempts.push({ ...attempt, endedAtMs: attempt.endedAtMs ?? nowMs })
}

const errorSchema = Schema.Union([
  Errors.InvalidRequest,
  Errors.ModelNotFound,
  Errors.ContextWindowExceeded,
  Errors.RequestRejected,
  Errors.ContentFiltered,
  Errors.UnsupportedAbility,
  Errors.AuthenticationFailed,
  Errors.PermissionDenied,
  Errors.KeysUnavailable,
  Errors.PayloadTooLarge,
  Errors.UnsupportedMediaType,
  Errors.Cancelled,
  Errors.RateLimitExceeded,
  Errors.BudgetExceeded,
  Errors.QueueFull,
  Errors.DeadlineExceeded,
  Errors.CacheOnlyMiss,
  Errors.ShuttingDown,
  Errors.ProviderAuthFailed,
  Errors.ProviderRateLimited,
  Errors.ProviderQuotaExceeded,
  Errors.ProviderOverloaded,
  Errors.ProviderServerError,
  Errors.ProviderTimeout,
  Errors.ProviderUnreachable,
  Errors.ProviderInvalidResponse,
  Errors.StreamTruncated,
  Errors.StreamStalled,
  Errors.CircuitOpen,
  Errors.InternalError
])

const encode = Schema.encodeSync(errorSchema)
const decode = Schema.decodeUnknownSync(errorSchema)

/** An error as JSON; the cause of one of our own stays in its process. */
const written = (error: Errors.EngineError): unknown =>
  encode(error._tag === "InternalError" ? new Errors.InternalError({ detail: error.detail }) : error)

const billWritten = (bill: FlightBill): unknown => ({
  ...bill,
  attempts: bill.attempts.map((attempt) => ({
    ...attempt,
    error: attempt.error === undefined ? undefined : written(attempt.error)
  }))
})

const billRead = (bill: FlightBill | undefined): FlightBill | undefined =>
  bill === undefined
    ? undefined
    : {
        ...bill,
        attempts: bill.attempts.map((attempt) => ({
          ...attempt,
          error: attempt.error === undefined ? undefined : decode(attempt.error),
          sentAtMs: attempt.sentAtMs,
          firstPartAtMs: attempt.firstPartAtMs
        }))
      }

export const writeBill = (bill: FlightBill): string => JSON.stringify(billWritten(bill))

export const readBill = (text: string): FlightBill => billRead(JSON.parse(text) as FlightBill)!

export const write = (message: FlightMessage): string => {
  if (message.type === "gone") return JSON.stringify(message)
  const bill = message.bill === undefined ? undefined : billWritten(message.bill)
  return JSON.stringify(
    message.type === "failure" ? { ...message, error: written(message.error), bill } : { ...message, bill }
  )
}

/** Reads what another instance has written; fails where that can't be read, as after an update of one of the two. */
export const readMessage = (text: string): FlightMessage => {
  const message = JSON.parse(text) as FlightMessage
  if (message.type === "gone") return message
  const bill = billRead(message.bill)
  return message.type === "failure" ? { ...message, error: decode(message.error), bill } : { ...message, bill }
}
