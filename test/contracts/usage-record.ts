/**
 * Usage records for tests.
 */
import type { UsageRecord } from "../../engine/src/UsageRecord.ts"

/** 2026-11-22T10:00:00Z. */
export const noonMs = Date.UTC(2026, 10, 22, 10)

/** A successful request of 100 + 20 + 3 prompt tokens and 40 completion tokens for one cent, 250 ms long. */
export const recordOf = (fields: Partial<UsageRecord> = {}): UsageRecord => ({
  id: "req_1",
  timeMs: noonMs,
  tenant: "default",
  keyId: null,
  modelRequested: "fast",
  model: "gpt-5.4-mini",
  provider: "openai",
  status: "success",
  fault: null,
  errorKind: null,
  cache: "miss",
  uncachedInput: 100,
  cacheReadInput: 20,
  cacheWriteInput: 3,
  output: 40,
  reasoning: 10,
  estimated: false,
  costUsd: 0.01,
  priceTable: "table 1",
  unpricedReason: null,
  savedUsd: null,
  savedTokens: 0,
  latencyMs: 250,
  ttftMs: 50,
  queueMs: 5,
  cacheAgeMs: null,
  cacheSimilarity: null,
  overheadMs: 0.25,
  stream: false,
  metadata: null,
  content: null,
  inputUsd: null,
  cacheReadUsd: null,
  cacheWriteUsd: null,
  outputUsd: null,
  reasoningUsd: null,
  providerCacheSavedUsd: null,
  usageDetail: null,
  errorDetail: null,
  fingerprint: null,
  attempts: [],
  ...fields
})
