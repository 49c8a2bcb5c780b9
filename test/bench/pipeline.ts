/**
 * One stage of the pipeline by itself: a request, calls of it, and an answer that is there at once.
 */
import { Clock, Effect } from "effect"
import { makeCall, type Call, type Outcome, type Target } from "../../engine/src/Call.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { fromAIRequest, type Request } from "../../engine/src/Request.ts"
import type { AttemptCall } from "../../engine/src/Stage.ts"
import { fromInclusive } from "../../engine/src/Usage.ts"
import { ask, wholeText } from "./workload.ts"

export const target: Target = { provider: "openai", model: "gpt-5.4-mini" }

export const completion: Reply.Completion = {
  id: "chatcmpl-bench",
  model: target.model,
  content: [{ type: "text", text: wholeText }],
  finishReason: "stop",
  rawFinishReason: "stop",
  usage: fromInclusive({ input: 200, output: 50 })
}

export const success: Outcome = { _tag: "Success", completion }

export const reply = Effect.succeed(Reply.whole(completion))

export const requestOf = (prompt: string): Request => Effect.runSync(fromAIRequest(ask(prompt), "req_bench"))

const clock = Effect.runSync(Clock.clockWith(Effect.succeed))

/** A call that has been routed and counted. */
export const routed = (request: Request): Call => {
  const call = makeCall(request, clock)
  call.journal.candidates = [target]
  call.journal.promptTokens = 200
  return call
}

/** The first attempt of a call. */
export const attemptOf = (call: Call): AttemptCall => {
  const attempt = {
    target,
    startedAtMs: call.journal.startedAtMs,
    queueMs: 0,
    sentAtMs: undefined,
    firstPartAtMs: undefined,
    endedAtMs: undefined,
    error: undefined
  }
  return { ...call, target, attempt }
}
