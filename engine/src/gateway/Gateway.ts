/**
 * The routes of the gateway over one engine.
 *
 * Where virtual keys are required, everything but health and the admin API needs one. Inference routes run one fiber per
 * request; `/admin/api` is handed to its own handler; health and metrics are answered
 * beside them. While it drains, new calls get 503 with Retry-After and running ones go on. It owns no socket: `Server` does.
 */
import { Clock, Effect, Exit, Fiber, Latch, type Redacted, type Scope } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { ConfigControl } from "../ConfigControl.ts"
import { Engine } from "../Engine.ts"
import { ShuttingDown } from "../Errors.ts"
import { allows, type Grant, isNarrowed } from "../Grant.ts"
import { Keys } from "../Keys.ts"
import type { Services } from "../Live.ts"
import { Metrics } from "../Metrics.ts"
import { makeRequestId } from "../RequestId.ts"
import { Providers } from "../Providers.ts"
import { Routing } from "../Routing.ts"
import { StatusSource } from "../Status.ts"
import { Tokenizer } from "../Tokenizer.ts"
import { version } from "../version.ts"
import * as Admin from "./Admin.ts"
import { grantById, playgroundCall } from "./AdminPlayground.ts"
import { healthOf } from "./Health.ts"
import { infer } from "./Inference.ts"
import { KeyAuth, type KeyError, withoutKey } from "./KeyAuth.ts"
import { findModel, listModels } from "./Models.ts"
import { probeProvider } from "./Probe.ts"
import { writeError, writeJson } from "./Respond.ts"
import { ResponseMemory } from "./ResponseMemory.ts"
import { type Inbound, inboundRoutes, pathError, type Shape, shapeOf } from "./Routes.ts"
import { writeShapeError } from "./ShapeErrors.ts"
import { promptCounter } from "./TokenCounts.ts"

export interface GatewayOptions {
  readonly adminToken: Redacted.Redacted
  readonly bodyLimitBytes: number
  /** Answers that `previous_response_id` can name; of its own unless given. */
  readonly memory?: ResponseMemory | undefined
  /** Changes of the configuration by the admin API; refused unless given. */
  readonly control?: ConfigControl["Service"] | undefined
}

export interface Gateway {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  /** Waits until no call runs. */
  readonly idle: Effect.Effect<void>
  /** Refuses new calls from now on, waits up to `drainMs` for running ones, and cancels what is left. */
  readonly drain: (drainMs: number) => Effect.Effect<void>
}

