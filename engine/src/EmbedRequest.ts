/**
 * A request for embeddings as people write it, and the canonical request that it becomes.
 *
 * It travels the same pipeline as any other request: cache, limits, retries, usage and cost. Without a model, the first
 * provider that has embeddings answers with its default one, and no other stands in for it: vectors of two models have
 * nothing to do with each other.
 */
import { Effect, Result, Schema } from "effect"
import { InvalidRequest } from "./Errors.ts"
import { describeIssue } from "./Issues.ts"
import { AIRequest, defaultTenant, priorityOf, type Request } from "./Request.ts"

const { cache, metadata, model, priority, provider, providerOptions, tenant, timeout } = AIRequest.fields

/** One text or several, none of them empty; times are milliseconds. */
export const AIEmbedRequest = Schema.Struct({
  input: Schema.Union([
    Schema.NonEmptyString,
    Schema.Array(Schema.NonEmptyString).check(Schema.isMinLength(1, { expected: "at least one text" }))
  ]),
  /** Length of the vectors, for models that can shorten them. */
  dimensions: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0))),
  model,
  provider,
  metadata,
  tenant,
  priority,
  timeout,
  cache,
  providerOptions
})
export interface AIEmbedRequest extends Schema.Schema.Type<typeof AIEmbedRequest> {}

const decode = Schema.decodeUnknownResult(AIEmbedRequest, { onExcessProperty: "error" })

/** Decodes what a caller handed in. Fails with `InvalidRequest`, which names the first field that is wrong. */
export const fromAIEmbedRequest = (input: unknown, id: string): Effect.Effect<Request, InvalidRequest> => {
  const decoded = decode(input)
  if (Result.isFailure(decoded)) return Effect.fail(new InvalidRequest(describeIssue(decoded.failure.issue)))
  const request = decoded.success
  return Effect.succeed({
    id,
    model: request.model,
    provider: request.provider,
    messages: [],
    temperature: undefined,
    topP: undefined,
    maxTokens: undefined,
    stop: undefined,
    seed: undefined,
    tools: undefined,
    toolChoice: undefined,
    responseFormat: undefined,
    reasoning: undefined,
    stream: false,
    metadata: request.metadata,
    tenant: request.tenant ?? defaultTenant,
    priority: priorityOf(request.priority),
    timeoutMs: request.timeout,
    cacheMode: request.cache?.mode ?? "default",
    cacheTtlMs: request.cache?.ttl,
    cacheNamespace: request.cache?.namespace,
    cacheSemantic: request.cache?.semantic,
    providerOptions: request.providerOptions,
    embed: {
      input: typeof request.input === "string" ? [request.input] : request.input,
      dimensions: request.dimensions
    },
    wire: undefined
  })
}
