/**
 * What the id of a model says by itself: whose family it is of and in which encoding OpenAI counts it.
 *
 * Ids come with dates, prefixes and the names of fine-tunes; all of them are understood. Nothing is looked up in the
 * large tables, so it works before they are loaded and for models that no table knows.
 */
import * as encodings from "gpt-tokenizer/modelsMap"

/** Encodings of OpenAI's models, as tiktoken names them. */
export type Encoding = "o200k_base" | "o200k_harmony" | "cl100k_base" | "p50k_base" | "p50k_edit" | "r50k_base" | "gpt2"

/** Families of models whose prompts are framed and cut into tokens alike. */
export type Family = "openai" | "openai-reasoning" | "claude" | "gemini" | "other"

/** `ft:gpt-4o-mini-2024-07-18:acme::id` and `openai/gpt-4o` as the model of OpenAI's that they name. */
export const baseModelOf = (model: string): string => {
  const id = model.toLowerCase().replace(/^openai\//, "")
  return id.startsWith("ft:") ? id.slice(3).split(":")[0]! : id
}

const encodingByModel = new Map<string, Encoding>(
  Object.entries(encodings).flatMap(([encoding, models]) =>
    Array.isArray(models) ? models.map((model: string) => [model, encoding as Encoding] as const) : []
  )
)

/** The prefixes of `tiktoken/model.py` (`MODEL_PREFIX_TO_ENCODING`); newer models count in o200k_base. */
export const encodingOf = (model: string): Encoding | undefined => {
  const id = baseModelOf(model)
  const listed = encodingByModel.get(id)
  if (listed !== undefined) return listed
  if (id.startsWith("gpt-oss-")) return "o200k_harmony"
  if (/^gpt-(4|3\.5|35)(-|$)/.test(id)) return "cl100k_base"
  if (/^(gpt-(\d|audio|realtime|chat)|o\d|chat(gpt)?-|codex-|computer-use-)/.test(id)) return "o200k_base"
  return id.startsWith("text-embedding-") ? "cl100k_base" : undefined
}

export const familyOf = (kind: string, model: string, encoding: Encoding | undefined): Family => {
  const id = baseModelOf(model)
  if (encoding !== undefined && encoding !== "o200k_harmony") {
    return /^(o\d|gpt-(?!35)([5-9]|\d\d)|codex-)/.test(id) && !/chat/.test(id) ? "openai-reasoning" : "openai"
  }
  if (id.includes("claude")) return "claude"
  if (id.includes("gemini")) return "gemini"
  return kind === "anthropic" ? "claude" : kind === "google" ? "gemini" : "other"
}
