/**
 * Parts of another SDK's prompt as parts of the engine: what Effect's AI modules and the AI SDK have in common.
 *
 * Millrace's own options of a part hold what the SDKs have no field for: the signature of a reasoning, the detail of an image.
 */
import { Result } from "effect"
import { InvalidRequest } from "./Errors.ts"
import { imageTypeOf, isImageType, isPartialType } from "./MediaTypes.ts"
import type { ContentPart } from "./Request.ts"

/** Millrace's options of a part. */
export type OwnFields = { readonly [field: string]: unknown }

export const reasoningOf = (text: string, { redacted, signature }: OwnFields): ContentPart => ({
  type: "reasoning",
  text,
  ...(typeof signature === "string" ? { signature } : {}),
  ...(typeof redacted === "string" ? { redacted } : {})
})

/** A file or an image. `data` is a URL or base64; `field` is where its detail stands, for errors. */
export const fileOf = (
  file: { readonly data: string; readonly mediaType: string; readonly filename: string | undefined },
  { detail }: OwnFields,
  field: string
): Result.Result<Extract<ContentPart, { readonly type: "image" | "file" }>, InvalidRequest> => {
  const { data, filename, mediaType } = file
  if (!isImageType(mediaType)) {
    return Result.succeed({ type: "file", data, mediaType, ...(filename === undefined ? {} : { filename }) })
  }
  if (detail !== undefined && detail !== "auto" && detail !== "low" && detail !== "high") {
    return Result.fail(new InvalidRequest({ field, detail: "expected auto, low or high" }))
  }
  const known = isPartialType(mediaType) ? imageTypeOf(data) : mediaType
  return Result.succeed({
    type: "image",
    image: data,
    ...(known === undefined ? {} : { mediaType: known }),
    ...(detail === undefined ? {} : { detail })
  })
}
