/**
 * What the exact cache takes part in: which requests, which answers, and which failures a stale answer may hide.
 */
import { Cause } from "effect"
import type { CacheOptions } from "./CacheOptions.ts"
import type { EngineError } from "./Errors.ts"
import type * as Reply from "./Reply.ts"
import type { Request } from "./Request.ts"

/** Faults of a provider or of the engine itself; a caller's, and our own limits, are told as they are. */
export const isOutage = (cause: Cause.Cause<EngineError>): boolean => {
  if (Cause.hasInterruptsOnly(cause)) return false
  const error = cause.reasons.find(Cause.isFailReason)?.error
  return error === undefined ? Cause.hasDies(cause) : error.fault === "provider" || error.fault === "engine"
}

/** Several choices are not collected from a stream, so they are not shared between streamed and whole calls. */
export const applies = (options: CacheOptions, request: Request): boolean => {
  if (!options.enabled || request.cacheMode === "bypass") return false
  if (request.embed !== undefined) return true
  if (options.maxTemperature !== undefined && (request.temperature ?? 1) > options.maxTemperature) return false
  const body = request.wire?.body
  if (body === undefined) return true
  return (body["n"] ?? 1) === 1 && stateful.every((field) => (body[field] ?? undefined) === undefined)
}

/** Fields by which a provider adds the answer to something that it keeps; an answer of ours would be missing there. */
const stateful = ["conversation", "thread"]

export const storable = ({ finishReason }: Reply.Completion): boolean =>
  finishReason === "stop" || finishReason === "tool-calls"
