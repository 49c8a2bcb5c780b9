/**
 * Which requests may share an answer at all: those that differ in nothing but the text of the last user turn (law 8).
 *
 * The partition is the exact cache's own identity of a request with a hole where that text is, so whatever makes two
 * requests different there (tenant, candidates, system prompt, tools, format, sampling, earlier turns, unknown fields of a
 * body) keeps them apart here too. A request whose last turn is anything but one text of a user has none. Pure.
 */
import type { KindOf } from "./CacheDefaults.ts"
import { cacheKey } from "./CacheKey.ts"
import type { Target } from "./Call.ts"
import type { Dialect } from "./Reply.ts"
import type { Message, Request } from "./Request.ts"

/** The one text in which requests of a partition differ. */
export interface Asked {
  /** Equal for requests that may share answers. */
  readonly partition: string
  readonly text: string
}

/** The partition of a request; undefined when its last turn is not one text of a user. */
export const askedOf = (request: Request, candidates: ReadonlyArray<Target>, kindOf?: KindOf): Asked | undefined => {
  const last = request.messages.at(-1)
  if (request.embed !== undefined || last?.role !== "user") return undefined
  const text = onlyTextOf(last)
  if (text === undefined) return undefined
  const { wire } = request
  if (wire === undefined) {
    const messages = [...request.messages.slice(0, -1), { ...last, content: hole as unknown as string }]
    return { partition: cacheKey({ ...request, messages }, candidates, kindOf), text }
  }
  const field = turns[wire.dialect]
  const turn = withHole(wire.body[field], text)
  if (turn === undefined) return undefined
  const body = { ...wire.body, [field]: turn }
  return { partition: cacheKey({ ...request, wire: { ...wire, body } }, candidates, kindOf), text }
}

/** No JSON value is canonically the same as a symbol, so no text can pretend to be the hole. */
const hole = Symbol("the last user turn")

/** Where the turns of a conversation are in a body. */
const turns: { readonly [dialect in Dialect]: string } = {
  "openai-chat": "messages",
  "openai-responses": "input",
  "openai-completions": "prompt",
  "anthropic-messages": "messages",
  gemini: "contents"
}

const onlyTextOf = ({ content }: Message): string | undefined => {
  if (typeof content === "string") return content
  const [part] = content
  return content.length === 1 && part!.type === "text" ? part!.text : undefined
}

/** Turns with the hole in the place of the text, which must stand in the last one exactly once. */
const withHole = (value: unknown, text: string): unknown => {
  if (typeof value === "string") return value === text ? hole : undefined
  if (!Array.isArray(value) || value.length === 0) return undefined
  const found = { count: 0 }
  const last = replaced(value.at(-1), text, found)
  return found.count === 1 ? [...(value.slice(0, -1) as ReadonlyArray<unknown>), last] : undefined
}

const replaced = (value: unknown, text: string, found: { count: number }): unknown => {
  if (value === text) {
    found.count++
    return hole
  }
  if (Array.isArray(value)) return value.map((item) => replaced(item, text, found))
  if (typeof value !== "object" || value === null) return value
  const out = Object.create(null) as Record<string, unknown>
  for (const [key, inner] of Object.entries(value)) out[key] = replaced(inner, text, found)
  return out
}
