/**
 * Images and files of a request as every protocol needs them: a URL, or base64 with its media type.
 *
 * Nothing is fetched, decoded or resized here; a URL is handed to the provider as text.
 */
import { Result } from "effect"
import * as Base64 from "effect/encoding/Base64"
import { InvalidRequest } from "../Errors.ts"

export type Source =
  | { readonly type: "url"; readonly url: string }
  | { readonly type: "base64"; readonly mediaType: string; readonly data: string }

/**
 * Reads an https URL, a `data:` URL or plain base64. `field` is named when base64 has no media type, or the URL is of
 * another scheme.
 */
export const sourceOf = (
  value: string,
  mediaType: string | undefined,
  field: string
): Result.Result<Source, InvalidRequest> => {
  if (/^https?:\/\//i.test(value)) return Result.succeed({ type: "url", url: value })
  if (/^data:/i.test(value)) {
    const comma = value.indexOf(",")
    const [type = "", ...parameters] = value.slice(5, Math.max(5, comma)).split(";")
    const data = value.slice(comma + 1)
    const media = type === "" ? (mediaType ?? "text/plain") : type
    if (comma < 0) return invalid(field, "expected a data URL with a comma before its data")
    if (parameters.some((parameter) => parameter.trim().toLowerCase() === "base64")) {
      return Result.succeed({ type: "base64", mediaType: media, data })
    }
    return Result.succeed({ type: "base64", mediaType: media, data: Base64.encode(percentDecoded(data)) })
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(value)) return invalid(field, "expected an https URL, a data URL or base64")
  if (mediaType === undefined) return invalid(field, "expected a mediaType beside base64 data")
  return Result.succeed({ type: "base64", mediaType, data: value })
}

export const dataUrl = (source: Extract<Source, { readonly type: "base64" }>): string =>
  `data:${source.mediaType};base64,${source.data}`

const percentDecoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const invalid = (field: string, detail: string) => Result.fail(new InvalidRequest({ field, detail }))
