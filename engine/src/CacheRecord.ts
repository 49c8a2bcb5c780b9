/**
 * One entry of the exact cache as it leaves the process: for a store, an export, a warm-up file.
 *
 * A record holds the answer and what the entry is known by, and no prompt: of the request only the key and, where
 * `cache.explain` is on, a hash of 20 bits for each field. What comes from outside is decoded by its schema.
 */
import { Result, Schema } from "effect"
import { keyLength } from "./CacheKey.ts"
import { describeIssue } from "./Issues.ts"
import type { Completion } from "./Reply.ts"

export { recordVersion } from "./CacheRecordVersion.ts"

const count = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const optionalText = Schema.optional(Schema.String)

const Block = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("text"),
    text: Schema.String,
    citations: Schema.optional(Schema.Array(Schema.Record(Schema.String, Schema.Json))),
    logprobs: Schema.optional(Schema.Array(Schema.Record(Schema.String, Schema.Json)))
  }),
  Schema.Struct({ type: Schema.Literal("refusal"), text: Schema.String }),
  Schema.Struct({
    type: Schema.Literal("reasoning"),
    text: Schema.String,
    signature: optionalText,
    redacted: optionalText
  }),
  Schema.Struct({
    type: Schema.Literal("tool-call"),
    id: Schema.String,
    name: Schema.String,
    arguments: Schema.String
  })
])

const StoredCompletion = Schema.Struct({
  id: Schema.String,
  model: Schema.String,
  content: Schema.Array(Block),
  finishReason: Schema.Literals(["stop", "tool-calls"]),
  rawFinishReason: optionalText,
  usage: Schema.Struct({
    uncachedInput: count,
    cacheReadInput: count,
    cacheWriteInput: count,
    output: count,
    reasoning: count,
    estimated: Schema.Boolean,
    detail: Schema.optional(
      Schema.Struct({
        serviceTier: optionalText,
        cacheWrite1h: Schema.optional(count),
        media: Schema.optional(
          Schema.Array(
            Schema.Struct({
              of: Schema.Literals(["input", "cacheRead", "output"]),
              medium: Schema.Literals(["audio", "image", "video"]),
              tokens: count
            })
          )
        ),
        webSearches: Schema.optional(count)
      })
    )
  }),
  embeddings: Schema.optional(Schema.Array(Schema.Array(Schema.Finite))),
  omitted: Schema.optional(Schema.Array(Schema.String)),
  wire: Schema.optional(
    Schema.Struct({
      dialect: Schema.Literals([
        "openai-chat",
        "openai-responses",
        "openai-completions",
        "anthropic-messages",
        "gemini"
      ]),
      body: Schema.String
    })
  )
})

/** Times are epoch milliseconds. */
export const CacheRecord = Schema.Struct({
  key: Schema.String.check(
    Schema.makeFilter((key) => key.length === keyLength && /^[\w-]+$/.test(key), { expected: "a key of the cache" })
  ),
  provider: Schema.NonEmptyString,
  model: Schema.NonEmptyString,
  tenant: Schema.NonEmptyString,
  namespace: Schema.NullOr(Schema.NonEmptyString),
  storedAtMs: count,
  expiresAtMs: count,
  latencyMs: count,
  omitted: Schema.optional(Schema.Array(Schema.String)),
  /** Where the parts of a streamed answer ended, and when (`CachePacing.ts`). */
  pacing: optionalText,
  /** Hash of each field of the request by its path. */
  fields: Schema.optional(Schema.Record(Schema.String, Schema.Finite)),
  completion: StoredCompletion
})
export interface CacheRecord {
  readonly key: string
  readonly provider: string
  readonly model: string
  readonly tenant: string
  readonly namespace: string | null
  readonly storedAtMs: number
  readonly expiresAtMs: number
  readonly latencyMs: number
  readonly omitted?: ReadonlyArray<string> | undefined
  readonly pacing?: string | undefined
  readonly fields?: { readonly [path: string]: number } | undefined
  readonly completion: Completion
}

const decodeUnknown = Schema.decodeUnknownResult(CacheRecord)

/** A record from outside, or what is wrong with it; the text names the field and quotes nothing. */
export const decodeRecord = (input: unknown): Result.Result<CacheRecord, string> => {
  const decoded = decodeUnknown(input)
  if (Result.isSuccess(decoded)) return Result.succeed(decoded.success as CacheRecord)
  const { field } = describeIssue(decoded.failure.issue)
  return Result.fail(field === "" ? "is no entry of a cache" : `${field} is not what it should be`)
}

/** Bytes that an answer holds in memory: its texts as V8 keeps them, numbers, and the objects around them. */
export const sizeOf = (completion: Completion): number => {
  let bytes = objectBytes + textBytes(completion.id) + textBytes(completion.model)
  if (completion.rawFinishReason !== undefined) bytes += textBytes(completion.rawFinishReason)
  if (completion.wire !== undefined) bytes += 40 + textBytes(completion.wire.body)
  for (const block of completion.content) {
    bytes += 48
    if (block.type === "tool-call") {
      bytes += 16 + textBytes(block.id) + textBytes(block.name) + textBytes(block.arguments)
    } else bytes += textBytes(block.text)
    if (block.type === "text" && (block.citations ?? block.logprobs) !== undefined) {
      // About what their objects take; the two are rare, and long when they are there.
      bytes += 4 * JSON.stringify([block.citations, block.logprobs]).length
    }
    if (block.type !== "reasoning") continue
    if (block.signature !== undefined) bytes += textBytes(block.signature)
    if (block.redacted !== undefined) bytes += textBytes(block.redacted)
  }
  for (const kind of completion.omitted ?? []) bytes += textBytes(kind)
  for (const vector of completion.embeddings ?? []) bytes += 56 + 8 * vector.length
  return bytes
}

/** A completion, its usage and its list of blocks. */
const objectBytes = 96 + 72 + 48

/**
 * Bytes of a string. V8 keeps one byte a character where all are Latin-1, and two otherwise; a pattern that can't match
 * in the former is not even run there. It also makes one string of the many pieces that a stream was put together from.
 */
export const textBytes = (text: string): number =>
  text.length === 0 ? 0 : 16 + (/[^\x00-\xff]/.test(text) ? 2 * text.length : text.length)
