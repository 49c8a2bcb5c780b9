/**
 * The routes of the admin API about usage: sums, requests one by one.
 *
 * They read what the usage log has kept, and never act on a request of a caller. A database that can't be read is a 503
 * that says why; a query that makes no sense is a 400 that names the field.
 */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi, BadRequest, NotFound, type RequestQuery, StorageUnavailable, type UsageQuery } from "../admin-api.ts"
import { UsageLog, type UsageUnavailable } from "../UsageLog.ts"

export const usageHandlers = HttpApiBuilder.group(
  AdminApi,
  "usage",
  Effect.fnUntraced(function* (handlers) {
    const log = yield* UsageLog
    return handlers.handleAll({
      usage: ({ query }) =>
        Effect.flatMap(ranged(query), (usage) => log.usage(usage)).pipe(
          Effect.catchTags({
            SeriesTooLong: (error) => Effect.fail(badRequest([{ field: "bucket", detail: error.message }])),
            UsageUnavailable: unavailable
          })
        ),
      requests: ({ query }) =>
        Effect.flatMap(ranged(query), (requests) => log.requests(requests)).pipe(
          Effect.catchTags({
            InvalidCursor: (error) => Effect.fail(badRequest([{ field: "cursor", detail: error.message }])),
            UsageUnavailable: unavailable
          })
        ),
      request: ({ params }) =>
        log.request(params.id).pipe(
          Effect.catchTag("UsageUnavailable", unavailable),
          Effect.flatMap((detail) =>
            detail === undefined
              ? Effect.fail(new NotFound({ message: "no request has this id, or its record is gone" }))
              : Effect.succeed(detail)
          )
        )
    })
  })
)

const ranged = <Query extends RequestQuery | UsageQuery>({ from, to, ...query }: Query) =>
  from !== undefined && to !== undefined && from > to
    ? Effect.fail(badRequest([{ field: "from", detail: "expected a time that is not after to" }]))
    : Effect.succeed({ ...query, fromMs: from, toMs: to })

const unavailable = (error: UsageUnavailable) => Effect.fail(new StorageUnavailable({ message: error.message }))

export const badRequest = (issues: BadRequest["issues"]) =>
  new BadRequest({ message: issues.map(({ detail, field }) => `${field}: ${detail}`).join("\n"), issues })
