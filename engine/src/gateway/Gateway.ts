/**
 * The routes of the gateway over one engine.
 *
 * Inference routes run one fiber per request; `/admin/api` is handed to its own handler; health and metrics are answered
 * beside them. While it drains, new calls get 503 with Retry-After and running ones go on. It owns no socket: `Server` does.
 */
import { Clock, Effect, Exit, Fiber, Latch, type Redacted, type Scope } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Engine } from "../Engine.ts"
import { ShuttingDown } from "../Errors.ts"
import type { Services } from "../Live.ts"
import { Metrics } from "../Metrics.ts"
import { makeRequestId } from "../RequestId.ts"
import { Routing } from "../Routing.ts"
import { StatusSource } from "../Status.ts"
import { version } from "../version.ts"
import * as Admin from "./Admin.ts"
import { chatDialect } from "./ChatAnswer.ts"
import type { InboundDialect } from "./Dialect.ts"
import { healthOf } from "./Health.ts"
import { infer } from "./Inference.ts"
import { findModel, listModels } from "./Models.ts"
import { writeError, writeJson } from "./Respond.ts"

export interface GatewayOptions {
  readonly adminToken: Redacted.Redacted
  readonly bodyLimitBytes: number
}

export interface Gateway {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  /** Refuses new calls from now on, waits up to `drainMs` for running ones, and cancels what is left. */
  readonly drain: (drainMs: number) => Effect.Effect<void>
}

/** Where inference is served, by path. */
const dialects: { readonly [path: string]: InboundDialect } = { "/v1/chat/completions": chatDialect }

/** Paths of the contract that this version does not serve yet. */
const unavailable: ReadonlySet<string> = new Set([
  "/v1/responses",
  "/v1/messages",
  "/v1/messages/count_tokens",
  "/v1/embeddings"
])

export const make = (options: GatewayOptions): Effect.Effect<Gateway, never, Engine | Services | Scope.Scope> =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const routing = yield* Routing
    const metrics = yield* Metrics
    const status = yield* StatusSource
    const clock = yield* Clock.Clock
    const admin = yield* Admin.handler({ token: options.adminToken })
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const idle = yield* Latch.make(true)
    const running = new Set<Fiber.Fiber<void>>()
    const startedAtMs = clock.currentTimeMillisUnsafe()
    let draining = false

    const run = (effect: Effect.Effect<void>, request: IncomingMessage, response: ServerResponse) => {
      const fiber = runFork(effect)
      idle.closeUnsafe()
      running.add(fiber)
      // A request runs until its fiber has ended and its answer has left the process.
      let ends = 2
      const ended = () => {
        if (--ends > 0) return
        running.delete(fiber)
        if (running.size === 0) idle.openUnsafe()
      }
      response.once("close", () => {
        if (!response.writableFinished) fiber.interruptUnsafe()
        ended()
      })
      fiber.addObserver((exit) => {
        if (Exit.isFailure(exit)) writeJson(response, 500, failedBody)
        if (!request.complete) discard(request)
        ended()
      })
    }

    /** Takes what a refused body still brings, so that its sender gets to read the answer, but not for ever. */
    const discard = (request: IncomingMessage) => {
      request.resume()
      const cut = runFork(
        Effect.andThen(
          Effect.sleep(discardMs),
          Effect.sync(() => void request.destroy())
        )
      )
      request.once("close", () => cut.interruptUnsafe())
    }

    const inference = (dialect: InboundDialect, request: IncomingMessage, response: ServerResponse) => {
      if (!draining) {
        return run(
          infer({ engine, dialect, bodyLimitBytes: options.bodyLimitBytes }, request, response),
          request,
          response
        )
      }
      response.setHeader("connection", "close")
      writeError(response, dialect, new ShuttingDown({ retryAfterMs: 1000 }), makeRequestId(), undefined)
    }

    const routes: { readonly [path: string]: (request: IncomingMessage, response: ServerResponse) => void } = {
      "/": (_, response) => writeJson(response, 200, JSON.stringify({ name: "millrace", version })),
      "/health/live": (_, response) => writeJson(response, 200, JSON.stringify({ status: "live" })),
      "/health/ready": (request, response) => {
        const answer = Effect.map(status.get, (found) => {
          const health = healthOf(found, draining)
          writeJson(response, health.status === "ready" ? 200 : 503, JSON.stringify(health))
        })
        run(answer, request, response)
      },
      "/metrics": (request, response) => {
        const answer = Effect.map(metrics.text, (text) => {
          response.writeHead(200, { "content-type": metrics.registry.contentType })
          response.end(text)
        })
        run(answer, request, response)
      },
      "/v1/models": (request, response) =>
        writeJson(response, 200, listModels(routing.modelIds, request.headers, startedAtMs))
    }

    const routeOf = (path: string) => {
      if (Object.hasOwn(routes, path)) return routes[path]
      if (!path.startsWith(modelPrefix)) return undefined
      return (request: IncomingMessage, response: ServerResponse) =>
        findModel(routing.modelIds, path.slice(modelPrefix.length), request.headers, startedAtMs, response)
    }

    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      const { method = "GET", url = "/" } = request
      const end = url.indexOf("?")
      const path = end === -1 ? url : url.slice(0, end)
      const dialect = Object.hasOwn(dialects, path) ? dialects[path] : undefined
      if (dialect !== undefined) {
        return method === "POST" ? inference(dialect, request, response) : methodNotAllowed(response, "POST")
      }
      if (path === Admin.prefix || path.startsWith(`${Admin.prefix}/`)) return admin(request, response)
      const route = routeOf(path)
      if (route === undefined) return notFound(response, method, path)
      if (method !== "GET" && method !== "HEAD") return methodNotAllowed(response, "GET, HEAD")
      route(request, response)
    }

    const drain = (drainMs: number) =>
      Effect.gen(function* () {
        draining = true
        yield* Effect.timeoutOption(idle.await, drainMs)
        yield* Fiber.interruptAll([...running])
      })

    return { handle, drain }
  })

const modelPrefix = "/v1/models/"

/** How long the rest of a body that was refused is read before its connection is closed. */
const discardMs = 10_000

const methodNotAllowed = (response: ServerResponse, allowed: string): void =>
  writeJson(response, 405, errorBody(`use ${allowed} here`, "method_not_allowed"), {
    allow: allowed,
    "x-millrace-fault": "caller"
  })

const notFound = (response: ServerResponse, method: string, path: string): void => {
  const message = unavailable.has(path)
    ? `${path} is not available in this version of Millrace`
    : `there is nothing at ${method} ${path.slice(0, 200)}`
  writeJson(response, 404, errorBody(message, "not_found"), { "x-millrace-fault": "caller" })
}

const failedBody = JSON.stringify({
  error: { message: "the request failed", type: "server_error", param: null, code: "internal_error" }
})

const errorBody = (message: string, code: string): string =>
  JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } })
