/**
 * How many tokens a request's prompt has, for `count_tokens` and `countTokens`.
 *
 * The first candidate of the model is asked. Our own count when it is exact, else the provider's where it offers one, else
 * our estimate.
 */
import { Effect } from "effect"
import type { EngineError } from "../Errors.ts"
import type { Providers } from "../Providers.ts"
import type { Request } from "../Request.ts"
import type { Routing } from "../Routing.ts"
import type { Tokenizer } from "../Tokenizer.ts"

export interface CountingServices {
  readonly providers: Providers["Service"]
  readonly routing: Routing["Service"]
  readonly tokenizer: Tokenizer["Service"]
}

export const promptCounter =
  ({ providers, routing, tokenizer }: CountingServices) =>
  (request: Request): Effect.Effect<number, EngineError> => {
    const targets = routing.resolve(request)
    if (!Array.isArray(targets)) return Effect.fail(targets as EngineError)
    const { model, provider: name } = targets[0]! as { readonly model: string; readonly provider: string }
    const provider = providers.get(name)
    return Effect.flatMap(tokenizer.countPrompt(request, { kind: provider?.kind ?? "", model }), (own) => {
      if (own.exact || provider?.countTokens === undefined) return Effect.succeed(own.tokens)
      return Effect.map(provider.countTokens(request, model), (exact) => exact ?? own.tokens)
    })
  }
