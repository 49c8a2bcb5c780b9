/**
 * One gateway whose configuration can change: each configuration has a generation of the engine behind it.
 *
 * New calls go to the newest generation. Those before it go on until their last call has ended, however long a stream
 * takes, and are then let go. What has state and is configured as before is handed on (`Kept`); limits hold over the change
 * (`RateLimiter.reconfigure`). A configuration that is wrong, or that can't be put in force, changes nothing.
 */
import { Cause, Clock, Context, Effect, Exit, Layer, type Redacted, Scope, Semaphore } from "effect"
import type { ConfigError, EngineConfig } from "../Config.ts"
import { changesOf } from "../ConfigChanges.ts"
import { ConfigControl, ConfigRefused } from "../ConfigControl.ts"
import type { Loaded } from "../ConfigFile.ts"
import { redact } from "../ConfigRedact.ts"
import { sourcesOf } from "../ConfigSources.ts"
import { Engine } from "../Engine.ts"
import * as Kept from "../Kept.ts"
import type { LiveOptions, Services } from "../Live.ts"
import { gauges } from "../LiveStatus.ts"
import { defectFields, logOf } from "../Log.ts"
import { Metrics } from "../Metrics.ts"
import { RateLimiter } from "../RateLimiter.ts"
import * as Gateway from "./Gateway.ts"
import { ResponseMemory } from "./ResponseMemory.ts"

export interface GenerationsOptions {
  /** The configuration to begin with. */
  readonly first: Loaded
  /** Reads the configuration again. */
  readonly load: Effect.Effect<Loaded, ConfigError>
  /** Decodes a configuration that somebody wants to try. */
  readonly decode: (document: unknown) => Effect.Effect<EngineConfig, ConfigError>
  /** The token where the configuration names none. */
  readonly adminToken: Redacted.Redacted
  readonly live?: LiveOptions | undefined
}

export interface Generations {
  readonly gateway: Gateway.Gateway
  readonly control: ConfigControl["Service"]
  /** Runs an effect with the services and loggers of the configuration in force. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

interface Generation {
  readonly config: EngineConfig
  readonly gateway: Gateway.Gateway
  readonly context: Context.Context<Engine | Services>
  readonly scope: Scope.Closeable
  /** Of what may be there once only, for the newest generation. */
  readonly newest: Scope.Closeable
}

const log = logOf("Config")

