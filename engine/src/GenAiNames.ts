/**
 * The names of OpenTelemetry's GenAI semantic conventions, in the two versions that spans can be written in.
 *
 * `v1.41` is the last version of the general conventions that has them, and the default; `latest` is 0.1 of the conventions
 * that have moved to a repository of their own, chosen by `OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental`. The
 * names are written out here, as the conventions ask of libraries: the package of all names takes longer to load than the
 * engine's own code for spans. What both call the same is written once.
 */

/** Which version the names of attributes are from. */
export type Conventions = "v1.41" | "latest"

/** The version that an environment asks for. */
export const conventionsOf = (env: { readonly [name: string]: string | undefined }): Conventions => {
  const values = (env["OTEL_SEMCONV_STABILITY_OPT_IN"] ?? "").split(",").map((value) => value.trim())
  return values.includes("gen_ai_latest_experimental") ? "latest" : "v1.41"
}

const shared = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  requestStream: "gen_ai.request.stream",
  requestMaxTokens: "gen_ai.request.max_tokens",
  requestTemperature: "gen_ai.request.temperature",
  requestTopP: "gen_ai.request.top_p",
  requestTopK: "gen_ai.request.top_k",
  requestSeed: "gen_ai.request.seed",
  requestPresencePenalty: "gen_ai.request.presence_penalty",
  requestFrequencyPenalty: "gen_ai.request.frequency_penalty",
  outputType: "gen_ai.output.type",
  embeddingDimensions: "gen_ai.embeddings.dimension.count",
  responseId: "gen_ai.response.id",
  responseModel: "gen_ai.response.model",
  finishReasons: "gen_ai.response.finish_reasons",
  timeToFirstChunk: "gen_ai.response.time_to_first_chunk",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cacheReadTokens: "gen_ai.usage.cache_read.input_tokens",
  reasoningTokens: "gen_ai.usage.reasoning.output_tokens",
  inputMessages: "gen_ai.input.messages",
  outputMessages: "gen_ai.output.messages",
  errorType: "error.type",
  serverAddress: "server.address",
  serverPort: "server.port",
  upstreamStatus: "http.response.status_code"
} as const

/** Names of attributes; undefined where a version has none. */
export interface Names extends Readonly<Record<keyof typeof shared, string>> {
  readonly cacheWriteTokens: string
  readonly requestReasoning: string | undefined
}

export const names: { readonly [C in Conventions]: Names } = {
  "v1.41": { ...shared, cacheWriteTokens: "gen_ai.usage.cache_creation.input_tokens", requestReasoning: undefined },
  latest: {
    ...shared,
    cacheWriteTokens: "gen_ai.usage.cache_write.input_tokens",
    requestReasoning: "gen_ai.request.reasoning.level"
  }
}

const kinds: { readonly [kind: string]: string } = { openai: "openai", anthropic: "anthropic" }

/** Hosts whose owners have a name in the conventions, for servers of kind `openai-compatible` and other base URLs. */
const hosts: ReadonlyArray<readonly [host: RegExp, name: string]> = [
  [/(^|\.)openai\.azure\.com$/, "azure.ai.openai"],
  [/(^|\.)services\.ai\.azure\.com$/, "azure.ai.inference"],
  [/(^|\.)aiplatform\.googleapis\.com$|-aiplatform\.googleapis\.com$/, "gcp.vertex_ai"],
  [/^generativelanguage\.googleapis\.com$/, "gcp.gemini"],
  [/^bedrock(-runtime)?\..*\.amazonaws\.com$/, "aws.bedrock"],
  [/(^|\.)openai\.com$/, "openai"],
  [/(^|\.)anthropic\.com$/, "anthropic"],
  [/(^|\.)groq\.com$/, "groq"],
  [/(^|\.)deepseek\.com$/, "deepseek"],
  [/(^|\.)mistral\.ai$/, "mistral_ai"],
  [/(^|\.)perplexity\.ai$/, "perplexity"],
  [/(^|\.)cohere\.(ai|com)$/, "cohere"],
  [/(^|\.)x\.ai$/, "x_ai"]
]

/** What the conventions call a provider: by its host, else by its kind, else the name that the configuration gives it. */
export const providerNameOf = (provider: {
  readonly name: string
  readonly kind: string
  readonly baseUrl: string | undefined
}): string => {
  const host = provider.baseUrl === undefined ? undefined : URL.parse(provider.baseUrl)?.hostname
  const known = host === undefined ? undefined : hosts.find(([pattern]) => pattern.test(host))?.[1]
  if (known !== undefined) return known
  return provider.kind === "google" ? "gcp.gemini" : (kinds[provider.kind] ?? provider.name)
}
