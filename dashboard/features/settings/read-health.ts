import "server-only"
import { Effect } from "effect"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "effect/http"
import { gatewayUrl } from "@/features/gateway/address"
import { describeFailure, type GatewayFailed } from "@/features/gateway/admin-client"
import { Health } from "./health"

/** The gateway's readiness; one that is not ready answers 503 with its reasons, which is an answer too. */
export const readHealth: Effect.Effect<Health, GatewayFailed> = Effect.suspend(() =>
  HttpClient.get(`${gatewayUrl()}/health/ready`)
).pipe(
  Effect.flatMap(HttpClientResponse.schemaBodyJson(Health)),
  Effect.mapError(describeFailure),
  Effect.provide(FetchHttpClient.layer)
)
