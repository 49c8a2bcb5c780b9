/** A request that was recorded, as a call of the playground. */
import type { RequestDetail } from "millrace/admin-api"
import { draftOf, firstDraft, turn, type Draft } from "./draft.ts"

export interface Replayed {
  readonly draft: Draft
  /** What was asked for; null for the default. */
  readonly model: string | null
}

/** The cache is bypassed: whoever sends a request again wants to see what happens. */
export const replayed = ({ content, model, modelRequested, provider, stream }: RequestDetail): Replayed => {
  const base: Draft = { ...firstDraft, cache: "bypass", stream }
  const body = content?.request
  const asked = modelRequested ?? (provider === null || model === null ? null : `${provider}/${model}`)
  if (body !== undefined && body !== null) return { draft: draftOf(body, base), model: asked }
  return { draft: { ...base, turns: [turn(1, "user", content?.prompt ?? "")] }, model: asked }
}
