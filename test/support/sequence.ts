/**
 * Providers that answer call after call as a list says, and a log of who was asked when.
 */
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Engine } from "../../engine/src/Engine.ts"
import { type EngineError, ProviderRateLimited, ProviderServerError } from "../../engine/src/Errors.ts"
import type { AIRequest } from "../../engine/src/Request.ts"
import type { AIResponse } from "../../engine/src/Response.ts"
import { type ScriptedProvider, scriptedProvider } from "../../engine/src/testing.ts"

export type Step = "ok" | EngineError | Effect.Effect<never>

export interface Asked {
  readonly provider: string
  readonly atMs: number
}

export const serverError = (provider: string, retryAfterMs?: number): ProviderServerError =>
  new ProviderServerError({
    provider,
    model: "m",
    detail: "500",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs })
  })

export const rateLimited = (provider: string, retryAfterMs?: number): ProviderRateLimited =>
  new ProviderRateLimited({
    provider,
    model: "m",
    detail: "429",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs })
  })

/** A provider that takes one step a call; the last one stays. */
export const sequence = (
  name: string,
  asked: Array<Asked>,
  steps: ReadonlyArray<Step>,
  options?: Parameters<typeof scriptedProvider>[2]
): ScriptedProvider =>
  scriptedProvider(
    name,
    (call, index) => {
      asked.push({ provider: name, atMs: call.clock.currentTimeMillisUnsafe() })
      const step = steps[Math.min(index, steps.length - 1)]!
      return step === "ok" ? `answer of ${name}` : step
    },
    { model: "m", ...options }
  )

/** The chain of all providers, in their order. */
export const chainOf = (providers: ReadonlyArray<ScriptedProvider>): Record<string, ReadonlyArray<string>> => ({
  chain: providers.map(({ name }) => `${name}/m`)
})

/** Asks the chain and lets as much time pass as the answer needs. */
export const ask = Effect.fnUntraced(function* (fields: Partial<AIRequest> = {}, within = 200_000) {
  const fiber = yield* Effect.forkChild(
    Effect.result(Engine.generateText({ prompt: "hello", model: "chain", cache: { mode: "bypass" }, ...fields }))
  )
  yield* TestClock.adjust(within)
  return yield* Fiber.join(fiber)
})

export type Answer = Effect.Success<ReturnType<typeof ask>>

export const contentOf = (answer: Answer): string | undefined =>
  answer._tag === "Success" ? (answer.success as AIResponse).content : undefined

export const errorOf = (answer: Answer): EngineError | undefined =>
  answer._tag === "Failure" ? answer.failure : undefined
