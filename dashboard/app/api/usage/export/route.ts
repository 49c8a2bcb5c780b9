import { Effect, Exit, Stream } from "effect"
import { UsageExportQuery } from "millrace/admin-api"
import { callAdmin } from "@/features/gateway/admin-client"
import { decodeQuery } from "@/features/gateway/query"
import { answer, withSession } from "@/features/gateway/respond"

/** Every request of a selection as a file, handed on as fast as it comes. */
export const GET = (request: Request) =>
  withSession(async (session) => {
    const exported = Effect.flatMap(decodeQuery(UsageExportQuery, request.url), (query) =>
      Effect.map(
        callAdmin(session.token, (client) => client.exportUsage({ query })),
        (content) => ({ content, format: query.format ?? "csv" })
      )
    )
    const exit = await Effect.runPromiseExit(exported, { signal: request.signal })
    if (Exit.isFailure(exit)) return answer(session, exit, request.signal)
    const { content, format } = exit.value
    return new Response(Stream.toReadableStream(content), {
      headers: {
        "content-type": format === "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson",
        "content-disposition": `attachment; filename="requests.${format}"`
      }
    })
  })
