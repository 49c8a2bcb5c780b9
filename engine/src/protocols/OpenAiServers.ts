/**
 * What OpenAI-compatible servers do differently from OpenAI, by the host of their base URL.
 *
 * Only what a request has to respect is here; what their answers do differently is read by `OpenAiChat` for all of
 * them. A host that is not in the table is taken for a server of the vLLM, llama.cpp and Ollama family, which read
 * `max_tokens` and `reasoning_content` and ignore what they don't know.
 */

import { Redacted } from "effect"
import type { Endpoint, HttpRequest } from "./Protocol.ts"

export interface OpenAiServer {
  /** Where an assistant turn carries its reasoning back; `none` where the server has no field for it. */
  readonly reasoning: "reasoning_content" | "reasoning" | "thinking-part" | "none"
  /** `by-model` is `max_completion_tokens` for the o and gpt-5 families and `max_tokens` for others. */
  readonly maxTokens: "max_completion_tokens" | "max_tokens" | "by-model"
  readonly seed: "seed" | "random_seed"
  /** Whether `stream_options.include_usage` is known; where it is not, usage comes anyway. */
  readonly streamOptions: boolean
  /** Whether `reasoning: { max_tokens }` is known. */
  readonly reasoningBudget: boolean
  /** Whether `top_k` is known. */
  readonly topK: boolean
  /** Whether a schema can be asked for strictly; where it is not known, that is left to the caller. */
  readonly strictSchemas: boolean
  /** Whether calls carry Gemini's thought signatures in `extra_content.google`. */
  readonly thoughtSignatures: boolean
  /** The path that a base URL without one means. */
  readonly root: string
  readonly keyHeader: "authorization" | "api-key"
  /** The field of an embeddings request for the length of the vectors. */
  readonly dimensions: "dimensions" | "output_dimension"
  /** Bytes of embeddings: single-precision floats that are asked for in base64 or come unasked, or 8-bit integers. */
  readonly vectors: "float32" | "float32-asked" | "int8"
}

const compatible: OpenAiServer = {
  reasoning: "reasoning_content",
  maxTokens: "by-model",
  seed: "seed",
  streamOptions: true,
  reasoningBudget: false,
  topK: true,
  strictSchemas: false,
  thoughtSignatures: false,
  root: "/v1",
  keyHeader: "authorization",
  dimensions: "dimensions",
  vectors: "float32"
}

const router: OpenAiServer = { ...compatible, reasoning: "reasoning", reasoningBudget: true }

/** Knows what OpenAI knows and nothing else. */
const plain: OpenAiServer = { ...compatible, reasoning: "none", topK: false, strictSchemas: true }

const azure: OpenAiServer = { ...plain, keyHeader: "api-key" }

const google: OpenAiServer = {
  ...compatible,
  reasoning: "none",
  topK: false,
  thoughtSignatures: true,
  root: "/v1beta/openai"
}

/** By the end of the host name. Sources: the API references of the servers. */
const servers: ReadonlyArray<readonly [host: string, server: OpenAiServer]> = [
  ["api.openai.com", { ...plain, maxTokens: "max_completion_tokens", vectors: "float32-asked" }],
  [".openai.azure.com", { ...azure, root: "/openai/v1" }],
  [".services.ai.azure.com", { ...azure, root: "/openai/v1" }],
  [".azure.com", azure],
  ["openrouter.ai", { ...router, root: "/api/v1", strictSchemas: true }],
  ["ai-gateway.vercel.sh", router],
  ["generativelanguage.googleapis.com", google],
  ["aiplatform.googleapis.com", google],
  ["-aiplatform.googleapis.com", google],
  ["api.x.ai", { ...compatible, topK: false, strictSchemas: true }],
  ["api.groq.com", { ...compatible, reasoning: "reasoning", topK: false, root: "/openai/v1" }],
  ["api.cerebras.ai", { ...compatible, reasoning: "reasoning", topK: false, strictSchemas: true }],
  [
    ".mistral.ai",
    {
      ...compatible,
      reasoning: "thinking-part",
      maxTokens: "max_tokens",
      seed: "random_seed",
      streamOptions: false,
      topK: false,
      strictSchemas: true,
      dimensions: "output_dimension"
    }
  ],
  ["api.voyageai.com", { ...compatible, dimensions: "output_dimension" }],
  ["api.perplexity.ai", { ...compatible, reasoning: "none", root: "", vectors: "int8" }],
  ["api.githubcopilot.com", { ...compatible, root: "" }]
]

/** The server behind a base URL. */
export const serverOf = (baseUrl: string): OpenAiServer => {
  const host = hostOf(baseUrl)
  for (const [end, server] of servers) {
    if (host.endsWith(end) && (/^[.-]/.test(end) || host.length === end.length || host.at(-end.length - 1) === ".")) {
      return server
    }
  }
  return compatible
}

export const headersOf = (endpoint: Endpoint, server: OpenAiServer, stream: boolean): HttpRequest["headers"] => {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: stream ? "text/event-stream" : "application/json"
  }
  if (endpoint.apiKey === undefined) return headers
  const key = Redacted.value(endpoint.apiKey)
  headers[server.keyHeader] = server.keyHeader === "authorization" ? `Bearer ${key}` : key
  return headers
}

/** Whether the server reads the limit of completion tokens from `max_completion_tokens`. */
export const readsMaxCompletionTokens = (server: OpenAiServer, model: string): boolean =>
  server.maxTokens === "by-model" ? reasoningFamily.test(model) : server.maxTokens === "max_completion_tokens"

/** Whether OpenAI gives the model's reasoning out in encrypted form; models without reasoning refuse to be asked. */
export const encryptsReasoning = (model: string): boolean => reasoningFamily.test(model) && !model.includes("-chat")

/** o1, o3-mini, gpt-5.4, openai/gpt-5 …, but not gpt-4o or gpt-oss: those reject `max_tokens`. */
const reasoningFamily = /(?:^|[/.:])(?:o[1-9](?:$|[-:@])|gpt-(?:[5-9]|\d\d)(?:$|[-.:@]))/

const hostOf = (baseUrl: string): string => {
  const match = /^[a-z]+:\/\/(?:[^/?#@]*@)?([^/?#:]+)/i.exec(baseUrl)
  return match?.[1]?.toLowerCase() ?? ""
}
