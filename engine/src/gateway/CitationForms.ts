/**
 * Canonical citations in the form each inbound dialect has for them.
 *
 * A citation of the caller's own dialect is written as its provider wrote it, but for its place in the text. Others are
 * built anew: Chat knows addresses alone, and a source without one has no place there; Anthropic's locations without an
 * `encrypted_index`, or of no length, tell that Anthropic did not make them, so that they are not given back to it.
 */
import type { JsonObject } from "../protocols/Json.ts"
import type { Citation } from "../Reply.ts"

/** An annotation of a Chat message; undefined for a source without an address. */
export const chatAnnotation = ({ end = 0, quote, raw, start = 0, title = "", url }: Citation): object | undefined => {
  if (raw?.dialect === "openai-chat") return raw.value
  if (url === undefined) return undefined
  const content = quote === undefined ? {} : { content: quote }
  return { type: "url_citation", url_citation: { url, title, start_index: start, end_index: end, ...content } }
}

/** An annotation of a Responses text that begins at `base` of the answer. */
export const responsesAnnotation = (citation: Citation, base: number): { readonly [key: string]: unknown } => {
  const { end = base, raw, source = "", start = base, title = "", url } = citation
  const span = { start_index: Math.max(0, start - base), end_index: Math.max(0, end - base) }
  if (raw?.dialect === "openai-responses") return "start_index" in raw.value ? { ...raw.value, ...span } : raw.value
  return url === undefined
    ? { type: "file_citation", file_id: source, filename: title, index: span.end_index }
    : { type: "url_citation", url, title, ...span }
}

/** A citation of an Anthropic text block. */
export const messagesCitation = ({ quote = "", raw, source, title: known, url }: Citation): object => {
  const title = known ?? null
  if (raw?.dialect === "anthropic-messages") return raw.value
  if (url !== undefined) {
    return { type: "web_search_result_location", cited_text: quote, encrypted_index: "", title, url }
  }
  return {
    type: "search_result_location",
    cited_text: quote,
    source: source ?? title ?? "",
    title,
    search_result_index: 0,
    start_block_index: 0,
    end_block_index: 0
  }
}

/** Whether a location of Anthropic's was made here, from another provider's answer. */
export const isMadeLocation = (location: JsonObject): boolean =>
  location["type"] === "web_search_result_location"
    ? location["encrypted_index"] === ""
    : location["type"] === "search_result_location" && location["end_block_index"] === location["start_block_index"]

/** What a Gemini candidate says of the sources of `text`, the whole text of the answer; empty where there are none. */
export const geminiMetadata = (citations: ReadonlyArray<Citation>, text: string): object => {
  const chunks = new Map<string, { readonly index: number; readonly chunk: object }>()
  const supports: Array<object> = []
  const sources: Array<object> = []
  for (const citation of citations) {
    if (citation.raw?.dialect === "gemini" && "license" in citation.raw.value) {
      sources.push(citation.raw.value)
      continue
    }
    const key = `${citation.url ?? ""}\n${citation.source ?? ""}\n${citation.title ?? ""}`
    const known = chunks.get(key) ?? { index: chunks.size, chunk: chunkOf(citation) }
    chunks.set(key, known)
    const { end, start } = citation
    if (start === undefined || end === undefined) continue
    supports.push({
      segment: {
        startIndex: Buffer.byteLength(text.slice(0, start)),
        endIndex: Buffer.byteLength(text.slice(0, end)),
        text: text.slice(start, end)
      },
      groundingChunkIndices: [known.index]
    })
  }
  const groundingChunks = [...chunks.values()].map(({ chunk }) => chunk)
  return {
    ...(groundingChunks.length === 0 ? {} : { groundingMetadata: { groundingChunks, groundingSupports: supports } }),
    ...(sources.length === 0 ? {} : { citationMetadata: { citationSources: sources } })
  }
}

const chunkOf = ({ quote, raw, source, title = "", url }: Citation): object => {
  if (raw?.dialect === "gemini") return raw.value
  if (url !== undefined) return { web: { uri: url, title } }
  return { retrievedContext: { title, uri: source ?? "", ...(quote === undefined ? {} : { text: quote }) } }
}
