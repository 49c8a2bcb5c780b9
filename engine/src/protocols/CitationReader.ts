/**
 * What providers say about the sources of an answer, as canonical citations.
 *
 * Every protocol reads its own form here: annotations of OpenAI's two APIs, locations of Anthropic, grounding and citation
 * metadata of Gemini, and the lists of addresses that search services put beside the answer. The provider's object travels
 * along as `raw`. Offsets count UTF-16 code units of the whole text of the answer; what can't be placed has none.
 */
import { Predicate } from "effect"
import type { Citation, Dialect, Part } from "../Reply.ts"
import { isObject, type JsonObject, stringOr } from "./Json.ts"

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** A citation of what is stated, none where no source is; fields that are empty are left out. */
const citation = (
  dialect: Dialect,
  value: JsonObject,
  fields: { readonly [K in "url" | "title" | "quote" | "source"]?: unknown },
  span: { readonly start?: unknown; readonly end?: unknown } = {}
): ReadonlyArray<Citation> => {
  const out: { [key: string]: unknown } = {}
  for (const [key, text] of Object.entries(fields)) if (Predicate.isString(text) && text !== "") out[key] = text
  if (Object.keys(out).length === 0) return []
  const { end, start } = span
  // A span of no length is what providers state that know none.
  if (Predicate.isNumber(start) && Predicate.isNumber(end) && end > start) Object.assign(out, { start, end })
  return [{ ...out, raw: { dialect, value } }]
}

/** Appends citations as parts. */
const push = (citations: ReadonlyArray<Citation>, out: Array<Part>): void => {
  for (const citation of citations) out.push({ type: "citation", citation })
}

/** Appends the annotations of a Chat message or delta; returns the URLs they name. */
export const readAnnotations = (annotations: unknown, dialect: Dialect, out: Array<Part>): ReadonlyArray<string> => {
  const urls: Array<string> = []
  for (const annotation of listOf(annotations)) {
    if (!isObject(annotation)) continue
    const { file, url_citation: cited } = annotation
    if (isObject(cited)) {
      const { content, end_index: end, start_index: start, title, url } = cited
      push(citation(dialect, annotation, { url, title, quote: content }, { start, end }), out)
      urls.push(stringOr(url, ""))
    } else if (isObject(file)) {
      push(citation(dialect, annotation, { title: file["name"], source: file["hash"] }), out)
    }
  }
  return urls
}

/** Addresses that a server lists beside its answer (`citations`, `search_results`), whole or anew with every chunk. */
export class ListedSources {
  private citations: ReadonlyArray<unknown> = []
  private results: ReadonlyArray<unknown> = []
  private readonly annotated = new Set<string>()

  note(answer: JsonObject): void {
    const { citations, search_results: results } = answer
    if (Array.isArray(citations)) this.citations = citations
    if (Array.isArray(results)) this.results = results
  }

  /** Addresses that annotations have named already. */
  named(urls: ReadonlyArray<string>): void {
    for (const url of urls) this.annotated.add(url)
  }

  /** Appends what no annotation has named, at the end of the answer. */
  end(out: Array<Part>): void {
    const found = new Map<string, JsonObject>()
    for (const result of this.results) {
      if (isObject(result) && Predicate.isString(result["url"])) found.set(result["url"], result)
    }
    const urls = this.citations.length > 0 ? this.citations : [...found.keys()]
    for (const url of urls) {
      if (!Predicate.isString(url) || url === "" || this.annotated.has(url)) continue
      const { snippet, title } = found.get(url) ?? {}
      const fields = { url, title, quote: snippet }
      const value = {
        type: "url_citation",
        url_citation: { url, title: stringOr(title, ""), start_index: 0, end_index: 0 }
      }
      push(citation("openai-chat", value, fields), out)
    }
  }
}

/** Appends an annotation of a Responses text; `base` is where that text begins in the answer. */
export const readAnnotation = (annotation: unknown, base: number, out: Array<Part>): void => {
  if (!isObject(annotation)) return
  const { end_index: end, file_id: source, filename, start_index: start, title = filename, url } = annotation
  const from = Predicate.isNumber(start) ? start + base : undefined
  const to = Predicate.isNumber(end) ? end + base : undefined
  push(citation("openai-responses", annotation, { url, title, source }, { start: from, end: to }), out)
}

