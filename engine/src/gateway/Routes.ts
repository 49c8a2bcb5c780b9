/**
 * Which dialect a path speaks, and in whose shape a path without one is answered.
 *
 * Gemini's paths name model and method: `/v1beta/models/{model}:generateContent`, under `/v1` too, where a slash is part of
 * the model; `models/` may be missing, since SDKs leave it out when the model has a slash. Pure; it reads no body.
 */
import type { IncomingHttpHeaders } from "node:http"
import { isObject } from "../protocols/Json.ts"
import { chatDialect } from "./ChatAnswer.ts"
import type { InboundDialect } from "./Dialect.ts"
import { embeddingsDialect, geminiEmbedDialect } from "./Embeddings.ts"
import { geminiDialect } from "./GeminiAnswer.ts"
import { statusWord } from "./GoogleErrors.ts"
import { messagesDialect } from "./MessagesAnswer.ts"
import type { ResponseMemory } from "./ResponseMemory.ts"
import { responsesDialect } from "./ResponsesAnswer.ts"

/** An inference route: a dialect, and whether it wants an answer or a count of tokens. */
export interface Inbound {
  readonly dialect: InboundDialect
  readonly verb: "answer" | "count"
}

const answer = (dialect: InboundDialect): Inbound => ({ dialect, verb: "answer" })

/** The inference route of a path; `query` is what comes after the question mark. */
export type InboundAt = (path: string, query: string) => Inbound | undefined

export const inboundRoutes = (memory: ResponseMemory): InboundAt => {
  const fixed: { readonly [path: string]: Inbound } = {
    "/v1/chat/completions": answer(chatDialect),
    "/v1/responses": answer(responsesDialect(memory)),
    "/v1/messages": answer(messagesDialect),
    "/v1/messages/count_tokens": { dialect: messagesDialect, verb: "count" },
    "/v1/embeddings": answer(embeddingsDialect)
  }
  return (path, query) => {
    if (Object.hasOwn(fixed, path)) return fixed[path]
    const found = /^\/(?:v1|v1beta)\/(?:models\/)?(.+):([A-Za-z]+)$/.exec(path)
    return found === null ? undefined : geminiAt(decoded(found[1]!), found[2]!, query)
  }
}

const geminiAt = (model: string | undefined, method: string, query: string): Inbound | undefined => {
  if (model === undefined) return undefined
  switch (method) {
    case "generateContent":
      return answer(geminiDialect({ model, stream: false, sse: false }))
    case "streamGenerateContent":
      return answer(geminiDialect({ model, stream: true, sse: /(?:^|&)(?:alt|%24alt|\$alt)=sse(?:&|$)/.test(query) }))
    case "countTokens":
      return { dialect: counted(geminiDialect({ model, stream: false, sse: false })), verb: "count" }
    case "embedContent":
    case "batchEmbedContents":
      return answer(geminiEmbedDialect(model, method === "batchEmbedContents"))
    default:
      return undefined
  }
}

/** A count may be asked for with a whole request inside. */
const counted = (dialect: InboundDialect): InboundDialect => ({
  ...dialect,
  decode: (body, tenant) => {
    const inner = body["generateContentRequest"] ?? body["generate_content_request"]
    return dialect.decode(isObject(inner) ? inner : body, tenant)
  }
})

/** Whose shape a request is answered in that no dialect serves. */
export type Shape = "openai" | "anthropic" | "gemini"

export const shapeOf = (path: string, headers: IncomingHttpHeaders): Shape => {
  if (path === "/v1beta" || path.startsWith("/v1beta/") || headers["x-goog-api-key"] !== undefined) return "gemini"
  return headers["anthropic-version"] !== undefined || path.startsWith("/v1/messages") ? "anthropic" : "openai"
}

/** The body of an error about a path or a method. */
export const pathError = (shape: Shape, status: 404 | 405, message: string, code: string): string => {
  switch (shape) {
    case "anthropic": {
      const type = status === 404 ? "not_found_error" : "invalid_request_error"
      return JSON.stringify({ type: "error", error: { type, message } })
    }
    case "gemini":
      return JSON.stringify({ error: { code: status, message, status: statusWord(status) } })
    case "openai":
      return JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } })
  }
}

/** Percent-decoded text; undefined for what is none. */
export const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
