/**
 * What an answer has that its canonical form can't say, by name: images, sound, tools that the provider ran, choices after
 * the first. Each protocol notes it while it reads; the list travels with the end of the answer, so that callers of other
 * dialects are told. It names kinds from a closed list and never holds content or a word of the provider's.
 */
import { isObject, type JsonObject, stringOr } from "./Json.ts"

/** Kinds of what answers may have beside their canonical parts, all under `answer.`. */
export const leftOutKinds = [
  "audio",
  "choices",
  "code_execution",
  "compaction",
  "computer_use",
  "file",
  "file_search",
  "image",
  "mcp",
  "other",
  "shell",
  "tool_search",
  "video",
  "web_fetch",
  "web_search"
] as const

export type LeftOutKind = (typeof leftOutKinds)[number]

/** Collects the kinds of one answer. Stateful; made anew for each. */
export class LeftOut {
  private found: Set<LeftOutKind> | undefined = undefined

  get kinds(): Iterable<LeftOutKind> {
    return this.found ?? []
  }

  note(kind: LeftOutKind): void {
    this.found = (this.found ?? new Set()).add(kind)
  }

  /** Notes an item or a block by the provider's word for it. */
  noteItem(word: string): void {
    this.note(kindOfItem(word))
  }

  /** Notes bytes by their media type. */
  noteMedia(mediaType: unknown): void {
    const family = stringOr(mediaType, "").split("/", 1)[0]
    this.note(family === "image" || family === "audio" || family === "video" ? family : "file")
  }

  /** Notes choices or candidates beside the one that is read. */
  noteChoices(choices: unknown, read: JsonObject | undefined): void {
    if (!Array.isArray(choices) || choices.length === (read === undefined ? 0 : 1)) return
    if (choices.some((choice) => isObject(choice) && choice !== read)) this.note("choices")
  }

  /** The field of the answer's end: sorted, absent when nothing was left out. */
  field(): { readonly omitted?: ReadonlyArray<string> } {
    return this.found === undefined ? {} : { omitted: [...this.found].map((kind) => `answer.${kind}`).sort() }
  }
}

const itemWords: ReadonlyArray<readonly [RegExp, LeftOutKind]> = [
  [/^mcp/, "mcp"],
  [/image/, "image"],
  [/audio/, "audio"],
  [/video/, "video"],
  [/web_?search/, "web_search"],
  [/web_?fetch|url_context|visit_website/, "web_fetch"],
  [/file_?search|retrieval/, "file_search"],
  [/tool_?search/, "tool_search"],
  [/computer/, "computer_use"],
  [/code|text_editor|^python$/, "code_execution"],
  [/shell|apply_patch/, "shell"],
  [/compaction/, "compaction"],
  [/file|container_upload/, "file"]
]

const kindOfItem = (word: string): LeftOutKind => itemWords.find(([pattern]) => pattern.test(word))?.[1] ?? "other"
