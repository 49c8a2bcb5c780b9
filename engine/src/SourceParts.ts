/**
 * Citations as the `source` parts that Effect's AI modules and the AI SDK have for them, there and back.
 *
 * A source with an address is a URL; any other is a document of no known type. Quote and place in the text, which neither
 * SDK has a field for, travel in Millrace's own metadata. Pure.
 */
import { Predicate } from "effect"
import type { Citation, Part } from "./Reply.ts"

interface UrlSource {
  readonly type: "source"
  readonly sourceType: "url"
  readonly id: string
  readonly url: string
  readonly title: string
}

interface DocumentSource {
  readonly type: "source"
  readonly sourceType: "document"
  readonly id: string
  readonly mediaType: string
  readonly title: string
}

/** What a citation says beside its source. */
export type CitedPlace = Pick<Citation, "quote" | "start" | "end" | "source">

/** The source of a citation, and what it says besides; `id` tells the sources of one answer apart. */
export const sourceOf = (
  { end, quote, source, start, title, url }: Citation,
  id: string
): readonly [source: UrlSource | DocumentSource, place: CitedPlace] => {
  const place = {
    ...(quote === undefined ? {} : { quote }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(source === undefined ? {} : { source })
  }
  if (url !== undefined && URL.canParse(url)) {
    return [{ type: "source", sourceType: "url", id, url, title: title ?? url }, place]
  }
  const named = title ?? source ?? url ?? id
  return [{ type: "source", sourceType: "document", id, mediaType: "application/octet-stream", title: named }, place]
}

/** The citation that a source of another SDK's answer stands for; `place` is Millrace's own metadata of it. */
export const citedBy = (
  part: { readonly sourceType: string; readonly url?: string | URL; readonly title?: string | undefined },
  place: unknown
): Part => {
  const { end, quote, source, start } = (Predicate.isObject(place) ? place : {}) as { readonly [key: string]: unknown }
  const url = part.url === undefined ? undefined : String(part.url)
  return {
    type: "citation",
    citation: {
      ...(url === undefined ? {} : { url }),
      ...(part.title === undefined ? {} : { title: part.title }),
      ...(Predicate.isString(quote) ? { quote } : {}),
      ...(Predicate.isNumber(start) && Predicate.isNumber(end) ? { start, end } : {}),
      ...(Predicate.isString(source) ? { source } : {})
    }
  }
}