/** Appends the locations of an Anthropic text block; `start` and `end` are the block's. */
export const readLocations = (locations: unknown, start: number, end: number, out: Array<Part>): void => {
  for (const location of listOf(locations)) {
    if (isObject(location)) push(ofLocation(location, start, end), out)
  }
}

const ofLocation = (location: JsonObject, start: number, end: number): ReadonlyArray<Citation> => {
  const { cited_text: quote, document_index: index, document_title, file_id, source, title, url } = location
  const document = Predicate.isNumber(index) ? `document:${index}` : undefined
  const address = url ?? (Predicate.isString(source) && /^https?:/.test(source) ? source : undefined)
  const fields = { url: address, title: title ?? document_title, quote, source: file_id ?? source ?? document }
  return citation("anthropic-messages", location, fields, { start, end })
}

/** Appends what the metadata of a Gemini candidate says of `text`, the whole text of the answer. */
export const readGrounding = (
  text: string,
  grounding: JsonObject,
  sources: Iterable<unknown>,
  out: Array<Part>
): void => {
  const place = new Placer(text)
  const chunks = listOf(grounding["groundingChunks"])
  const supported = new Set<unknown>()
  for (const support of listOf(grounding["groundingSupports"])) {
    if (!isObject(support)) continue
    const span = isObject(support["segment"]) ? place.segment(support["segment"]) : {}
    for (const index of listOf(support["groundingChunkIndices"])) {
      const chunk = Predicate.isNumber(index) ? chunks[index] : undefined
      if (!isObject(chunk)) continue
      supported.add(chunk)
      push(ofChunk(chunk, span), out)
    }
  }
  for (const chunk of chunks) if (isObject(chunk) && !supported.has(chunk)) push(ofChunk(chunk, {}), out)
  for (const source of sources) {
    if (!isObject(source)) continue
    const { title, uri } = source
    push(citation("gemini", source, { url: uri, title }, place.bytes(source["startIndex"], source["endIndex"])), out)
  }
}

const ofChunk = (
  chunk: JsonObject,
  span: { readonly start?: number; readonly end?: number }
): ReadonlyArray<Citation> => {
  const kind = Object.values(chunk).find(isObject) ?? {}
  const { documentName, fileSearchStore, placeId, text, title, uri } = kind
  const isUrl = Predicate.isString(uri) && /^https?:/.test(uri)
  const source = isUrl ? undefined : (uri ?? documentName ?? fileSearchStore ?? placeId)
  return citation("gemini", chunk, { url: isUrl ? uri : undefined, title, quote: text, source }, span)
}

/** Finds Gemini's spans, which count bytes of UTF-8 from the start of a part. */
class Placer {
  private readonly text: string
  private utf8: Buffer | undefined = undefined

  constructor(text: string) {
    this.text = text
  }

  bytes(start: unknown, end: unknown): { readonly start?: number; readonly end?: number } {
    const utf8 = (this.utf8 ??= Buffer.from(this.text))
    const from = Predicate.isNumber(start) ? start : 0
    if (!Predicate.isNumber(end) || end > utf8.length || from < 0) return {}
    const at = utf8.toString("utf8", 0, from).length
    return { start: at, end: at + utf8.toString("utf8", from, end).length }
  }

  /** The segment's own text decides, since a part may begin later than the answer. */
  segment({ endIndex, startIndex, text }: JsonObject): { readonly start?: number; readonly end?: number } {
    const stated = this.bytes(startIndex, endIndex)
    if (!Predicate.isString(text) || text === "" || this.text.startsWith(text, stated.start ?? 0)) {
      return Predicate.isString(text) && stated.start !== undefined
        ? { start: stated.start, end: stated.start + (text.length || stated.end! - stated.start) }
        : stated
    }
    const at = this.text.indexOf(text)
    return at < 0 ? {} : { start: at, end: at + text.length }
  }
}
