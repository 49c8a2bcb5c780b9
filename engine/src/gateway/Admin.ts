/**
 * The admin API as a request listener of a plain Node server: everything under `/admin/api`.
 *
 * The token is asked for before anything else, so that without it every path and method is 401, known or not. Behind it
 * the routes of `admin-api` run through `HttpApiBuilder`. Answers are JSON, are never cached, and carry no secret; a
 * failure that nobody foresaw is a 500 without details, which are logged.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { NodeHttpServer } from "@effect/platform-node"
import { Cause, Clock, Effect, Layer, Option, Redacted, Schedule, type Scope, Stream } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { isHttpServerError } from "effect/http/HttpServerError"
import { HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import { AdminApi, AdminAuth as AdminAuthMiddleware, NotFound, RequestCheck, Unauthorized } from "../admin-api.ts"
import type { ProviderProbe } from "../AdminAnswers.ts"
import type { Budget } from "../Budget.ts"
import type { Cache } from "../Cache.ts"
import type { ConfigControl } from "../ConfigControl.ts"
import { describeIssues } from "../Issues.ts"
import { defectFields, logOf } from "../Log.ts"
import type { Keys } from "../Keys.ts"
import type { RateLimiter } from "../RateLimiter.ts"
import type { Pricing } from "../Pricing.ts"
import type { Routing } from "../Routing.ts"
import { StatusSource } from "../Status.ts"
import type { UsageLog } from "../UsageLog.ts"
import { type Admission, AdminAuth } from "./AdminAuth.ts"
import { budgetHandlers } from "./AdminBudgets.ts"
import { cacheHandlers } from "./AdminCache.ts"
import { configHandlers, noControl } from "./AdminConfig.ts"
import { AdminSources } from "../AdminSources.ts"
import { priceHandlers } from "./AdminPrices.ts"
import { keysHandlers } from "./AdminKeys.ts"
import { semanticHandlers } from "./AdminSemantic.ts"
import { badRequest, usageHandlers } from "./AdminUsage.ts"

export interface AdminOptions {
  readonly token: Redacted.Redacted
  /** Changes of the configuration; refused unless given. */
  readonly control?: ConfigControl["Service"] | undefined
  /** Takes a request that the token has let in, before the routes do; false leaves it to them. */
  readonly takes?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  /** Calls a provider once; refused unless given. */
  readonly probe?: ((provider: string, model: string) => Effect.Effect<ProviderProbe>) | undefined
  /** Wrong tokens of one address in a minute that are answered with 401, 50 by default; more get 429. */
  readonly maxFailures?: number | undefined
}

/** What the routes read and change. */
export type AdminServices =
  | AdminSources
  | Budget
  | Cache
  | Keys
  | Pricing
  | RateLimiter
  | Routing
  | StatusSource
  | UsageLog

/** Path under which everything is served. */
export const prefix = "/admin/api"

/** Serves one request whose path is `/admin/api` or below it. Requests that run are cut off when the scope closes. */
export type AdminHandler = (request: IncomingMessage, response: ServerResponse) => void

export const handler = (options: AdminOptions): Effect.Effect<AdminHandler, never, AdminServices | Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const clock = yield* Clock.Clock
    const auth = new AdminAuth({ token: options.token, maxFailures: options.maxFailures ?? 50 })
    const app = yield* HttpRouter.toHttpEffect(routes(auth, options))
    const serve = yield* NodeHttpServer.makeHandler(answered(app), { scope })
    return (request, response) => {
      for (const [name, value] of securityHeaders) response.setHeader(name, value)
      const address = request.socket.remoteAddress ?? ""
      const admission = auth.admit(request.headers.authorization, address, clock.currentTimeMillisUnsafe())
      if (admission._tag !== "Admitted") refuse(response, admission)
      else if (options.takes?.(request, response) !== true) serve(request, response)
    }
  })

const securityHeaders: ReadonlyArray<readonly [string, string]> = [
  ["cache-control", "no-store"],
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"]
]

