/**
 * How many tokens a request's prompt has, for `count_tokens` and `countTokens`.
 *
 * The first candidate of the model is asked. Our own count when it is exact, else the provider's where it offers one, else
 * our estimate.
 */
import { Effect } from "effect"
import type { EngineError } from "../Errors.ts"
import { permitted } from "../Grant.ts"
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
    if (!("length" in targets)) return Effect.fail(targets)
    const allowed = permitted(request, targets)
    if (!("length" in allowed)) return Effect.fail(allowed)
    const { model, provider: name } = allowed[0]!
    const provider = providers.get(name)
    return Effect.flatMap(tokenizer.countPrompt(request, { kind: provider?.kind ?? "", model }), (own) => {
      if (own.exact || provider?.countTokens === undefined) return Effect.succeed(own.tokens)
      return Effect.map(provider.countTokens(request, model), (exact) => exact ?? own.tokens)
    })
  }
