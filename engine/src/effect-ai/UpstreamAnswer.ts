/**
 * From the parts of Effect's `Response`, streamed or whole, to parts of the engine.
 *
 * Metadata of reasoning and of tool calls is kept for the next turn, sources become citations. Tools that the provider ran
 * itself are left out and named, as everywhere in the engine; a file is an error, since an answer without it would not be
 * the answer.
 */
import type * as Response from "effect/ai/Response"
import type { Target } from "../Call.ts"
import { type EngineError, UnsupportedAbility } from "../Errors.ts"
import { ForeignAnswer, usageOf } from "../ForeignAnswer.ts"
import { LeftOut } from "../protocols/LeftOut.ts"
import type { FinishReason, Part } from "../Reply.ts"
import { citedBy } from "../SourceParts.ts"
import { toEngineError } from "./UpstreamFailure.ts"

/** Reads the parts of one answer. */
export class AnswerReader {
  private readonly target: Target
  private readonly answer: ForeignAnswer
  private readonly leftOut = new LeftOut()

  constructor(target: Target) {
    this.target = target
    this.answer = new ForeignAnswer(target.model)
  }

  /** Appends what one part says to `out`; returns the error that ends the answer, if it is one. */
  read(part: Response.AnyPart, out: Array<Part>): EngineError | undefined {
    const { answer } = this
    switch (part.type) {
      case "response-metadata":
        answer.start(out, part)
        return undefined
      case "text":
        answer.say("refusal" in own(part.metadata) ? "refusal" : "text", part.text, out)
        return undefined
      case "text-start":
        if ("refusal" in own(part.metadata)) answer.refuse(part.id)
        return undefined
      case "text-delta":
        answer.sayIn(part.id, part.delta, out)
        return undefined
      case "reasoning":
        answer.say("reasoning", part.text, out)
        answer.end(part.metadata, out)
        return undefined
      case "reasoning-start":
        answer.note(part.id, part.metadata)
        return undefined
      case "reasoning-delta":
        answer.note(part.id, part.metadata)
        answer.say("reasoning", part.delta, out)
        return undefined
      case "reasoning-end":
        answer.note(part.id, part.metadata)
        answer.endNoted(part.id, out)
        return undefined
      case "tool-params-start":
        if (!part.providerExecuted) answer.call(part.id, part.name, out)
        return undefined
      case "tool-params-delta":
        answer.write(part.id, part.delta, out)
        return undefined
      case "tool-call":
        if (part.providerExecuted) this.leftOut.noteItem(part.name)
        else answer.callWhole(part.id, part.name, textOf(part.params), part.metadata, out)
        return undefined
      case "source":
        answer.start(out)
        out.push(citedBy(part, part.metadata["millrace"]))
        return undefined
      case "file":
        return new UnsupportedAbility({ provider: this.target.provider, ability: "files in an answer" })
      case "error":
        return toEngineError(part.error, this.target)
      case "finish":
        answer.start(out)
        out.push({
          type: "finish",
          finishReason: finishReasonOf(part.reason),
          rawFinishReason: part.reason,
          usage: usageOf(part.usage.inputTokens, part.usage.outputTokens),
          ...this.leftOut.field()
        })
        return undefined
      case "text-end":
      case "tool-params-end":
      case "tool-result":
      case "tool-approval-request":
        return undefined
    }
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
