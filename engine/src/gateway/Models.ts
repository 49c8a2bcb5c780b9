/**
 * `GET /v1/models` and `GET /v1/models/{id}`: what can be asked for, in the shape of the dialect that asks.
 *
 * A request with an `anthropic-version` header gets Anthropic's list, every other OpenAI's. Ids are `provider/model` and
 * aliases.
 */
import type { IncomingHttpHeaders, ServerResponse } from "node:http"
import { ModelNotFound } from "../Errors.ts"
import { openAiError } from "./OpenAiErrors.ts"
import { writeJson } from "./Respond.ts"

export const listModels = (ids: ReadonlyArray<string>, headers: IncomingHttpHeaders, createdAtMs: number): string => {
  const data = ids.map((id) => modelOf(id, headers, createdAtMs))
  return JSON.stringify(
    isAnthropic(headers)
      ? { data, has_more: false, first_id: ids[0] ?? null, last_id: ids[ids.length - 1] ?? null }
      : { object: "list", data }
  )
}

export const findModel = (
  ids: ReadonlyArray<string>,
  encodedId: string,
  headers: IncomingHttpHeaders,
  createdAtMs: number,
  response: ServerResponse
): void => {
  const id = decoded(encodedId)
  if (id === undefined || !ids.includes(id)) {
    const error = new ModelNotFound({ model: (id ?? encodedId).slice(0, 256) })
    const body = isAnthropic(headers)
      ? { type: "error", error: { type: "not_found_error", message: error.message } }
      : { error: openAiError(error) }
    return writeJson(response, error.status, JSON.stringify(body), { "x-millrace-fault": error.fault })
  }
  writeJson(response, 200, JSON.stringify(modelOf(id, headers, createdAtMs)))
}

const isAnthropic = (headers: IncomingHttpHeaders): boolean => headers["anthropic-version"] !== undefined

const modelOf = (id: string, headers: IncomingHttpHeaders, createdAtMs: number) =>
  isAnthropic(headers)
    ? { type: "model", id, display_name: id, created_at: new Date(createdAtMs).toISOString() }
    : { id, object: "model", created: Math.floor(createdAtMs / 1000), owned_by: ownerOf(id) }

const ownerOf = (id: string): string => {
  const slash = id.indexOf("/")
  return slash > 0 ? id.slice(0, slash) : "millrace"
}

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
