/**
 * The admin routes of windows and prices: of the configured models, and of all that the catalogue has.
 */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi, NotFound } from "../admin-api.ts"
import { AdminSources } from "../AdminSources.ts"

export const priceHandlers = HttpApiBuilder.group(
  AdminApi,
  "prices",
  Effect.fnUntraced(function* (handlers) {
    const sources = yield* AdminSources
    const found = <A>(provider: string | undefined) =>
      Effect.flatMap((list: A | undefined) =>
        list === undefined
          ? Effect.fail(new NotFound({ message: `no provider is named ${JSON.stringify(provider)}` }))
          : Effect.succeed(list)
      )
    return handlers.handleAll({
      prices: ({ query }) => sources.prices(query).pipe(found(query.provider)),
      models: ({ query }) => sources.models(query).pipe(found(query.provider))
    })
  })
)
