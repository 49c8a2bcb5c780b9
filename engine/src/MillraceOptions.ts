/**
 * What a caller of another SDK may say to Millrace beside that SDK's own settings: `{ millrace: { … } }`.
 *
 * The fields are those of `AIRequest` that Effect's and the AI SDK's calls have no place for. Decoding names the field
 * that is wrong; an unknown one is an error, never ignored.
 */
import { Result, Schema } from "effect"
import { InvalidRequest } from "./Errors.ts"
import { describeIssue } from "./Issues.ts"
import { AIRequest } from "./Request.ts"

const {
  cache,
  frequencyPenalty,
  logprobs,
  metadata,
  parallelToolCalls,
  presencePenalty,
  priority,
  provider,
  providerOptions,
  reasoning,
  tenant,
  timeout,
  topK
} = AIRequest.fields

/** Times are milliseconds. */
export const MillraceOptions = Schema.Struct({
  cache,
  frequencyPenalty,
  logprobs,
  metadata,
  parallelToolCalls,
  presencePenalty,
  priority,
  provider,
  /** Fields that are passed through to the upstream provider untouched. */
  providerOptions,
  reasoning,
  /** Asks for structured output that is held to its schema exactly, where the upstream provider can. */
  strict: Schema.optional(Schema.Boolean),
  tenant,
  timeout,
  topK
})
export interface MillraceOptions extends Schema.Schema.Type<typeof MillraceOptions> {}

const decode = Schema.decodeUnknownResult(MillraceOptions, { onExcessProperty: "error" })

/** Decodes the options; `field` is where they stand, such as `providerOptions.millrace`. */
export const decodeMillraceOptions = (input: unknown, field: string): Result.Result<MillraceOptions, InvalidRequest> =>
  Result.mapError(decode(input ?? {}), (error) => {
    const wrong = describeIssue(error.issue)
    const separator = wrong.field === "" || wrong.field.startsWith("[") ? "" : "."
    return new InvalidRequest({ field: `${field}${separator}${wrong.field}`, detail: wrong.detail })
  })
