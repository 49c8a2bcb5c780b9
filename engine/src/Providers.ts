/**
 * The configured providers, and the bottom of the pipeline: one attempt at one of them.
 *
 * An attempt has the provider's `timeout` to its first part. What is below is the provider itself; nothing here retries,
 * waits for a limit, or looks at a cache.
 */
import { Context, Effect, Layer } from "effect"
import { InternalError, ProviderTimeout, UnsupportedAbility } from "./Errors.ts"
import { type Provider, speaks } from "./Provider.ts"
import type { WireRequest } from "./Request.ts"
import type { OpenAttempt } from "./Stage.ts"

export class Providers extends Context.Service<
  Providers,
  {
    readonly list: ReadonlyArray<Provider>
    readonly get: (name: string) => Provider | undefined
    readonly open: OpenAttempt
  }
>()("millrace/Providers") {
  static readonly layer = (list: ReadonlyArray<Provider>) =>
    Layer.effect(
      Providers,
      Effect.acquireRelease(
        Effect.sync(() => make(list)),
        () => Effect.forEach(list, (provider) => provider.close ?? Effect.void, { discard: true })
      )
    )
}

const make = (list: ReadonlyArray<Provider>): Providers["Service"] => {
  const byName = new Map(list.map((provider) => [provider.name, provider]))
  return Providers.of({
    list,
    get: (name) => byName.get(name),
    open: (call) => {
      const { journal, target } = call
      const provider = byName.get(target.provider)
      if (provider === undefined) {
        return Effect.fail(new InternalError({ detail: `no provider is named ${JSON.stringify(target.provider)}` }))
      }
      const { wire } = call.request
      if (wire !== undefined && wire.needs.length > 0 && !speaks(provider, wire.dialect)) {
        return Effect.fail(new UnsupportedAbility({ provider: provider.name, ability: wire.needs.join(", ") }))
      }
      call.attempt.omitted = omittedOf(wire, provider)
      journal.overheadMs ??= Math.max(0, performance.now() - journal.enteredAt - journal.queueMs)
      return Effect.timeoutOrElse(provider.open(call), {
        duration: provider.timeoutMs,
        orElse: () => Effect.fail(new ProviderTimeout({ ...target, timeoutMs: provider.timeoutMs }))
      })
    }
  })
}

/** What of a body this provider does not get: what no upstream of its dialect takes, or what no other dialect can say. */
const omittedOf = (wire: WireRequest | undefined, provider: Provider): ReadonlyArray<string> =>
  (speaks(provider, wire?.dialect) ? wire?.dropped : wire?.hints?.()) ?? []
