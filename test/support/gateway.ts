/**
 * A gateway in this process, on a free loopback port: the real engine between real sockets.
 *
 * With `virtual` every wait of the engine is on a test clock, and timeouts, pauses and backoffs pass when the test says
 * `later`. Closing it drains like a shutdown.
 */
import { type Duration, Effect, Exit, Layer, Logger, ManagedRuntime, Redacted, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import type { Status } from "../../engine/src/AdminAnswers.ts"
import * as Config from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import * as Gateway from "../../engine/src/gateway/Gateway.ts"
import { listen } from "../../engine/src/gateway/Server.ts"
import type { Provider } from "../../engine/src/Provider.ts"

export const adminToken = "test-admin-token-0123456789"

export interface GatewayOptions {
  readonly bodyLimitBytes?: number
  readonly virtual?: boolean
  /** Providers made by code, by the name of a configured one. */
  readonly providers?: ReadonlyArray<Provider>
  /** Receives every line that is logged. */
  readonly log?: Array<string>
  /** Receives every span that has ended. */
  readonly tracer?: Tracer.Tracer
}

export interface TestGateway {
  readonly url: string
  readonly port: number
  readonly status: () => Promise<Status>
  /** Lets virtual time pass. */
  readonly later: (duration: Duration.Input) => Promise<void>
  /** Lets virtual time pass, second by second, until something has happened. */
  readonly passUntil: <A>(happens: Promise<A>) => Promise<A>
  readonly close: () => Promise<void>
}

export const startGateway = async (
  config: Config.EngineConfigInput,
  options: GatewayOptions = {}
): Promise<TestGateway> => {
  const decoded = await Effect.runPromise(Config.decode(config))
  const logger = Logger.layer([
    Logger.make(({ cause, message }) => options.log?.push(`${shown(message)} ${String(cause)}`))
  ])
  const engine = Engine.layerOf(decoded, { providers: options.providers })
  const clock = options.virtual === true ? TestClock.layer() : Layer.empty
  const tracer = options.tracer === undefined ? Layer.empty : Layer.succeed(Tracer.Tracer, options.tracer)
  const runtime = ManagedRuntime.make(
    engine.pipe(Layer.provideMerge(clock), Layer.provideMerge(logger), Layer.provideMerge(tracer))
  )
  const scope = Scope.makeUnsafe()
  const serve = Gateway.make({
    adminToken: Redacted.make(adminToken),
    bodyLimitBytes: options.bodyLimitBytes ?? decoded.server.bodyLimitBytes
  }).pipe(Effect.flatMap((gateway) => listen(gateway, { host: "127.0.0.1", port: 0, drainMs: 0 })))
  const { port } = await runtime.runPromise(Scope.provide(serve, scope))
  const later = (duration: Duration.Input) => runtime.runPromise(TestClock.adjust(duration))
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    status: () => runtime.runPromise(Engine.status),
    later,
    passUntil: async (happens) => {
      let done = false
      const settled = () => void (done = true)
      happens.then(settled, settled)
      while (!done) {
        await later("1 second")
        await new Promise((resolve) => setImmediate(resolve))
      }
      return happens
    },
    close: async () => {
      await runtime.runPromise(Scope.close(scope, Exit.void))
      await runtime.dispose()
    }
  }
}

/** A line with all its fields, so that a test sees what a log would. */
const shown = (message: unknown): string =>
  [message]
    .flat()
    .map((part) => (typeof part === "string" ? part : JSON.stringify(part)))
    .join(",")

/** Waits, real time, until nothing is being served: what a client sees ends a moment before what the server settles. */
export const idle = async (gateway: TestGateway): Promise<Status> => {
  for (;;) {
    const status = await gateway.status()
    if (status.providers.every(({ active, queued }) => active === 0 && queued === 0)) return status
    await new Promise((resolve) => setImmediate(resolve))
  }
}
