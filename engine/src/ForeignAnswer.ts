/**
 * The answer of another SDK's model, as the parts of the engine that it is read into.
 *
 * Effect's AI modules and the AI SDK stream alike: blocks that begin and end, each with metadata under its provider's name.
 * This knows what of them the engine has seen; what a part is called in each SDK stays with its adapter.
 */
import { besideToolCall, reasoningEnd } from "./ForeignMetadata.ts"
import type { Part } from "./Reply.ts"
import { fromInclusive, type Usage } from "./Usage.ts"

/** A tool call of the answer, and whether its arguments have come. */
interface OpenCall {
  readonly index: number
  written: boolean
}

/** Collects the parts of one answer. Stateful; made anew for each. */
export class ForeignAnswer {
  private readonly model: string
  private readonly tools = new Map<string, OpenCall>()
  private readonly refusals = new Set<string>()
  private readonly metadata = new Map<string, Record<string, unknown>>()
  private started = false

  /** `model` stands in for one that the answer does not name. */
  constructor(model: string) {
    this.model = model
  }

  /** The answer begins; said once, by whatever comes first. */
  start(out: Array<Part>, part?: { readonly id?: string | undefined; readonly modelId?: string | undefined }): void {
    if (this.started) return
    this.started = true
    out.push({ type: "start", id: part?.id ?? "", model: part?.modelId ?? this.model })
  }

  say(type: "text" | "refusal" | "reasoning", text: string, out: Array<Part>): void {
    this.start(out)
    if (text !== "") out.push({ type, text })
  }

  /** The block of this id is a refusal. */
  refuse(id: string): void {
    this.refusals.add(id)
  }

  sayIn(id: string, text: string, out: Array<Part>): void {
    this.say(this.refusals.has(id) ? "refusal" : "text", text, out)
  }

  /** Metadata of a reasoning that is open; fields of several parts add up. */
  note(id: string, metadata: { readonly [provider: string]: unknown } | undefined): void {
    const noted = this.metadata.get(id) ?? {}
    this.metadata.set(id, noted)
    for (const [provider, fields] of Object.entries(metadata ?? {})) {
      noted[provider] = { ...(noted[provider] as object | undefined), ...(fields as object | null) }
    }
  }

  /** The reasoning of this id ends. */
  endNoted(id: string, out: Array<Part>): void {
    this.end(this.metadata.get(id), out)
  }

  end(metadata: unknown, out: Array<Part>): void {
    push(reasoningEnd(metadata), out)
  }

  call(id: string, name: string, out: Array<Part>): OpenCall {
    const known = this.tools.get(id)
    if (known !== undefined) return known
    this.start(out)
    const tool = { index: this.tools.size, written: false }
    this.tools.set(id, tool)
    out.push({ type: "tool-call", index: tool.index, id, name, arguments: "" })
    return tool
  }

  write(id: string, text: string, out: Array<Part>): void {
    const tool = this.tools.get(id)
    if (tool === undefined || text === "") return
    tool.written = true
    out.push({ type: "tool-call", index: tool.index, arguments: text })
  }

  /** A call as a whole; its arguments are left out when they have streamed. */
  callWhole(id: string, name: string, written: string, metadata: unknown, out: Array<Part>): void {
    if (!this.call(id, name, out).written) this.write(id, written, out)
    push(besideToolCall(id, metadata), out)
  }
}

const push = (part: Part | undefined, out: Array<Part>): void => {
  if (part !== undefined) out.push(part)
}

interface InputFigures {
  readonly total?: number | undefined
  readonly uncached?: number | undefined
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
}

interface OutputFigures {
  readonly total?: number | undefined
  readonly text?: number | undefined
  readonly reasoning?: number | undefined
}

/** Usage as both SDKs state it: totals, or the figures that make them up; estimated where neither is there. */
export const usageOf = (inputs: InputFigures, outputs: OutputFigures): Usage => {
  const { cacheRead = 0, cacheWrite = 0, uncached } = inputs
  const { reasoning = 0, text } = outputs
  const input = inputs.total ?? (uncached === undefined ? undefined : uncached + cacheRead + cacheWrite)
  const output = outputs.total ?? (text === undefined ? undefined : text + reasoning)
  return fromInclusive({
    input: input ?? 0,
    output: output ?? 0,
    cacheRead,
    cacheWrite,
    reasoning,
    estimated: input === undefined && output === undefined
  })
}
