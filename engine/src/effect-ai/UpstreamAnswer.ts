/**
 * From the parts of Effect's `Response`, streamed or whole, to parts of the engine.
 *
 * Metadata of reasoning and of tool calls is kept for the next turn, sources become citations. Tools that the provider ran
 * itself are left out as everywhere in the engine; a file is an error, since an answer without it would not be the answer.
 */
import type * as Response from "effect/ai/Response"
import type { Target } from "../Call.ts"
import { type EngineError, UnsupportedAbility } from "../Errors.ts"
import { besideToolCall, reasoningEnd } from "../ForeignMetadata.ts"
import type { FinishReason, Part } from "../Reply.ts"
import { citedBy } from "../SourceParts.ts"
import { fromInclusive, type Usage } from "../Usage.ts"
import { toEngineError } from "./UpstreamFailure.ts"

/** Reads the parts of one answer. */
export class AnswerReader {
  private readonly target: Target
  /** Numbers of the tool calls by their id, and whether their arguments have come. */
  private readonly tools = new Map<string, { readonly index: number; written: boolean }>()
  private readonly refusals = new Set<string>()
  private readonly metadata = new Map<string, Record<string, unknown>>()
  private started = false

  constructor(target: Target) {
    this.target = target
  }

  /** Appends what one part says to `out`; returns the error that ends the answer, if it is one. */
  read(part: Response.AnyPart, out: Array<Part>): EngineError | undefined {
    switch (part.type) {
      case "response-metadata":
        this.start(out, part)
        return undefined
      case "text":
        this.say("refusal" in own(part.metadata) ? "refusal" : "text", part.text, out)
        return undefined
      case "text-start":
        if ("refusal" in own(part.metadata)) this.refusals.add(part.id)
        return undefined
      case "text-delta":
        this.say(this.refusals.has(part.id) ? "refusal" : "text", part.delta, out)
        return undefined
      case "reasoning":
        this.say("reasoning", part.text, out)
        this.end(part.metadata, out)
        return undefined
      case "reasoning-start":
        this.note(part.id, part.metadata)
        return undefined
      case "reasoning-delta":
        this.note(part.id, part.metadata)
        this.say("reasoning", part.delta, out)
        return undefined
      case "reasoning-end":
        this.note(part.id, part.metadata)
        this.end(this.metadata.get(part.id), out)
        return undefined
      case "tool-params-start":
        if (!part.providerExecuted) this.call(part.id, part.name, out)
        return undefined
      case "tool-params-delta":
        this.write(part.id, part.delta, out)
        return undefined
      case "tool-call":
        if (!part.providerExecuted) this.callWhole(part, out)
        return undefined
      case "source":
        this.start(out)
        out.push(citedBy(part, part.metadata["millrace"]))
        return undefined
      case "file":
        return new UnsupportedAbility({ provider: this.target.provider, ability: "files in an answer" })
      case "error":
        return toEngineError(part.error, this.target)
      case "finish":
        this.start(out)
        out.push({
          type: "finish",
          finishReason: finishReasonOf(part.reason),
          rawFinishReason: part.reason,
          usage: usageOf(part.usage)
        })
        return undefined
      case "text-end":
      case "tool-params-end":
      case "tool-result":
      case "tool-approval-request":
        return undefined
    }
  }

  private start(out: Array<Part>, part?: Response.ResponseMetadataPart): void {
    if (this.started) return
    this.started = true
    out.push({ type: "start", id: part?.id ?? "", model: part?.modelId ?? this.target.model })
  }

  private say(type: "text" | "refusal" | "reasoning", text: string, out: Array<Part>): void {
    this.start(out)
    if (text !== "") out.push({ type, text })
  }

  private note(id: string, metadata: Response.ProviderMetadata): void {
    const noted = this.metadata.get(id) ?? {}
    for (const [provider, fields] of Object.entries(metadata)) {
      noted[provider] = { ...(noted[provider] as object | undefined), ...(fields as object | null) }
    }
    this.metadata.set(id, noted)
  }

  private end(metadata: unknown, out: Array<Part>): void {
    const part = reasoningEnd(metadata)
    if (part !== undefined) out.push(part)
  }

  private call(id: string, name: string, out: Array<Part>) {
    const known = this.tools.get(id)
    if (known !== undefined) return known
    this.start(out)
    const tool = { index: this.tools.size, written: false }
    this.tools.set(id, tool)
    out.push({ type: "tool-call", index: tool.index, id, name, arguments: "" })
    return tool
  }

  private write(id: string, text: string, out: Array<Part>): void {
    const tool = this.tools.get(id)
    if (tool === undefined || text === "") return
    tool.written = true
    out.push({ type: "tool-call", index: tool.index, arguments: text })
  }

  private callWhole(part: Response.ToolCallPart<string, unknown>, out: Array<Part>): void {
    const tool = this.call(part.id, part.name, out)
    if (!tool.written) this.write(part.id, textOf(part.params), out)
    const carrier = besideToolCall(part.id, part.metadata)
    if (carrier !== undefined) out.push(carrier)
  }
}

const own = (metadata: Response.ProviderMetadata): object => {
  const fields = metadata["millrace"]
  return typeof fields === "object" && fields !== null ? fields : {}
}

/** Arguments that did not parse come as the text they are. */
const textOf = (params: unknown): string => (typeof params === "string" ? params : (JSON.stringify(params) ?? "{}"))

const finishReasonOf = (reason: Response.FinishReason): FinishReason =>
  reason === "pause" || reason === "unknown" ? "other" : reason

const usageOf = ({ inputTokens, outputTokens }: Response.Usage): Usage => {
  const { cacheRead = 0, cacheWrite = 0, uncached } = inputTokens
  const { reasoning = 0, text } = outputTokens
  const input = inputTokens.total ?? (uncached === undefined ? undefined : uncached + cacheRead + cacheWrite)
  const output = outputTokens.total ?? (text === undefined ? undefined : text + reasoning)
  return fromInclusive({
    input: input ?? 0,
    output: output ?? 0,
    cacheRead,
    cacheWrite,
    reasoning,
    estimated: input === undefined && output === undefined
  })
}
