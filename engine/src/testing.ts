/**
 * A scripted provider, for tests of applications that use Millrace: it answers what it is told, without a network.
 *
 * @example
 * const scripted = scriptedProvider("openai", () => "hello")
 * const engine = new AIEngine({ providers: [{ name: "openai", apiKey: "test" }] }, { providers: [scripted] })
 */
import { Effect, type Scope, Stream } from "effect"
import type { EngineError } from "./Errors.ts"
import { defaultInfo, type Provider } from "./Provider.ts"
import * as Reply from "./Reply.ts"
import type { AttemptCall } from "./Stage.ts"
import type { Usage } from "./Usage.ts"

/** What the script says to one call: a text, a completion, an error, parts, or an effect that opens a reply. */
export type Answer =
  | string
  | Reply.Completion
  | EngineError
  | ReadonlyArray<Reply.Part>
  | Effect.Effect<Reply.Reply, EngineError, Scope.Scope>

export interface ScriptedProvider extends Provider {
  /** Calls that reached the provider, in order. */
  readonly calls: ReadonlyArray<AttemptCall>
}

/** A provider that answers by a script; `index` counts its calls from 0. */
export const scriptedProvider = (
  name: string,
  script: (call: AttemptCall, index: number) => Answer,
  options?: Partial<Omit<Provider, "name" | "open">>
): ScriptedProvider => {
  const calls: Array<AttemptCall> = []
  return {
    name,
    kind: "simulated",
    model: "scripted",
    ...defaultInfo,
    ...options,
    calls,
    open: (call) =>
      Effect.suspend(() => {
        const index = calls.push(call) - 1
        return opened(call, script(call, index))
      })
  }
}

const opened = (call: AttemptCall, answer: Answer): Effect.Effect<Reply.Reply, EngineError, Scope.Scope> => {
  if (typeof answer === "string") {
    const completion = completionOf(call.target.model, answer)
    return Effect.succeed(
      call.request.stream ? Reply.parts(Stream.fromArray(Reply.toParts(completion))) : Reply.whole(completion)
    )
  }
  if (Effect.isEffect(answer) && !("_tag" in answer && "fault" in answer)) {
    return answer as Effect.Effect<Reply.Reply, EngineError, Scope.Scope>
  }
  if (Array.isArray(answer)) return Effect.succeed(Reply.parts(Stream.fromArray(answer as ReadonlyArray<Reply.Part>)))
  if ("fault" in answer) return Effect.fail(answer as EngineError)
  return Effect.succeed(Reply.whole(answer as Reply.Completion))
}

/** A finished answer of one text. Usage is one token a word, unless given. */
export const completionOf = (model: string, text: string, usage?: Partial<Usage>): Reply.Completion => ({
  id: "scripted",
  model,
  content: text === "" ? [] : [{ type: "text", text }],
  finishReason: "stop",
  rawFinishReason: "stop",
  usage: {
    uncachedInput: 1,
    cacheReadInput: 0,
    cacheWriteInput: 0,
    output: text.split(/\s+/).length,
    reasoning: 0,
    estimated: false,
    ...usage
  }
})
