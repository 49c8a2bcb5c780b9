/**
 * The shadow of the semantic cache: looks up, after an answer came, what would have been served instead, and compares.
 *
 * It works beside the requests in fibers of its own, from a bounded queue: what doesn't fit is dropped and counted, and no
 * request waits for it. Two answers are compared by their words; a judge, where there is one, is asked when they differ,
 * because two good answers may be worded differently. It serves nothing.
 */
import { Effect, Queue, type Scope } from "effect"
import type { Call } from "./Call.ts"
import * as Reply from "./Reply.ts"
import type { Ask, SemanticJudge } from "./SemanticJudge.ts"
import type { Hit, Match, SemanticLookup } from "./SemanticLookup.ts"
import type { Asked } from "./SemanticPartition.ts"
import { compareAnswers, type Comparison, type SemanticShadow } from "./SemanticShadow.ts"

/** An answer that came, to be looked at. */
export interface Answered {
  readonly ask: Ask
  readonly call: Call
  readonly asked: Asked
  readonly completion: Reply.Completion
  /** A hit that was held back for it; without one it is looked up, and made findable. */
  readonly held: Hit | undefined
}

export interface ObserverOptions {
  readonly lookup: SemanticLookup
  readonly shadow: SemanticShadow
  readonly judge: SemanticJudge | undefined
  readonly threshold: number
}

/** Answers that wait to be looked at. */
const waitingMax = 256
const fibers = 2

/** Starts the work; returns what hands an answer to it and never waits. */
export const observer = (options: ObserverOptions): Effect.Effect<(answered: Answered) => void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting = yield* Queue.dropping<Answered>(waitingMax)
    const drop = () => void options.shadow.dropped++
    const work = Effect.forever(
      Effect.flatMap(Queue.take(waiting), (answered) =>
        Effect.catchDefect(
          Effect.suspend(() => look(options, answered)),
          () => Effect.sync(drop)
        )
      )
    )
    for (let i = 0; i < fibers; i++) yield* Effect.forkScoped(work)
    return (answered) => {
      if (!Queue.offerUnsafe(waiting, answered)) drop()
    }
  })

const look = (options: ObserverOptions, answered: Answered): Effect.Effect<void> => {
  const { lookup, shadow, threshold } = options
  const { ask, asked, call, held } = answered
  if (held !== undefined) return record(options, answered, held)
  return Effect.flatMap(lookup.question(ask, call, asked), (question) => {
    if (question === undefined) return Effect.void
    if (call.request.cacheMode === "refresh") return Effect.sync(() => lookup.index(question))
    // What came after the request would not have been there for it.
    const before = ({ entry }: Match) => entry.addedAtMs <= call.journal.startedAtMs
    return Effect.flatMap(lookup.search(ask, question), ({ matches, reason }) => {
      const hit = lookup.hit(matches.filter(before))
      lookup.index(question)
      if (hit === undefined) shadow.miss(matches.length > 0 ? "answer-gone" : reason)
      else if (hit.match.similarity < threshold) shadow.miss("below-threshold")
      return hit === undefined ? Effect.void : record(options, answered, hit)
    })
  })
}

const record = (options: ObserverOptions, answered: Answered, { answer, match }: Hit): Effect.Effect<void> => {
  const { asked, call, completion } = answered
  const given = Reply.textOf(completion)
  const stored = Reply.textOf(answer.completion)
  return Effect.map(compared(options, answered, given, stored), (comparison) =>
    options.shadow.wouldBe({
      atMs: call.journal.startedAtMs,
      requestId: call.request.id,
      askedKey: call.journal.cacheKey!,
      storedKey: match.entry.key,
      similarity: match.similarity,
      comparison,
      asked: { prompt: asked.text, answer: given },
      stored: { prompt: match.entry.text, answer: stored }
    })
  )
}

const compared = (
  { judge }: ObserverOptions,
  { ask, asked, call }: Answered,
  given: string,
  stored: string
): Effect.Effect<Comparison> => {
  const byWords = compareAnswers(given, stored)
  if (judge === undefined || byWords === "same") return Effect.succeed(byWords)
  return Effect.map(judge.answers(ask, call.request, asked.text, given, stored), (same) =>
    same === undefined ? "unclear" : same ? "same" : "different"
  )
}
