/**
 * Requests for tests, as the doors would have decoded them.
 */
import type { Request } from "../../engine/src/Request.ts"

/** A request of one user message, with whatever fields a test needs. */
export const makeRequest = (fields: Partial<Request> = {}): Request => ({
  id: "req_1",
  model: undefined,
  provider: undefined,
  messages: [{ role: "user", content: "hello" }],
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
  metadata: undefined,
  tenant: "default",
  priority: 3,
  timeoutMs: undefined,
  cacheMode: "default",
  cacheTtlMs: undefined,
  cacheNamespace: undefined,
  cacheSemantic: undefined,
  providerOptions: undefined,
  embed: undefined,
  wire: undefined,
  ...fields
})
