/**
 * From the content of an AI SDK answer, streamed or whole, to parts of the engine.
 *
 * Metadata of reasoning and of tool calls is kept for the next turn, sources become citations. Provider-specific content, and
 * tools that the provider ran itself, are left out as everywhere in the engine; a file is an error, since an answer without it would not
 * be the answer. An answer that was interrupted is a broken one.
 */
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
  SharedV4Warning
} from "@ai-sdk/provider"
import type { Target } from "../Call.ts"
import { type EngineError, StreamTruncated, UnsupportedAbility } from "../Errors.ts"
import { besideToolCall, reasoningEnd } from "../ForeignMetadata.ts"
import type { Part } from "../Reply.ts"
import { citedBy } from "../SourceParts.ts"
import { fromInclusive, type Usage } from "../Usage.ts"
import { toEngineError } from "./UpstreamFailure.ts"

/** A whole answer as the parts it would have been streamed in. */
export const wholeParts = (
  result: LanguageModelV4GenerateResult,
  target: Target,
  asksJson: boolean
): ReadonlyArray<LanguageModelV4StreamPart | LanguageModelV4Content> => {
  const { content, finishReason, response, structuredOutputText, usage } = result
  // The SDK parses this text and no other; drafts before it are no part of the JSON that was asked for.
  const chosen: ReadonlyArray<LanguageModelV4Content> =
    asksJson && structuredOutputText !== undefined
      ? [...content.filter(({ type }) => type !== "text"), { type: "text", text: structuredOutputText }]
      : content
  const { id = "", modelId = target.model } = response ?? {}
  return [{ type: "response-metadata", id, modelId }, ...chosen, { type: "finish", finishReason, usage }]
}

/** Settings that the model could not use, as it names them. */
export const leftOut = (warnings: ReadonlyArray<SharedV4Warning>): ReadonlyArray<string> =>
  warnings.flatMap((warning) =>
    warning.type === "unsupported" || warning.type === "compatibility" ? [warning.feature] : []
  )

/** Reads the parts of one answer. */
export class AnswerReader {
  private readonly target: Target
  private readonly onWarnings: (warnings: ReadonlyArray<SharedV4Warning>) => void
  /** Numbers of the tool calls by their id, and whether their arguments have come. */
  private readonly tools = new Map<string, { readonly index: number; written: boolean }>()
  private readonly refusals = new Set<string>()
  private readonly metadata = new Map<string, Record<string, unknown>>()
  private started = false

  constructor(target: Target, onWarnings: (warnings: ReadonlyArray<SharedV4Warning>) => void) {
    this.target = target
    this.onWarnings = onWarnings
  }

  /** Appends what one part says to `out`; returns the error that ends the answer, if it is one. */
  read(part: LanguageModelV4StreamPart | LanguageModelV4Content, out: Array<Part>): EngineError | undefined {
    switch (part.type) {
      case "stream-start":
        this.onWarnings(part.warnings)
        return undefined
      case "response-metadata":
        this.start(out, part)
        return undefined
      case "text":
        this.say(isRefusal(part.providerMetadata) ? "refusal" : "text", part.text, out)
        return undefined
      case "text-start":
        if (isRefusal(part.providerMetadata)) this.refusals.add(part.id)
        return undefined
      case "text-delta":
        this.say(this.refusals.has(part.id) ? "refusal" : "text", part.delta, out)
        return undefined
      case "reasoning":
        this.say("reasoning", part.text, out)
        this.end(part.providerMetadata, out)
        return undefined
      case "reasoning-start":
      case "reasoning-delta":
      case "reasoning-end":
        this.reason(part, out)
        return undefined
      case "tool-input-start":
        if (part.providerExecuted !== true) this.call(part.id, part.toolName, out)
        return undefined
      case "tool-input-delta":
        this.write(part.id, part.delta, out)
        return undefined
      case "tool-call":
        if (part.providerExecuted !== true) {
          const tool = this.call(part.toolCallId, part.toolName, out)
          if (!tool.written) this.write(part.toolCallId, part.input, out)
          push(besideToolCall(part.toolCallId, part.providerMetadata), out)
        }
        return undefined
      case "source":
        this.start(out)
        out.push(citedBy(part, part.providerMetadata?.["millrace"]))
        return undefined
      case "file":
      case "reasoning-file":
        return new UnsupportedAbility({ provider: this.target.provider, ability: "files in an answer" })
      case "error":
        return toEngineError(part.error, this.target)
      case "finish":
        return this.finish(part.finishReason, part.usage, out)
      default:
        return undefined
    }
  }

  private start(out: Array<Part>, part?: { readonly id?: string; readonly modelId?: string }): void {
    if (this.started) return
    this.started = true
    out.push({ type: "start", id: part?.id ?? "", model: part?.modelId ?? this.target.model })
  }

  private say(type: "text" | "refusal" | "reasoning", text: string, out: Array<Part>): void {
    this.start(out)
    if (text !== "") out.push({ type, text })
  }

  private reason(
    part: Extract<
      LanguageModelV4StreamPart,
      { readonly type: "reasoning-start" | "reasoning-delta" | "reasoning-end" }
    >,
    out: Array<Part>
  ): void {
    const noted = this.metadata.get(part.id) ?? {}
    this.metadata.set(part.id, noted)
    for (const [provider, fields] of Object.entries(part.providerMetadata ?? {})) {
      noted[provider] = { ...(noted[provider] as object | undefined), ...fields }
    }
    if (part.type === "reasoning-delta") this.say("reasoning", part.delta, out)
    if (part.type === "reasoning-end") this.end(noted, out)
  }

  private end(metadata: unknown, out: Array<Part>): void {
    push(reasoningEnd(metadata), out)
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

  private finish(
    { raw, unified }: LanguageModelV4FinishReason,
    usage: LanguageModelV4Usage,
    out: Array<Part>
  ): EngineError | undefined {
    if (unified === "interrupted") {
      return new StreamTruncated({ ...this.target, detail: "the model reports an interrupted answer" })
    }
    this.start(out)
    out.push({ type: "finish", finishReason: unified, rawFinishReason: raw, usage: usageOf(usage) })
    return undefined
  }
}

const push = (part: Part | undefined, out: Array<Part>): void => {
  if (part !== undefined) out.push(part)
}

const isRefusal = (metadata: SharedV4ProviderMetadata | undefined): boolean =>
  metadata?.["millrace"]?.["refusal"] === true

const usageOf = ({ inputTokens, outputTokens }: LanguageModelV4Usage): Usage => {
  const { cacheRead = 0, cacheWrite = 0, noCache } = inputTokens
  const { reasoning = 0, text } = outputTokens
  const input = inputTokens.total ?? (noCache === undefined ? undefined : noCache + cacheRead + cacheWrite)
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
