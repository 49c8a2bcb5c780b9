/**
 * What the admin API answers about the semantic cache, and what it is told of wrong hits.
 *
 * The shapes of the wire and of the service behind it alike: plain JSON. Prompts and answers are in it only where content
 * may be logged; nothing is imported but `effect`.
 */
import { Schema } from "effect"

/** Counts by a word that says why. */
const Counts = Schema.Record(Schema.String, Schema.Finite)

/** A share, 0–1, with its 95 % interval. */
const Rate = Schema.Struct({ value: Schema.Finite, low: Schema.Finite, high: Schema.Finite })

const PromptAndAnswer = Schema.Struct({ prompt: Schema.String, answer: Schema.String })

/** The semantic cache since the process started. */
/** What is shared with other instances. Counts are of this instance since it started. */
export const SemanticSharedStatus = Schema.Struct({
  /** False while lookups do without the others' prompts. */
  healthy: Schema.Boolean,
  reason: Schema.NullOr(Schema.String),
  /** Lookups that asked for prompts of others. */
  asked: Schema.Finite,
  /** Prompts that were brought in with their answers. */
  found: Schema.Finite,
  /** Failures and late answers. */
  failed: Schema.Finite,
  /** Lookups that did without because too many were asking. */
  skipped: Schema.Finite,
  /** Prompts that others were not told. */
  dropped: Schema.Finite
})
export type SemanticSharedStatus = typeof SemanticSharedStatus.Type

export const SemanticStatus = Schema.Struct({
  mode: Schema.Literals(["off", "shadow", "on"]),
  /** `lexical`, `provider/model`, or `function` for one that the application has given. */
  embedder: Schema.String,
  threshold: Schema.Finite,
  /** Prompts that can be found, and the partitions that they are in. */
  entries: Schema.Finite,
  partitions: Schema.Finite,
  vectorBytes: Schema.Finite,
  lookups: Schema.Finite,
  /** Answers that were served. */
  hits: Schema.Finite,
  /** Lookups that served nothing, by what stood in the way of the best candidate. */
  misses: Counts,
  /** Requests that took no part, by reason. */
  bypassed: Counts,
  /** Pairs that the gate let pass and that were not served, by similarity; below the threshold too. */
  histogram: Schema.Array(
    Schema.Struct({
      from: Schema.Finite,
      to: Schema.Finite,
      hits: Schema.Finite,
      same: Schema.Finite,
      different: Schema.Finite,
      unclear: Schema.Finite
    })
  ),
  /** Hits from the threshold on that were compared with the real answer instead of being served. */
  shadow: Schema.Struct({
    wouldBeHits: Schema.Finite,
    same: Schema.Finite,
    different: Schema.Finite,
    unclear: Schema.Finite,
    /** Answers that were not looked at because too many waited. */
    dropped: Schema.Finite,
    /** Share of the compared ones that differ; null before the first. */
    falseHitRate: Schema.NullOr(Rate),
    /** The last ones, newest first; prompts and answers only where content may be logged. */
    recent: Schema.Array(
      Schema.Struct({
        time: Schema.String,
        requestId: Schema.String,
        askedKey: Schema.String,
        storedKey: Schema.String,
        similarity: Schema.Finite,
        comparison: Schema.Literals(["same", "different", "unclear"]),
        content: Schema.NullOr(Schema.Struct({ asked: PromptAndAnswer, stored: PromptAndAnswer }))
      })
    )
  }),
  /** null where the index is lexical. */
  embeddings: Schema.NullOr(
    Schema.Struct({ asked: Schema.Finite, failed: Schema.Finite, late: Schema.Finite, skipped: Schema.Finite })
  ),
  /** null where there is no judge. */
  judge: Schema.NullOr(
    Schema.Struct({
      asked: Schema.Finite,
      same: Schema.Finite,
      different: Schema.Finite,
      failed: Schema.Finite,
      refused: Schema.Finite
    })
  ),
  /** Wrong hits that callers told of, and the pairs that are remembered. */
  feedback: Schema.Struct({ wrong: Schema.Finite, pairs: Schema.Finite }),
  /** null where prompts are not shared. */
  shared: Schema.NullOr(SemanticSharedStatus)
}).annotate({ identifier: "SemanticStatus" })
export type SemanticStatus = typeof SemanticStatus.Type

/** A wrong hit: the request that was served it, or the key of the entry that was served. */
export const CacheFeedback = Schema.Union([
  Schema.Struct({ requestId: Schema.NonEmptyString }),
  Schema.Struct({ key: Schema.NonEmptyString })
]).annotate({ identifier: "CacheFeedback" })
export type CacheFeedback = typeof CacheFeedback.Type

export const CacheFeedbackResult = Schema.Struct({
  /** Key of the entry that was evicted. */
  key: Schema.String,
  /** True when the entry was still there. */
  evicted: Schema.Boolean,
  /** True when the pair of prompts is remembered and never served for each other again. */
  remembered: Schema.Boolean
}).annotate({ identifier: "CacheFeedbackResult" })
export type CacheFeedbackResult = typeof CacheFeedbackResult.Type

/** Pairs of prompts that are never served for each other, as hashes of their requests; 100,000 at most. */
export const SemanticPairList = Schema.Struct({
  pairs: Schema.Array(Schema.String).check(Schema.isMaxLength(100_000))
}).annotate({ identifier: "SemanticPairList" })
export type SemanticPairList = typeof SemanticPairList.Type

export const SemanticPairsTaken = Schema.Struct({
  /** Pairs that were taken in; others were none. */
  taken: Schema.Finite
}).annotate({ identifier: "SemanticPairsTaken" })
export type SemanticPairsTaken = typeof SemanticPairsTaken.Type
