/**
 * `GET /v1/models` and `GET /v1/models/{id}`, also under `/v1beta`: what can be asked for, in the shape of the dialect that
 * asks.
 *
 * A request with an `anthropic-version` header gets Anthropic's list, one under `/v1beta` or with `x-goog-api-key`
 * Google's, every other OpenAI's. Ids are `provider/model` and aliases.
 */
import type { ServerResponse } from "node:http"
import { ModelNotFound } from "../Errors.ts"
import { writeJson } from "./Respond.ts"
import { decoded, type Shape } from "./Routes.ts"
import { shapeError } from "./ShapeErrors.ts"

export const listModels = (ids: ReadonlyArray<string>, shape: Shape, createdAtMs: number): string => {
  const data = ids.map((id) => modelOf(id, shape, createdAtMs))
  switch (shape) {
    case "anthropic":
      return JSON.stringify({ data, has_more: false, first_id: ids[0] ?? null, last_id: ids[ids.length - 1] ?? null })
    case "gemini":
      return JSON.stringify({ models: data })
    case "openai":
      return JSON.stringify({ object: "list", data })
  }
}

export const findModel = (
  ids: ReadonlyArray<string>,
  encodedId: string,
  shape: Shape,
  createdAtMs: number,
  response: ServerResponse
): void => {
  const id = decoded(encodedId)
  if (id !== undefined && ids.includes(id)) {
    return writeJson(response, 200, JSON.stringify(modelOf(id, shape, createdAtMs)))
  }
  const error = new ModelNotFound({ model: (id ?? encodedId).slice(0, 256) })
  writeJson(response, error.status, shapeError(shape, error), { "x-millrace-fault": error.fault })
}

const modelOf = (id: string, shape: Shape, createdAtMs: number) => {
  switch (shape) {
    case "anthropic":
      return { type: "model", id, display_name: id, created_at: new Date(createdAtMs).toISOString() }
    case "gemini":
      return { name: `models/${id}`, displayName: id, version: "", supportedGenerationMethods: methods }
    case "openai":
      return { id, object: "model", created: Math.floor(createdAtMs / 1000), owned_by: ownerOf(id) }
  }
}

const methods = ["generateContent", "countTokens", "embedContent"]

const ownerOf = (id: string): string => {
  const slash = id.indexOf("/")
  return slash > 0 ? id.slice(0, slash) : "millrace"
}