/** The body of a refused request is not read: the connection ends with the answer. */
const refuse = (response: ServerResponse, admission: Exclude<Admission, { readonly _tag: "Admitted" }>): void => {
  response.setHeader("content-type", "application/json")
  response.setHeader("connection", "close")
  if (admission._tag === "TooManyRequests") {
    const { retryAfterSeconds } = admission
    response.writeHead(429, { "retry-after": String(retryAfterSeconds) })
    const message = `too many wrong tokens came from this address; try again in ${retryAfterSeconds} s`
    response.end(JSON.stringify({ _tag: admission._tag, message, retryAfterSeconds }))
    return
  }
  response.writeHead(401, { "www-authenticate": 'Bearer realm="millrace admin"' })
  response.end(JSON.stringify({ _tag: admission._tag, message: unauthorized }))
}

const unauthorized = "the admin API needs the admin token: Authorization: Bearer <adminToken>"

const routes = (auth: AdminAuth, { control = noControl, probe }: AdminOptions) =>
  HttpApiBuilder.layer(AdminApi, { openapiPath: `${prefix}/openapi.json` }).pipe(
    Layer.provide([
      statusHandlers(probe),
      configHandlers(control),
      usageHandlers,
      keysHandlers,
      budgetHandlers,
      priceHandlers,
      cacheHandlers,
      semanticHandlers
    ]),
    Layer.provide([authMiddleware(auth), requestCheck]),
    Layer.provide(HttpServer.layerServices)
  )

/** The listener has judged the token already; the routes judge it again, so that they are safe wherever they are used. */
const authMiddleware = (auth: AdminAuth) =>
  Layer.succeed(AdminAuthMiddleware, {
    bearer: (route, { credential }) =>
      auth.accepts(Redacted.value(credential)) ? route : Effect.fail(new Unauthorized({ message: unauthorized }))
  })

const requestCheck = HttpApiMiddleware.layerSchemaErrorTransform(RequestCheck, (error) =>
  error.kind === "Body" || error.kind === "ResponseHeaders"
    ? Effect.fail(error)
    : Effect.fail(badRequest(describeIssues(error.cause.issue)))
)

const noProvider = (name: string) =>
  Effect.fail(new NotFound({ message: `no provider is named ${JSON.stringify(name)}` }))

const statusHandlers = (probe: AdminOptions["probe"]) =>
  HttpApiBuilder.group(
    AdminApi,
    "status",
    Effect.fnUntraced(function* (handlers) {
      const status = yield* StatusSource
      const sources = yield* AdminSources
      const events = Stream.fromEffectSchedule(status.get, Schedule.spaced("1 second")).pipe(
        Stream.map((data) => ({ event: "status" as const, data }))
      )
      return handlers.handleAll({
        status: () => status.get,
        events: () => Effect.succeed(events),
        providers: () => Effect.map(sources.providers, (providers) => ({ providers })),
        breaker: ({ params, payload }) =>
          Effect.flatMap(sources.setBreaker(params.name, payload), (provider) =>
            provider === undefined ? noProvider(params.name) : Effect.succeed(provider)
          ),
        probe: ({ params, payload }) =>
          Effect.flatMap(sources.providers, (providers) => {
            const found = providers.find(({ name }) => name === params.name)
            const model = payload?.model ?? found?.model
            if (found === undefined || probe === undefined) return noProvider(params.name)
            return model === undefined || model === null
              ? Effect.fail(new NotFound({ message: `name a model of ${params.name}` }))
              : probe(found.name, model)
          }),
        config: () => sources.config
      })
    })
  )

const log = logOf("Admin")

/** Gives every failure of the routes an answer; only an interruption goes through. */
const answered = <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.catchCause(app, (cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
    const failure = Cause.findErrorOption(cause)
    if (Option.isSome(failure) && isHttpServerError(failure.value) && failure.value.reason._tag === "RouteNotFound") {
      return Effect.succeed(noSuchRoute)
    }
    return Effect.as(log.error("an admin request failed", defectFields(Cause.squash(cause))), failedInside)
  })

const noSuchRoute = HttpServerResponse.jsonUnsafe(
  { _tag: "NotFound", message: "the admin API has no such route" },
  { status: 404 }
)

const failedInside = HttpServerResponse.jsonUnsafe(
  { _tag: "InternalError", message: "the request failed; the log of the server says why" },
  { status: 500 }
)
