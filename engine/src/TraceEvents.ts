/**
 * The events of a span: what happened to a request and to an attempt on the way, told from the journal when it is over.
 *
 * Times are the journal's, in milliseconds. Nothing is noted on the way for them, so they cost nothing while nobody traces.
 * They hold names, figures and kinds of errors, never texts.
 */
import type { AttemptCall } from "./Stage.ts"
import type { Attempt, Call, Outcome, Target } from "./Call.ts"

export interface TraceEvent {
  readonly name: string
  /** Epoch milliseconds. */
  readonly atMs: number
  readonly attributes: { readonly [name: string]: unknown }
}

/** Cache, retries, fallbacks, hedges, candidates that were passed over, and the first token. */
export const requestEvents = ({ journal }: Call, endedAtMs: number): ReadonlyArray<TraceEvent> => {
  const { attempts, firstPartAtMs } = journal
  const events: Array<TraceEvent> = []
  const served = journal.cache === "hit" || journal.cache === "semantic"
  const lookedAtMs = (served ? firstPartAtMs : attempts[0]?.startedAtMs) ?? journal.startedAtMs
  if (journal.cache !== "bypass")
    events.push({ name: "millrace.cache", atMs: lookedAtMs, attributes: cacheOf(journal) })
  for (let index = 1; index < attempts.length; index++) events.push(stepTo(attempts, index))
  for (const target of passedOver(journal.candidates, attempts, journal.target)) {
    events.push({
      name: "millrace.skipped",
      atMs: attempts[0]?.startedAtMs ?? endedAtMs,
      attributes: named("", target)
    })
  }
  if (firstPartAtMs !== undefined) events.push({ name: "millrace.first_token", atMs: firstPartAtMs, attributes: {} })
  return events.sort((a, b) => a.atMs - b.atMs)
}

/** The queue, and the first token. */
export const attemptEvents = (
  { attempt }: AttemptCall,
  outcome: Outcome,
  endedAtMs: number
): ReadonlyArray<TraceEvent> => {
  const events: Array<TraceEvent> = []
  const { firstPartAtMs, queueMs, sentAtMs, startedAtMs } = attempt
  const leftAtMs = sentAtMs ?? endedAtMs
  // Who was refused at once has not waited, and who went through at once neither.
  if (queueMs > 0 || (sentAtMs === undefined && leftAtMs > startedAtMs)) {
    const waitedMs = sentAtMs === undefined ? leftAtMs - startedAtMs : queueMs
    events.push({ name: "millrace.queue.entered", atMs: startedAtMs, attributes: {} })
    events.push({
      name: "millrace.queue.left",
      atMs: sentAtMs === undefined ? leftAtMs : startedAtMs + queueMs,
      attributes: {
        "millrace.queue.wait_ms": waitedMs,
        "millrace.queue.admitted": sentAtMs !== undefined,
        ...(sentAtMs === undefined && outcome._tag === "Failure" ? { "error.type": outcome.error._tag } : {})
      }
    })
  }
  if (firstPartAtMs !== undefined) events.push({ name: "millrace.first_token", atMs: firstPartAtMs, attributes: {} })
  return events
}

const cacheOf = (journal: Call["journal"]): { readonly [name: string]: unknown } => ({
  "millrace.cache.result": journal.cache,
  ...(journal.cacheAgeMs === undefined ? {} : { "millrace.cache.age_ms": journal.cacheAgeMs }),
  ...(journal.cacheSimilarity === undefined ? {} : { "millrace.cache.similarity": journal.cacheSimilarity }),
  ...(journal.cacheStale === undefined ? {} : { "millrace.cache.stale": journal.cacheStale })
})

/** Why there is another attempt: beside the one before, at a candidate that was asked already, or at the next one. */
const stepTo = (attempts: ReadonlyArray<Attempt>, index: number): TraceEvent => {
  const attempt = attempts[index]!
  const earlier = attempts.slice(0, index).findLast(({ target }) => same(target, attempt.target))
  const before = earlier ?? attempts[index - 1]!
  const atMs = attempt.startedAtMs
  if (attempt.hedge === true) return { name: "millrace.hedge", atMs, attributes: named("", attempt.target) }
  const why = {
    ...(before.error === undefined ? {} : { "error.type": before.error._tag }),
    ...(before.endedAtMs === undefined ? {} : { "millrace.retry.delay_ms": Math.max(0, atMs - before.endedAtMs) })
  }
  return earlier === undefined
    ? {
        name: "millrace.fallback",
        atMs,
        attributes: { ...named("from.", before.target), ...named("to.", attempt.target), ...why }
      }
    : { name: "millrace.retry", atMs, attributes: { ...named("", attempt.target), ...why } }
}

/** Candidates before the one that answered that nobody asked: their circuit was open, or they had asked for a pause. */
const passedOver = (
  candidates: ReadonlyArray<Target>,
  attempts: ReadonlyArray<Attempt>,
  answered: Target | undefined
): ReadonlyArray<Target> => {
  const end = answered === undefined ? -1 : candidates.findIndex((target) => same(target, answered))
  return candidates
    .slice(0, Math.max(0, end))
    .filter((target) => attempts.length > 0 && !attempts.some((attempt) => same(attempt.target, target)))
}

const same = (a: Target, b: Target): boolean => a.provider === b.provider && a.model === b.model

const named = (role: string, { model, provider }: Target): { readonly [name: string]: string } => ({
  [`millrace.${role}provider`]: provider,
  [`millrace.${role}model`]: model
})
