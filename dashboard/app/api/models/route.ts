import { Effect, Schema } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { gatewayUrl } from "@/features/gateway/address"
import { describeFailure } from "@/features/gateway/admin-client"
import { answer, withSession } from "@/features/gateway/respond"

const ModelList = Schema.Struct({
  data: Schema.Array(Schema.Struct({ id: Schema.String, owned_by: Schema.optional(Schema.String) }))
})

/** The models and aliases that the virtual key `?keyId=` may ask for, or anybody: `{ data: [{ id, owned_by }] }`. */
export const GET = (request: Request) => {
  const keyId = new URL(request.url).searchParams.get("keyId")
  const query = keyId === null ? "" : `?${new URLSearchParams({ keyId })}`
  return withSession((session) =>
    answer(
      session,
      HttpClientRequest.get(`${gatewayUrl()}/admin/api/playground/models${query}`).pipe(
        HttpClientRequest.bearerToken(session.token),
        HttpClient.execute,
        Effect.flatMap(HttpClientResponse.filterStatusOk),
        Effect.flatMap(HttpClientResponse.schemaBodyJson(ModelList)),
        Effect.mapError(describeFailure),
        Effect.provide(FetchHttpClient.layer)
      ),
      request.signal
    )
  )
}