export const make = (options: GenerationsOptions): Effect.Effect<Generations, never, Scope.Scope> =>
  Effect.gen(function* () {
    const owner = yield* Effect.scope
    const outside = yield* Effect.context<never>()
    const clock = yield* Clock.Clock
    const kept = yield* Kept.make(options.first.config, clock.currentTimeMillisUnsafe())
    const memory = new ResponseMemory(() => clock.currentTimeMillisUnsafe())
    const one = yield* Semaphore.make(1)
    const older = new Set<Generation>()
    const reloads = { applied: 0, refused: 0, unchanged: 0 }
    const changedIn = new Map<string, number>()
    let loaded = options.first
    let generation = 1
    let draining = false

    const control = ConfigControl.of({
      reload: one.withPermit(
        Effect.onExit(
          Effect.suspend(() => reload()),
          (exit) =>
            Effect.sync(() => {
              reloads[Exit.isFailure(exit) ? "refused" : exit.value.changed.length === 0 ? "unchanged" : "applied"]++
            })
        )
      ),
      validate: (document) =>
        Effect.match(document === undefined ? configOf(options.load) : options.decode(document), {
          onFailure: (error) => ({ issues: issuesOf(error), changed: [], needRestart: [] }),
          onSuccess: (config) => ({ issues: [], ...changesOf(newest.config, config) })
        }),
      sources: Effect.sync(() => ({
        file: loaded.file ?? null,
        generation,
        values: sourcesOf(redact(newest.config), loaded.given, changedIn)
      }))
    })

    const build = (config: EngineConfig) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(owner)
        const live: LiveOptions = { ...options.live, kept, gauges: false }
        const made = Effect.gen(function* () {
          const context = yield* Layer.buildWithScope(Engine.layerOf(config, live), scope)
          const gateway = yield* Effect.provideContext(
            Gateway.make({
              adminToken: config.server.adminToken ?? options.adminToken,
              bodyLimitBytes: config.server.bodyLimitBytes,
              memory,
              control
            }),
            Context.add(context, Scope.Scope, scope)
          )
          return { config, gateway, context, scope, newest: yield* Scope.fork(scope) }
        })
        return yield* Effect.onExit(made, (exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
        // Whoever asks for a reload has services of the old generation.
      }).pipe(Effect.updateContext((_: Context.Context<never>) => outside))

    /** Takes the gauges over: two generations that share a limiter would count its calls twice. */
    const observe = ({ config, context, newest }: Generation) =>
      Effect.provideContext(Layer.buildWithScope(gauges(config), newest), context)

    const retire = (old: Generation) =>
      Effect.gen(function* () {
        older.add(old)
        yield* Effect.forkIn(
          Effect.andThen(
            old.gateway.idle,
            Effect.suspend(() => {
              older.delete(old)
              return Scope.close(old.scope, Exit.void)
            })
          ),
          owner
        )
      })

    const reload = Effect.fnUntraced(function* () {
      if (draining) return yield* new ConfigRefused({ issues: [{ field: "", detail: "the server is shutting down" }] })
      const again = yield* Effect.mapError(options.load, (error) => new ConfigRefused({ issues: issuesOf(error) }))
      const { config } = again
      const old = newest
      const { changed, needRestart } = changesOf(old.config, config)
      if (needRestart.length > 0) {
        const detail = "can't change while the process runs; restart it"
        return yield* new ConfigRefused({ issues: needRestart.map((field) => ({ field, detail })) })
      }
      if (changed.length === 0) {
        loaded = again
        return { generation, changed }
      }
      const next = yield* Effect.catchCause(build(config), (cause) =>
        Effect.andThen(
          Effect.provideContext(
            log.error("the configuration could not be put in force", defectFields(Cause.squash(cause))),
            old.context
          ),
          Cause.hasInterruptsOnly(cause)
            ? Effect.interrupt
            : Effect.fail(
                new ConfigRefused({ issues: [{ field: "", detail: "it could not be put in force; the log says why" }] })
              )
        )
      )
      kept.use(config)
      Context.get(next.context, RateLimiter).reconfigure(config, clock.currentTimeMillisUnsafe())
      newest = next
      loaded = again
      generation += 1
      for (const path of changed) changedIn.set(path, generation)
      yield* Scope.close(old.newest, Exit.void)
      yield* observe(next)
      yield* retire(old)
      return { generation, changed }
    }, Effect.uninterruptible)

    let newest: Generation = yield* build(options.first.config)
    yield* observe(newest)
    yield* Effect.acquireRelease(
      Effect.sync(() => Context.get(newest.context, Metrics).observe({ configReloads: () => reloads })),
      (stop) => Effect.sync(stop)
    )

    return {
      control,
      run: (effect) => Effect.suspend(() => Effect.provideContext(effect, newest.context)),
      gateway: {
        handle: (request, response) => newest.gateway.handle(request, response),
        idle: Effect.suspend(() => newest.gateway.idle),
        drain: (drainMs) =>
          Effect.suspend(() => {
            draining = true
            return Effect.all(
              [newest, ...older].map(({ gateway }) => gateway.drain(drainMs)),
              { concurrency: "unbounded", discard: true }
            )
          })
      }
    }
  })

const configOf = (load: Effect.Effect<Loaded, ConfigError>) => Effect.map(load, ({ config }) => config)

const issuesOf = (error: ConfigError): ConfigRefused["issues"] =>
  error.issues.map(({ message, path }) => ({ field: path, detail: message }))
