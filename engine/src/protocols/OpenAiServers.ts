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
  /** Whether a base URL without a path means `/v1`. */
  readonly versioned: boolean
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
  versioned: true,
  keyHeader: "authorization",
  dimensions: "dimensions",
  vectors: "float32"
}

const router: OpenAiServer = { ...compatible, reasoning: "reasoning", reasoningBudget: true }

/** By the end of the host name. Sources: the API references of the servers. */
const servers: ReadonlyArray<readonly [host: string, server: OpenAiServer]> = [
  [
    "api.openai.com",
    { ...compatible, reasoning: "none", maxTokens: "max_completion_tokens", vectors: "float32-asked" }
  ],
  [".azure.com", { ...compatible, reasoning: "none", keyHeader: "api-key" }],
  ["openrouter.ai", router],
  ["ai-gateway.vercel.sh", router],
  ["api.groq.com", { ...compatible, reasoning: "reasoning" }],
  ["api.cerebras.ai", { ...compatible, reasoning: "reasoning" }],
  [
    ".mistral.ai",
    {
      ...compatible,
      reasoning: "thinking-part",
      maxTokens: "max_tokens",
      seed: "random_seed",
      streamOptions: false,
      dimensions: "output_dimension"
    }
  ],
  ["api.voyageai.com", { ...compatible, dimensions: "output_dimension" }],
  ["api.perplexity.ai", { ...compatible, reasoning: "none", versioned: false, vectors: "int8" }],
  ["api.githubcopilot.com", { ...compatible, versioned: false }]
]

/** The server behind a base URL. */
export const serverOf = (baseUrl: string): OpenAiServer => {
  const host = hostOf(baseUrl)
  for (const [end, server] of servers) {
    if (host.endsWith(end) && (end.startsWith(".") || host.length === end.length || host.at(-end.length - 1) === ".")) {
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
