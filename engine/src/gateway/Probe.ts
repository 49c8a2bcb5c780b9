/**
 * One small call to a provider through the engine itself, so that a wrong key, address or model is found before a user does.
 *
 * It takes the way of every call but the cache's: limits, budgets and the breaker hold for it, and it is in the usage
 * records. Whatever comes of it is an answer; it never fails.
 */
import { Clock, Effect } from "effect"
import type { ProviderProbe } from "../AdminAnswers.ts"
import type { Engine } from "../Engine.ts"

/** Longest wait for an answer. */
const timeoutMs = 20_000

export const probeProvider = (
  engine: Pick<Engine["Service"], "generateText">,
  provider: string,
  model: string
): Effect.Effect<ProviderProbe> =>
  Effect.gen(function* () {
    const startedAtMs = yield* Clock.currentTimeMillis
    const error = yield* engine
      .generateText({
        prompt: "Reply with OK.",
        provider,
        model,
        maxTokens: 16,
        timeout: timeoutMs,
        cache: { mode: "bypass" }
      })
      .pipe(
        Effect.match({
          onSuccess: () => null,
          onFailure: ({ _tag, message }) => ({ kind: _tag, message: message.replaceAll(/\s+/g, " ") })
        })
      )
    const latencyMs = (yield* Clock.currentTimeMillis) - startedAtMs
    return { provider, model, ok: error === null, latencyMs, error }
  })
