/**
 * The routes of the gateway over one engine.
 *
 * Inference routes run one fiber per request; `/admin/api` is handed to its own handler; health and metrics are answered
 * beside them. While it drains, new calls get 503 with Retry-After and running ones go on. It owns no socket: `Server` does.
 */
import { Clock, Effect, Fiber, Latch, type Redacted, type Scope } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Engine } from "../Engine.ts"
import { ShuttingDown } from "../Errors.ts"
import type { Services } from "../Live.ts"
import { Metrics } from "../Metrics.ts"
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
      response.once("close", () => {
        if (!response.writableFinished) fiber.interruptUnsafe()
      })
      fiber.addObserver(() => {
        running.delete(fiber)
        if (running.size === 0) idle.openUnsafe()
        // A body that nobody read would hold the connection.
        if (!request.complete) request.resume()
      })
    }

    const inference = (dialect: InboundDialect, request: IncomingMessage, response: ServerResponse) => {
      if (draining) {
        response.setHeader("connection", "close")
        request.resume()
        return writeError(response, dialect, new ShuttingDown({ retryAfterMs: 1000 }), undefined)
      }
      run(infer({ engine, dialect, bodyLimitBytes: options.bodyLimitBytes }, request, response), request, response)
    }

    const get = (path: string, request: IncomingMessage, response: ServerResponse): boolean => {
      switch (path) {
        case "/":
          writeJson(response, 200, JSON.stringify({ name: "millrace", version }))
          return true
        case "/health/live":
          writeJson(response, 200, JSON.stringify({ status: "live" }))
          return true
        case "/health/ready":
          run(
            Effect.map(status.get, (found) => {
              const health = healthOf(found, draining)
              writeJson(response, health.status === "ready" ? 200 : 503, JSON.stringify(health))
            }),
            request,
            response
          )
          return true
        case "/metrics":
          run(
            Effect.map(metrics.text, (text) => {
              response.writeHead(200, { "content-type": metrics.registry.contentType })
              response.end(text)
            }),
            request,
            response
          )
          return true
        case "/v1/models":
          writeJson(response, 200, listModels(routing.modelIds, request.headers, startedAtMs))
          return true
        default:
          if (!path.startsWith("/v1/models/")) return false
          findModel(routing.modelIds, path.slice("/v1/models/".length), request.headers, startedAtMs, response)
          return true
      }
    }

    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      const url = request.url ?? "/"
      const end = url.indexOf("?")
      const path = end === -1 ? url : url.slice(0, end)
      const dialect = Object.hasOwn(dialects, path) ? dialects[path] : undefined
      if (dialect !== undefined) {
        if (request.method === "POST") return inference(dialect, request, response)
        return methodNotAllowed(request, response, "POST")
      }
      if (path === Admin.prefix || path.startsWith(`${Admin.prefix}/`)) return admin(request, response)
      if (request.method === "GET" && get(path, request, response)) return
      request.resume()
      notFound(request, response, path)
    }

    const drain = (drainMs: number) =>
      Effect.gen(function* () {
        draining = true
        yield* Effect.timeoutOption(idle.await, drainMs)
        yield* Fiber.interruptAll([...running])
      })

    return { handle, drain }
  })

const methodNotAllowed = (request: IncomingMessage, response: ServerResponse, allowed: string): void => {
  request.resume()
  writeJson(response, 405, errorBody(`use ${allowed} here`, "method_not_allowed"), { allow: allowed })
}

const notFound = (request: IncomingMessage, response: ServerResponse, path: string): void => {
  const message = unavailable.has(path)
    ? `${path} is not available in this version of Millrace`
    : `there is nothing at ${request.method ?? "GET"} ${path.slice(0, 200)}`
  writeJson(response, 404, errorBody(message, "not_found"), { "x-millrace-fault": "caller" })
}

const errorBody = (message: string, code: string): string =>
  JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } })
