/**
 * A streamed answer as blocks that begin and end, which is how Effect's AI modules and the AI SDK stream.
 *
 * Parts say what came, block events say also where it starts and stops, by the same rules as `Reply.Collector`: a block
 * ends where one of another kind begins, a signature ends its reasoning. Tool calls may interleave, so they end together
 * at the end of the answer.
 */
import type { Citation, Part } from "./Reply.ts"

/** What a block carries beside its text, to be given back with it on the next turn. */
export interface BlockMetadata {
  readonly signature?: string
  readonly redacted?: string
  /** The text is the model's refusal to answer. */
  readonly refusal?: true
}

export type BlockEvent =
  | {
      readonly type: "text-start" | "reasoning-start" | "text-end" | "reasoning-end"
      readonly id: string
      readonly metadata: BlockMetadata | undefined
    }
  | { readonly type: "text-delta" | "reasoning-delta"; readonly id: string; readonly delta: string }
  /** What the text rests on; `id` tells the sources of one answer apart. */
  | { readonly type: "source"; readonly id: string; readonly citation: Citation }
  | { readonly type: "tool-start"; readonly id: string; readonly name: string }
  | { readonly type: "tool-delta"; readonly id: string; readonly delta: string }
  /** `arguments` is the whole JSON text as the model wrote it, `{}` where it wrote none. */
  | { readonly type: "tool-end"; readonly id: string; readonly name: string; readonly arguments: string }

interface OpenTool {
  id: string
  name: string
  arguments: string
  started: boolean
}

/** Turns the parts of one stream into block events. */
export class BlockReader {
  private open: { readonly kind: "text" | "refusal" | "reasoning"; readonly id: string } | undefined = undefined
  private readonly tools = new Map<number, OpenTool>()
  private blocks = 0
  private sources = 0

  /** Appends the events of one part to `out`; the `finish` part ends every block that is open. */
  push(part: Part, out: Array<BlockEvent>): void {
    switch (part.type) {
      case "text":
      case "refusal":
        if (part.text !== "") this.say(part.type, part.text, out)
        return
      case "reasoning":
        return this.reason(part, out)
      case "tool-call":
        return this.call(part, out)
      case "finish":
        return this.end(out)
      case "citation":
        out.push({ type: "source", id: sourceId(this.sources++), citation: part.citation })
        return
      case "start":
      case "wire":
      case "logprobs":
        return
    }
  }

  private say(kind: "text" | "refusal" | "reasoning", delta: string, out: Array<BlockEvent>): void {
    const id = this.begin(kind, out)
    if (delta !== "") out.push({ type: kind === "reasoning" ? "reasoning-delta" : "text-delta", id, delta })
  }

  private begin(kind: "text" | "refusal" | "reasoning", out: Array<BlockEvent>): string {
    if (this.open?.kind === kind) return this.open.id
    this.close(undefined, out)
    this.open = { kind, id: String(this.blocks++) }
    const { id } = this.open
    out.push({ type: kind === "reasoning" ? "reasoning-start" : "text-start", id, metadata: metadataOf(kind) })
    return id
  }

  private close(metadata: BlockMetadata | undefined, out: Array<BlockEvent>): void {
    if (this.open === undefined) return
    const { id, kind } = this.open
    this.open = undefined
    out.push({
      type: kind === "reasoning" ? "reasoning-end" : "text-end",
      id,
      metadata: metadata ?? metadataOf(kind)
    })
  }

  private reason(part: Extract<Part, { readonly type: "reasoning" }>, out: Array<BlockEvent>): void {
    const { redacted, signature, text } = part
    if (text === "" && signature === undefined && redacted === undefined) return
    if (redacted !== undefined) this.close(undefined, out)
    this.say("reasoning", text, out)
    if (signature === undefined && redacted === undefined) return
    this.close(
      { ...(signature === undefined ? {} : { signature }), ...(redacted === undefined ? {} : { redacted }) },
      out
    )
  }

  private call(part: Extract<Part, { readonly type: "tool-call" }>, out: Array<BlockEvent>): void {
    let tool = this.tools.get(part.index)
    if (tool === undefined) {
      this.close(undefined, out)
      tool = { id: "", name: "", arguments: "", started: false }
      this.tools.set(part.index, tool)
    }
    if (tool.id === "" && part.id !== undefined) tool.id = part.id
    if (tool.name === "" && part.name !== undefined) tool.name = part.name
    tool.arguments += part.arguments
    if (tool.started) {
      if (part.arguments !== "") out.push({ type: "tool-delta", id: tool.id, delta: part.arguments })
    } else if (tool.id !== "" && tool.name !== "") this.start(tool, out)
  }

  private start(tool: OpenTool, out: Array<BlockEvent>): void {
    tool.started = true
    out.push({ type: "tool-start", id: tool.id, name: tool.name })
    if (tool.arguments !== "") out.push({ type: "tool-delta", id: tool.id, delta: tool.arguments })
  }

  private end(out: Array<BlockEvent>): void {
    this.close(undefined, out)
    for (const [index, tool] of this.tools) {
      if (tool.id === "") tool.id = `call_${index}`
      if (!tool.started) this.start(tool, out)
      out.push({ type: "tool-end", id: tool.id, name: tool.name, arguments: tool.arguments.trim() || "{}" })
    }
    this.tools.clear()
  }
}

/** The id of the source number `index` of an answer, whole or streamed. */
export const sourceId = (index: number): string => `source_${index}`

const metadataOf = (kind: "text" | "refusal" | "reasoning"): BlockMetadata | undefined =>
  kind === "refusal" ? { refusal: true } : undefined
