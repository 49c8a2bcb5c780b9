/**
 * How an answer ends: reads along with its parts, and says when it is complete and what it was until it broke off.
 *
 * It fills in the usage of answers whose provider reported none, and takes a stream without a terminal part for
 * `StreamTruncated` (law 3). It settles nothing itself: who reads the answer does, for a caller or for all who share it.
 */
import { Cause } from "effect"
import { internalError } from "./Attempt.ts"
import type { Call, Outcome, Target } from "./Call.ts"
import { type EngineError, StreamTruncated } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import type { Usage } from "./Usage.ts"

export interface EndingOptions {
  /** Tokens of a text that a target wrote, for answers that came without usage or broke off. */
  readonly estimateTokens: (text: string, target: Target | undefined) => number
}

type Chunk = readonly [Reply.Part, ...Array<Reply.Part>]

/** Reads one streamed answer. */
export class Ending {
  /** The whole answer, once its terminal part has come. */
  completion: Reply.Completion | undefined
  private readonly options: EndingOptions
  private readonly call: Call
  private readonly collector = new Reply.Collector()

  constructor(options: EndingOptions, call: Call) {
    this.options = options
    this.call = call
  }

  /** The same parts, up to the terminal one, which states the usage that the completion has. */
  see(chunk: Chunk): Chunk {
    const { collector } = this
    let read = 0
    while (read < chunk.length && !collector.complete) collector.add(chunk[read++]!)
    if (!collector.complete) return chunk
    const collected = collector.completion()
    const completion = (this.completion = withUsage(this.options, this.call, collected))
    const seen = read === chunk.length ? chunk : chunk.slice(0, read)
    if (completion === collected) return seen as Chunk
    return seen.map((part) =>
      part.type === "finish" ? { ...part, usage: completion.usage } : part
    ) as unknown as Chunk
  }

  /** The outcome of an answer whose reading has failed. */
  failure(cause: Cause.Cause<EngineError | Cause.Done>): Extract<Outcome, { readonly _tag: "Failure" }> {
    return { _tag: "Failure", error: this.errorOf(cause), partial: this.partial() }
  }

  /** What has come until now, with an estimate of its usage. */
  partial(): Reply.Completion {
    return { ...this.collector.completion(), usage: estimated(this.options, this.call, this.collector.text) }
  }

  private errorOf(cause: Cause.Cause<EngineError | Cause.Done>): EngineError {
    const failure = cause.reasons.find(Cause.isFailReason)?.error
    if (failure === undefined) return internalError(cause.reasons.find(Cause.isDieReason)?.defect)
    if (!Cause.isDone(failure)) return failure
    const { model, provider } = this.call.journal.target ?? { provider: "", model: "" }
    return new StreamTruncated({ provider, model, detail: "no terminal event came" })
  }
}

/** The completion with an estimate where the provider reported no usage. */
export const withUsage = (options: EndingOptions, call: Call, completion: Reply.Completion): Reply.Completion => {
  const { usage } = completion
  if (!usage.estimated || usage.output > 0 || usage.uncachedInput > 0) return completion
  let text = ""
  for (const block of completion.content) text += block.type === "tool-call" ? block.name + block.arguments : block.text
  return { ...completion, usage: estimated(options, call, text) }
}

const estimated = (options: EndingOptions, call: Call, text: string): Usage => ({
  uncachedInput: call.journal.promptTokens ?? 0,
  cacheReadInput: 0,
  cacheWriteInput: 0,
  output: text === "" ? 0 : options.estimateTokens(text, call.journal.target),
  reasoning: 0,
  estimated: true
})
