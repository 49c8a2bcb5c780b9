/**
 * What every embeddings answer comes to: one vector for each text, or an error that says what is missing.
 *
 * Vectors are handed on as they are; nothing is scaled, shortened or filled in.
 */
import { Predicate, Result } from "effect"
import type { EngineError } from "../Errors.ts"
import type { Completion } from "../Reply.ts"
import type { EmbedInput } from "../Request.ts"
import type { Usage } from "../Usage.ts"
import { stringOr } from "./Json.ts"
import type { Endpoint } from "./Protocol.ts"
import { invalidResponse } from "./UpstreamErrors.ts"

/** An answer of vectors, when there is one for each text. */
export const completionOf = (
  model: unknown,
  vectors: ReadonlyArray<ReadonlyArray<number> | undefined>,
  usage: Usage,
  embed: EmbedInput,
  endpoint: Endpoint
): Result.Result<Completion, EngineError> => {
  const embeddings = Array.from(vectors).filter(Predicate.isNotUndefined)
  if (embeddings.length !== embed.input.length) {
    const detail = `${embeddings.length} embeddings for ${embed.input.length} texts`
    return Result.fail(invalidResponse(endpoint, detail, 200))
  }
  return Result.succeed({
    id: "",
    model: stringOr(model, endpoint.model),
    content: [],
    finishReason: "stop",
    rawFinishReason: undefined,
    usage,
    embeddings
  })
}

/** The numbers of a list, when it holds nothing else. */
export const numbersOf = (value: unknown): ReadonlyArray<number> | undefined =>
  Array.isArray(value) && value.length > 0 && value.every(Number.isFinite) ? (value as Array<number>) : undefined
