/**
 * From the content of an AI SDK answer, streamed or whole, to parts of the engine.
 *
 * Metadata of reasoning and of tool calls is kept for the next turn, sources become citations. Provider-specific content is
 * left out, and tools that the provider ran itself are left out and named, as everywhere in the engine; a file is an error,
 * since an answer without it would not be the answer. An answer that was interrupted is a broken one.
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
import { ForeignAnswer, usageOf } from "../ForeignAnswer.ts"
import { LeftOut } from "../protocols/LeftOut.ts"
import type { Part } from "../Reply.ts"
import { citedBy } from "../SourceParts.ts"
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
  private readonly answer: ForeignAnswer
  private readonly leftOut = new LeftOut()

  constructor(target: Target, onWarnings: (warnings: ReadonlyArray<SharedV4Warning>) => void) {
    this.target = target
    this.onWarnings = onWarnings
    this.answer = new ForeignAnswer(target.model)
  }

  /** Appends what one part says to `out`; returns the error that ends the answer, if it is one. */
  read(part: LanguageModelV4StreamPart | LanguageModelV4Content, out: Array<Part>): EngineError | undefined {
    const { answer } = this
    switch (part.type) {
      case "stream-start":
        this.onWarnings(part.warnings)
        return undefined
      case "response-metadata":
        answer.start(out, part)
        return undefined
      case "text":
        answer.say(isRefusal(part.providerMetadata) ? "refusal" : "text", part.text, out)
        return undefined
      case "text-start":
        if (isRefusal(part.providerMetadata)) answer.refuse(part.id)
        return undefined
      case "text-delta":
        answer.sayIn(part.id, part.delta, out)
        return undefined
      case "reasoning":
        answer.say("reasoning", part.text, out)
        answer.end(part.providerMetadata, out)
        return undefined
      case "reasoning-start":
      case "reasoning-delta":
      case "reasoning-end":
        answer.note(part.id, part.providerMetadata)
        if (part.type === "reasoning-delta") answer.say("reasoning", part.delta, out)
        if (part.type === "reasoning-end") answer.endNoted(part.id, out)
        return undefined
      case "tool-input-start":
        if (part.providerExecuted !== true) answer.call(part.id, part.toolName, out)
        return undefined
      case "tool-input-delta":
        answer.write(part.id, part.delta, out)
        return undefined
      case "tool-call":
        if (part.providerExecuted === true) this.leftOut.noteItem(part.toolName)
        else answer.callWhole(part.toolCallId, part.toolName, part.input, part.providerMetadata, out)
        return undefined
      case "source":
        answer.start(out)
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

  private finish(
    { raw, unified }: LanguageModelV4FinishReason,
    usage: LanguageModelV4Usage,
    out: Array<Part>
  ): EngineError | undefined {
    if (unified === "interrupted") {
      return new StreamTruncated({ ...this.target, detail: "the model reports an interrupted answer" })
    }
    this.answer.start(out)
    const { inputTokens: inputs, outputTokens } = usage
    const figures = usageOf({ ...inputs, uncached: inputs.noCache }, outputTokens)
    out.push({ type: "finish", finishReason: unified, rawFinishReason: raw, usage: figures, ...this.leftOut.field() })
    return undefined
  }
}

const isRefusal = (metadata: SharedV4ProviderMetadata | undefined): boolean =>
  metadata?.["millrace"]?.["refusal"] === true
