/**
 * Tokens of documents and audio in a prompt, by what their providers publish.
 *
 * Audio costs a rate per second, a page of a PDF about as much as its text and its picture. Only a part of a file's bytes
 * is decoded, at most 256 kB, so no file takes long; nothing is fetched. What is not certain says so: it serves the rate
 * limits, refuses nothing and teaches nothing.
 */
import type { Family } from "./ModelCatalog.ts"

/** A file as a request carries it. */
export interface FileSource {
  /** An https URL, a `data:` URL or base64. */
  readonly data: string
  readonly mediaType: string
}

export interface FileTokens {
  readonly tokens: number
  /** True when the provider will count the same. */
  readonly certain: boolean
}

/** Tokens of one file; undefined when nothing can be told from the request. */
export const fileTokens = ({ data, mediaType }: FileSource, family: Family, model: string): FileTokens | undefined => {
  const base64 = base64Of(data)
  if (base64 === undefined) return undefined
  const bytes = Buffer.byteLength(base64, "base64")
  if (mediaType.startsWith("audio/")) return audioTokens(base64, bytes, mediaType, family)
  if (mediaType === "application/pdf") {
    return { tokens: pagesOf(base64, bytes) * pageTokens(family, model), certain: false }
  }
  if (mediaType.startsWith("text/") || mediaType === "application/json") {
    return { tokens: Math.ceil(bytes / bytesPerToken), certain: false }
  }
  return undefined
}

/** English in o200k_base. */
const bytesPerToken = 4.5

const base64Of = (data: string): string | undefined => {
  if (!data.startsWith("data:")) return data === "" || /^(?:https?|gs):/i.test(data) ? undefined : data
  const comma = data.slice(0, 200).indexOf(",")
  return comma > 0 && data.slice(0, comma).endsWith(";base64") ? data.slice(comma + 1) : undefined
}

/**
 * Tokens for a second of audio. Sources: ai.google.dev/gemini-api/docs/tokens ("32 tokens per second"),
 * platform.openai.com/docs/guides/realtime-costs ("1 token per 100 ms" of the user's audio).
 */
const audioRate = (family: Family): number => (family === "openai" || family === "openai-reasoning" ? 10 : 32)

/** Compressed audio whose rate is not read from it: 128 kbit/s. */
const compressedBytesPerSecond = 16_000

const audioTokens = (base64: string, bytes: number, mediaType: string, family: Family): FileTokens => {
  const rate = audioRate(family)
  if (/wav/.test(mediaType)) {
    const head = Buffer.from(base64.slice(0, 64), "base64")
    if (head.length >= 44 && head.toString("latin1", 0, 4) === "RIFF" && head.readUInt32LE(28) > 0) {
      return { tokens: Math.ceil(((bytes - 44) / head.readUInt32LE(28)) * rate), certain: family === "gemini" }
    }
  }
  return { tokens: Math.ceil((bytes / compressedBytesPerSecond) * rate), certain: false }
}

/**
 * Tokens for a page of a PDF. Sources: ai.google.dev/gemini-api/docs/document-processing (258, and 560 at the default
 * resolution of Gemini 3), docs.claude.com/en/docs/build-with-claude/pdf-support ("1,500–3,000 tokens per page"). OpenAI
 * publishes no figure; its recorded calls reported about 1,000.
 */
const pageTokens = (family: Family, model: string): number => {
  if (family === "gemini") return /gemini-(1\.|2\.)/.test(model) ? 258 : 560
  return family === "claude" ? 2250 : 1000
}

/** Base64 characters that are read at the beginning and at the end of a document. */
const partLength = 175_000

/** Bytes of a page in a document whose page tree is compressed. */
const typicalPageBytes = 50_000

const pagesOf = (base64: string, bytes: number): number => {
  const start = Math.max(0, base64.length - partLength)
  const text =
    Buffer.from(base64.slice(0, partLength), "base64").toString("latin1") +
    (start < partLength ? "" : Buffer.from(base64.slice(start - (start % 4)), "base64").toString("latin1"))
  let pages = 0
  for (const [, count] of text.matchAll(/\/Count\s+(\d{1,6})/g)) pages = Math.max(pages, Number(count))
  if (pages === 0) pages = text.match(/\/Type\s*\/Page\b(?!s)/g)?.length ?? 0
  return pages > 0 ? pages : Math.max(1, Math.round(bytes / typicalPageBytes))
}