export const make = (options: GatewayOptions): Effect.Effect<Gateway, never, Engine | Services | Scope.Scope> =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const routing = yield* Routing
    const keys = yield* Keys
    const auth = new KeyAuth({ keys, adminToken: options.adminToken })
    const metrics = yield* Metrics
    const status = yield* StatusSource
    const clock = yield* Clock.Clock
    const inboundAt = inboundRoutes(options.memory ?? new ResponseMemory(() => clock.currentTimeMillisUnsafe()))
    const counter = promptCounter({ providers: yield* Providers, routing, tokenizer: yield* Tokenizer })
    const admin = yield* Admin.handler({
      token: options.adminToken,
      control: options.control,
      takes: (request, response) => playground(request, response),
      probe: (provider, model) => probeProvider(engine, provider, model)
    })
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

    const inferring = (
      { dialect, verb }: Inbound,
      grant: Grant | undefined,
      keysRequired: boolean,
      request: IncomingMessage,
      response: ServerResponse
    ): Effect.Effect<void> => {
      const { bodyLimitBytes } = options
      const count = verb === "count" ? counter : undefined
      return infer(
        { engine, dialect, bodyLimitBytes, count, grant, keysRequired, refused: metrics.refused },
        request,
        response
      )
    }

    const inference = (
      inbound: Inbound,
      grant: Grant | undefined,
      request: IncomingMessage,
      response: ServerResponse
    ) =>
      draining
        ? refuseDraining(inbound, response)
        : run(inferring(inbound, grant, keys.required(), request, response), request, response)

    const refuseDraining = ({ dialect }: Inbound, response: ServerResponse) => {
      const error = new ShuttingDown({ retryAfterMs: 1000 })
      metrics.refused(error)
      response.setHeader("connection", "close")
      writeError(response, dialect, error, makeRequestId(), undefined)
    }

    /** Serves what the admin token has let in to the playground; false for every other path. */
    const playground = (request: IncomingMessage, response: ServerResponse): boolean => {
      const asked = playgroundCall(request.url ?? "/")
      if (asked === undefined) return false
      const inbound = inboundAt("/v1/chat/completions", "")!
      if (request.method !== asked.method) methodNotAllowed(response, "openai", asked.method)
      else if (draining) refuseDraining(inbound, response)
      else {
        const answer = Effect.matchEffect(grantById(keys, asked.keyId), {
          onFailure: (error) =>
            Effect.sync(() => writeError(response, inbound.dialect, error, makeRequestId(), undefined)),
          onSuccess: (grant) =>
            asked.verb === "answer"
              ? inferring(inbound, grant, grant !== undefined && keys.required(), request, response)
              : Effect.sync(() => writeJson(response, 200, listModels(modelIds(grant), "openai", startedAtMs)))
        })
        run(answer, request, response)
      }
      return true
    }

    /** Ids of models that a key may ask for. */
    const modelIds = (grant: Grant | undefined): ReadonlyArray<string> => {
      if (grant === undefined || !isNarrowed(grant)) return routing.modelIds
      return routing.modelIds.filter((id) => {
        const targets = routing.resolve({ model: id, provider: undefined })
        return "length" in targets && targets.some((target) => allows(grant, id, target))
      })
    }

    const listed: Route = (request, response, grant) =>
      writeJson(response, 200, listModels(modelIds(grant), shapeOf(request.url ?? "/", request.headers), startedAtMs))

    const routes: { readonly [path: string]: Route } = {
      "/": (_, response) => writeJson(response, 200, JSON.stringify({ name: "millrace", version })),
      "/health/live": (_, response) => writeJson(response, 200, JSON.stringify({ status: "live" })),
      "/health/ready": (request, response) => {
        const answer = Effect.map(status.get, (found) => {
          const health = healthOf(found, draining, keys.required() ? keys.health() : undefined)
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
      "/v1/models": listed,
      "/v1beta/models": listed
    }

    const routeOf = (path: string): Route | undefined => {
      if (Object.hasOwn(routes, path)) return routes[path]
      const id = /^\/v1(?:beta)?\/models\/(.+)$/.exec(path)?.[1]
      if (id === undefined) return undefined
      return (request, response, grant) =>
        findModel(modelIds(grant), id, shapeOf(path, request.headers), startedAtMs, response)
    }

    /** What becomes of a request without a valid key; nothing of its body is read but to let its sender hear the answer. */
    const refuse = (
      inbound: Inbound | undefined,
      shape: Shape,
      error: KeyError,
      request: IncomingMessage,
      response: ServerResponse
    ) => {
      metrics.refused(error)
      if (error.status === 401) response.setHeader("www-authenticate", 'Bearer realm="millrace"')
      if (inbound === undefined) writeShapeError(response, shape, error, makeRequestId())
      else writeError(response, inbound.dialect, error, makeRequestId(), undefined)
      if (!request.complete) discard(request)
    }

    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      const { method = "GET", url = "/" } = request
      const end = url.indexOf("?")
      const path = end === -1 ? url : url.slice(0, end)
      if (path === Admin.prefix || path.startsWith(`${Admin.prefix}/`)) return admin(request, response)
      const { key, query } = withoutKey(end === -1 ? "" : url.slice(end + 1))
      if (key !== undefined) request.url = query === "" ? path : `${path}?${query}`
      const inbound = inboundAt(path, query)
      const shape = shapeOf(path, request.headers)
      let grant: Grant | undefined
      if (!openPaths.has(path)) {
        const nowMs = clock.currentTimeMillisUnsafe()
        const admission =
          path === "/metrics" ? auth.admitToMetrics(request, key, nowMs) : auth.admit(request, key, nowMs)
        if (admission._tag === "Refused") return refuse(inbound, shape, admission.error, request, response)
        grant = admission.grant
      }
      if (inbound !== undefined) {
        return method === "POST"
          ? inference(inbound, grant, request, response)
          : methodNotAllowed(response, shape, "POST")
      }
      const route = routeOf(path)
      if (route === undefined) return notFound(response, shape, method, path)
      if (method === "POST" && unknownMethod.test(path)) return notFound(response, shape, method, path)
      if (method !== "GET" && method !== "HEAD") return methodNotAllowed(response, shape, "GET, HEAD")
      route(request, response, grant)
    }

    const drain = (drainMs: number) =>
      Effect.gen(function* () {
        draining = true
        yield* Effect.timeoutOption(idle.await, drainMs)
        yield* Fiber.interruptAll([...running])
      })

    return { handle, idle: idle.await, drain }
  })

type Route = (request: IncomingMessage, response: ServerResponse, grant: Grant | undefined) => void

/** What needs no key, whatever is required. */
const openPaths: ReadonlySet<string> = new Set(["/health/live", "/health/ready"])

/** A Gemini method that no dialect serves; to GET, what follows the colon is part of a model's name. */
const unknownMethod = /^\/v1(?:beta)?\/models\/.+:[A-Za-z]+$/

/** How long the rest of a body that was refused is read before its connection is closed. */
const discardMs = 10_000

const methodNotAllowed = (response: ServerResponse, shape: Shape, allowed: string): void =>
  writeJson(response, 405, pathError(shape, 405, `use ${allowed} here`, "method_not_allowed"), {
    allow: allowed,
    "x-millrace-fault": "caller"
  })

const notFound = (response: ServerResponse, shape: Shape, method: string, path: string): void => {
  const message = `there is nothing at ${method} ${path.slice(0, 200)}`
  writeJson(response, 404, pathError(shape, 404, message, "not_found"), { "x-millrace-fault": "caller" })
}

const failedBody = JSON.stringify({
  error: { message: "the request failed", type: "server_error", param: null, code: "internal_error" }
})
