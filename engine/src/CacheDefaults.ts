/**
 * Defaults that a request may write out without changing its answer, so that the cache knows it as the same request.
 *
 * A field counts as left out only where the documentation of the API says that it has this very default; where a default
 * depends on the model or the server (temperature at Gemini and at OpenAI-compatible servers, top_p at Anthropic), what
 * is written out stays apart. `null` is absent in every dialect, as their references say or their servers refuse it.
 * Sources: the references of OpenAI's Chat Completions and Responses, Anthropic's Messages, and the Gemini API.
 */
import type { Target } from "./Call.ts"
import type { Dialect } from "./Reply.ts"

/** The kind of a provider by its name (`ProviderInfo.kind`); undefined when it is not known. */
export type KindOf = (provider: string) => string | undefined

export const unknownKind: KindOf = () => undefined

/** Which defaults all candidates of a request share. */
export interface Defaults {
  /** Temperature is 1. */
  readonly temperature: boolean
  /** Top p is 1. */
  readonly topP: boolean
  /** Presence and frequency penalties are 0. */
  readonly penalties: boolean
  /** Several tool calls at once are allowed. */
  readonly parallelToolCalls: boolean
}

const unknown: Defaults = { temperature: false, topP: false, penalties: false, parallelToolCalls: false }

const byKind: ReadonlyMap<string | undefined, Defaults> = new Map([
  ["openai", { temperature: true, topP: true, penalties: true, parallelToolCalls: true }],
  ["anthropic", { temperature: true, topP: false, penalties: false, parallelToolCalls: true }]
])

export const defaultsOf = (candidates: ReadonlyArray<Target>, kindOf: KindOf): Defaults => {
  const first = candidates.length === 0 ? unknown : (byKind.get(kindOf(candidates[0]!.provider)) ?? unknown)
  if (candidates.length < 2 || first === unknown) return first
  return candidates.reduce((shared, { provider }) => {
    const own = byKind.get(kindOf(provider)) ?? unknown
    return {
      temperature: shared.temperature && own.temperature,
      topP: shared.topP && own.topP,
      penalties: shared.penalties && own.penalties,
      parallelToolCalls: shared.parallelToolCalls && own.parallelToolCalls
    }
  }, first)
}

type Body = { readonly [field: string]: unknown }
type IsDefault = (value: unknown, body: Body, defaults: Defaults) => boolean

const is =
  (standard: unknown): IsDefault =>
  (value) =>
    value === standard

const emptyList: IsDefault = (value) => Array.isArray(value) && value.length === 0

const emptyObject: IsDefault = (value) => isObject(value) && Object.keys(value).length === 0

/** An object whose only field is `type` with this value. */
const onlyType =
  (type: string): IsDefault =>
  (value) =>
    isObject(value) && value["type"] === type && Object.keys(value).length === 1

const isObject = (value: unknown): value is Body => typeof value === "object" && value !== null && !Array.isArray(value)

/** Without tools a choice is an error at some providers, and an error is no default. */
const withTools =
  (rule: IsDefault): IsDefault =>
  (value, body, defaults) =>
    Array.isArray(body["tools"]) && body["tools"].length > 0 && rule(value, body, defaults)

const temperature: IsDefault = (value, _, defaults) => value === 1 && defaults.temperature
const topP: IsDefault = (value, _, defaults) => value === 1 && defaults.topP
const parallelToolCalls = withTools((value, _, defaults) => value === true && defaults.parallelToolCalls)

const chat: ReadonlyMap<string, IsDefault> = new Map<string, IsDefault>([
  ["temperature", temperature],
  ["top_p", topP],
  ["n", is(1)],
  ["presence_penalty", is(0)],
  ["frequency_penalty", is(0)],
  ["logit_bias", emptyObject],
  ["logprobs", is(false)],
  ["stop", emptyList],
  ["tools", emptyList],
  ["tool_choice", withTools(is("auto"))],
  ["parallel_tool_calls", parallelToolCalls],
  ["response_format", onlyType("text")],
  ["modalities", (value) => Array.isArray(value) && value.length === 1 && value[0] === "text"],
  ["service_tier", is("auto")]
])

const responses: ReadonlyMap<string, IsDefault> = new Map<string, IsDefault>([
  ["temperature", temperature],
  ["top_p", topP],
  ["tools", emptyList],
  ["include", emptyList],
  ["tool_choice", withTools(is("auto"))],
  ["parallel_tool_calls", parallelToolCalls],
  ["truncation", is("disabled")],
  ["background", is(false)],
  ["text", (value, body, defaults) => isObject(value) && onlyFormat(value, body, defaults)],
  ["service_tier", is("auto")]
])

const onlyFormat = (value: Body, body: Body, defaults: Defaults): boolean => {
  const fields = Object.keys(value)
  return fields.length === 0 || (fields.length === 1 && onlyType("text")(value["format"], body, defaults))
}

const messages: ReadonlyMap<string, IsDefault> = new Map<string, IsDefault>([
  ["temperature", temperature],
  ["stop_sequences", emptyList],
  ["tools", emptyList],
  ["tool_choice", withTools(onlyType("auto"))],
  ["thinking", onlyType("disabled")],
  ["service_tier", is("auto")]
])

const gemini: ReadonlyMap<string, IsDefault> = new Map<string, IsDefault>([
  ["tools", emptyList],
  ["safetySettings", emptyList],
  ["toolConfig", emptyObject]
])

const byDialect: { readonly [K in Dialect]?: ReadonlyMap<string, IsDefault> } = {
  "openai-chat": chat,
  "openai-responses": responses,
  "anthropic-messages": messages,
  gemini
}

/** Whether a field of a body may be left out without changing the answer. */
export const isDefault = (dialect: Dialect, field: string, value: unknown, body: Body, defaults: Defaults): boolean =>
  value === null || value === undefined || byDialect[dialect]?.get(field)?.(value, body, defaults) === true

/** The value without the defaults inside it; undefined when nothing is left. */
export const withoutDefaults = (dialect: Dialect, field: string, value: unknown): unknown => {
  if (dialect !== "gemini" || field !== "generationConfig" || !isObject(value)) return value
  const kept = Object.entries(value).filter(
    ([name, inner]) => inner !== null && inner !== undefined && !(name === "candidateCount" && inner === 1)
  )
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}
