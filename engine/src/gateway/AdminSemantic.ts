/**
 * The admin routes of the semantic cache: its figures, and the wrong hits that callers tell of.
 */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi, NotFound } from "../admin-api.ts"
import { AdminSources } from "../AdminSources.ts"

export const semanticHandlers = HttpApiBuilder.group(
  AdminApi,
  "semantic",
  Effect.fnUntraced(function* (handlers) {
    const sources = yield* AdminSources
    return handlers.handleAll({
      semanticCache: () => sources.semanticCache,
      wrongPairs: () => Effect.map(sources.wrongPairs, (pairs) => ({ pairs })),
      takeWrongPairs: ({ payload }) => Effect.map(sources.takeWrongPairs(payload.pairs), (taken) => ({ taken })),
      cacheFeedback: ({ payload }) =>
        Effect.flatMap(sources.cacheFeedback(payload), (result) =>
          result === undefined
            ? Effect.fail(new NotFound({ message: "no entry has this key, and no semantic hit this request" }))
            : Effect.succeed(result)
        )
    })
  })
)
