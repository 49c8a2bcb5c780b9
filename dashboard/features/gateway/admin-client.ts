/**
 * The gateway's admin API as a typed client, for the server side alone.
 *
 * Every answer is checked against the schemas of `millrace/admin-api`, and every failure becomes one of the `Failure`
 * kinds. The admin token goes into the Authorization header and nowhere else.
 */
import "server-only"
import { Duration, Effect, Layer, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse, type HttpClientError } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Schema } from "effect"
import { AdminApi, BadRequest, NotFound, StorageUnavailable, TooManyRequests, Unauthorized } from "millrace/admin-api"
import { gatewayUrl } from "./address"
import type { Failure, FailureKind, Issue } from "./failure"

export type AdminClient = HttpApiClient.ForApi<typeof AdminApi>

type AdminError =
  | Unauthorized
  | TooManyRequests
  | BadRequest
  | NotFound
  | StorageUnavailable
  | HttpClientError.HttpClientError
  | Schema.SchemaError

/** A failure as an error of an Effect. */
export class GatewayFailed extends Error {
  readonly _tag = "GatewayFailed"
  readonly failure: Failure

  constructor(kind: FailureKind, message: string, issues?: ReadonlyArray<Issue>) {
    super(message)
    this.failure = issues === undefined ? { kind, message } : { kind, message, issues }
  }
}

const fetchLayer = FetchHttpClient.layer.pipe(
  Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { cache: "no-store", redirect: "error" }))
)

const clientOf = (token: string) =>
  HttpApiClient.make(AdminApi, {
    baseUrl: gatewayUrl(),
    transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
  })

/** Runs one call of the admin API; fails when there is no answer within `timeout`. */
export const callAdmin = <A, E extends AdminError>(
  token: string,
  call: (client: AdminClient) => Effect.Effect<A, E>,
  timeout: Duration.Input = "30 seconds"
): Effect.Effect<A, GatewayFailed> =>
  clientOf(token).pipe(
    Effect.flatMap(call),
    Effect.mapError(describeFailure),
    within(timeout),
    Effect.provide(fetchLayer)
  )

const AdminFailure = Schema.Union([Unauthorized, TooManyRequests, BadRequest, NotFound, StorageUnavailable])

/**
 * Sends a body to a route of the admin API as the page gave it, so that the gateway itself judges every field and names
 * those that are wrong; the answer is checked like any other.
 */
export const sendAdmin = <S extends Schema.ConstraintDecoder<unknown, never>>(
  token: string,
  method: "POST" | "PATCH",
  path: `/${string}`,
  body: unknown,
  success: S
): Effect.Effect<S["Type"], GatewayFailed> =>
  HttpClientRequest.make(method)(`${gatewayUrl()}/admin/api${path}`).pipe(
    HttpClientRequest.bearerToken(token),
    HttpClientRequest.bodyJsonUnsafe(body),
    HttpClient.execute,
    Effect.mapError(describeFailure),
    Effect.flatMap((response) =>
      response.status < 300
        ? Effect.mapError(HttpClientResponse.schemaBodyJson(success)(response), describeFailure)
        : failureIn(response)
    ),
    within("30 seconds"),
    Effect.provide(fetchLayer)
  )

const failureIn = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<never, GatewayFailed> =>
  HttpClientResponse.schemaBodyJson(AdminFailure)(response).pipe(
    Effect.matchEffect({
      onSuccess: (failure) => Effect.fail(describeFailure(failure)),
      onFailure: () => Effect.fail(describeStatus(response.status))
    })
  )

const within =
  (timeout: Duration.Input) =>
  <A>(effect: Effect.Effect<A, GatewayFailed, HttpClient.HttpClient>) =>
    Effect.timeoutOrElse(effect, {
      duration: timeout,
      orElse: () =>
        Effect.fail(
          new GatewayFailed(
            "timeout",
            `The gateway did not answer within ${Duration.format(Duration.fromInputUnsafe(timeout))}.`
          )
        )
    })

/** The gateway's live status, once a second, until it fails. */
export const statusStream = (token: string) =>
  clientOf(token).pipe(
    Effect.flatMap((client) => client.events({})),
    Stream.unwrap,
    Stream.map((event) => event.data),
    Stream.mapError(describeFailure),
    Stream.provide(fetchLayer)
  )

/** What went wrong, for the person in front of the page. */
export const describeFailure = (
  error: AdminError | { readonly _tag: string; readonly message?: string }
): GatewayFailed => {
  switch (error._tag) {
    case "Unauthorized":
      return new GatewayFailed("unauthorized", "The gateway does not accept this admin token.")
    case "TooManyRequests":
      return new GatewayFailed("throttled", "Too many wrong tokens were tried. Wait a moment, then try again.")
    case "BadRequest":
      return new GatewayFailed(
        "rejected",
        error.message ?? "The gateway rejected the request.",
        "issues" in error ? error.issues : undefined
      )
    case "NotFound":
      return new GatewayFailed("not-found", error.message ?? "There is nothing under this id.")
    case "StorageUnavailable":
      return new GatewayFailed("unavailable", error.message ?? "The usage database can't be read now.")
    case "HttpClientError":
      return describeStatus((error as HttpClientError.HttpClientError).response?.status)
    default:
      return new GatewayFailed("incompatible", unknownAnswer)
  }
}

const unknownAnswer = "The gateway's answer has a form that this dashboard does not know. Are both of the same version?"

/** What an HTTP status says by itself; without one nothing answered. */
const describeStatus = (status: number | undefined): GatewayFailed => {
  if (status === undefined) {
    return new GatewayFailed("unreachable", `Nothing answers at ${gatewayUrl()}. Is the gateway running?`)
  }
  if (status === 401) return new GatewayFailed("unauthorized", "The gateway does not accept this admin token.")
  if (status >= 500) return new GatewayFailed("unavailable", `The gateway answered with HTTP ${status}.`)
  return new GatewayFailed("incompatible", unknownAnswer)
}
