/**
 * A whole answer read as the parts that a stream of it would have: one JSON object, or the error that it is instead.
 *
 * What the object says is read by each protocol; what is no JSON object is the same failure for all of them. Pure.
 */
import { Result } from "effect"
import type { EngineError } from "../Errors.ts"
import { Collector, type Completion, type Dialect, type Part } from "../Reply.ts"
import { isObject, type JsonObject, parseJson } from "./Json.ts"
import type { Endpoint, WholeOptions } from "./Protocol.ts"
import * as UpstreamErrors from "./UpstreamErrors.ts"

/** Appends the parts of an answer, from `start` to `finish`; returns the error that it is, if it is one. */
export type ReadAnswer = (answer: JsonObject, out: Array<Part>) => EngineError | undefined

export const decodeAnswer = (
  dialect: Dialect,
  body: string,
  endpoint: Endpoint,
  options: WholeOptions | undefined,
  read: ReadAnswer
): Result.Result<Completion, EngineError> => {
  const answer = parseJson(body)
  const listed: unknown = Array.isArray(answer) ? answer[0] : undefined
  if (isObject(listed) && UpstreamErrors.isFailure(listed)) {
    return Result.fail(UpstreamErrors.fromPayload(listed, endpoint, 200))
  }
  if (!isObject(answer)) {
    return Result.fail(UpstreamErrors.invalidResponse(endpoint, UpstreamErrors.describeNonJson(body), 200))
  }
  const parts: Array<Part> = []
  const error = read(answer, parts)
  return error === undefined
    ? Result.succeed(collected(parts, options?.wire === true ? { dialect, body } : undefined))
    : Result.fail(error)
}

/** The completion of these parts, with the body they came in where it is to be kept. */
export const collected = (parts: ReadonlyArray<Part>, wire: Completion["wire"]): Completion => {
  const collector = new Collector()
  for (const part of parts) collector.add(part)
  const completion = collector.completion()
  return wire === undefined ? completion : { ...completion, wire }
}
