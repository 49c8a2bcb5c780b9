/**
 * Errors for paths that no dialect serves, in the shape of the dialect that asks.
 */
import type { ServerResponse } from "node:http"
import type { EngineError } from "../Errors.ts"
import { anthropicError } from "./AnthropicErrors.ts"
import { googleError } from "./GoogleErrors.ts"
import { openAiError } from "./OpenAiErrors.ts"
import { writeError } from "./Respond.ts"
import type { Shape } from "./Routes.ts"

export const writeShapeError = (response: ServerResponse, shape: Shape, error: EngineError, requestId: string): void =>
  writeError(response, { encodeError: () => shapeError(shape, error) }, error, requestId, undefined)

export const shapeError = (shape: Shape, error: EngineError): string => {
  if (shape === "anthropic") return anthropicError(error, undefined)
  return JSON.stringify({ error: shape === "gemini" ? googleError(error) : openAiError(error) })
}
