/**
 * What of an answer the caller's dialect can't say, by name: what the protocol left out of it, and citations and log
 * probabilities that the dialect has no place for.
 *
 * Whole answers tell it in `x-millrace-omitted`; streams, whose headers are gone by then, under `x-millrace` in the last
 * object of the dialect. An answer that goes through as it came lacks nothing and says nothing.
 */
import { type Citation, type Completion, type Dialect, type Part } from "../Reply.ts"
import type { Usage } from "../Usage.ts"

/** Collects the losses of one stream. Stateful; made anew for each. */
export class AnswerLosses {
  private readonly dialect: Dialect
  private found: Set<string> | undefined = undefined

  constructor(dialect: Dialect) {
    this.dialect = dialect
  }

  add(part: Part): void {
    switch (part.type) {
      case "citation":
        return this.cited(part.citation)
      case "logprobs":
        return this.dialect === "anthropic-messages" ? this.note("answer.logprobs") : undefined
      case "finish":
        for (const kind of part.omitted ?? []) this.note(kind)
        return
      default:
        return
    }
  }

  /** A citation that comes too late to be said. */
  late(): void {
    this.note("answer.citations")
  }

  get list(): ReadonlyArray<string> {
    return this.found === undefined ? [] : [...this.found].sort()
  }

  private cited(citation: Citation): void {
    const { quote, raw, start, url } = citation
    if (raw?.dialect === this.dialect) return
    switch (this.dialect) {
      case "openai-chat":
        if (url === undefined) this.note("answer.citations")
        return
      case "anthropic-messages":
        if (start !== undefined) this.note("answer.citations.place")
        return
      case "openai-responses":
        if (quote !== undefined) this.note("answer.citations.quote")
        return
      case "gemini":
        if (quote !== undefined && url !== undefined) this.note("answer.citations.quote")
        return
      default:
        return
    }
  }

  private note(loss: string): void {
    this.found = (this.found ?? new Set()).add(loss)
  }
}

/** What a whole answer lacks for callers of a dialect; nothing where it is handed on as it came. */
export const lossesOf = (dialect: Dialect, { content, omitted, wire }: Completion): ReadonlyArray<string> => {
  if (wire?.dialect === dialect) return []
  const losses = new AnswerLosses(dialect)
  for (const block of content) {
    if (block.type !== "text") continue
    if (block.logprobs !== undefined) losses.add({ type: "logprobs", logprobs: block.logprobs })
    for (const citation of block.citations ?? []) losses.add({ type: "citation", citation })
  }
  const list = losses.list
  return omitted === undefined ? list : [...new Set([...list, ...omitted])].sort()
}

/** Millrace's own field of an answer: whether its usage is our count, and what a stream of it lacks. */
export const millraceMark = (usage: Pick<Usage, "estimated">, omitted: ReadonlyArray<string> = []): object =>
  usage.estimated || omitted.length > 0
    ? {
        "x-millrace": {
          ...(usage.estimated ? { usage_estimated: true } : {}),
          ...(omitted.length > 0 ? { omitted } : {})
        }
      }
    : {}
