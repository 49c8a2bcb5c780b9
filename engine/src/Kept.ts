/**
 * Concerns whose state outlives a change of the configuration: limits, circuits, caches, connections, the usage database.
 *
 * Each configuration that is put in force makes a whole set of layers. A concern whose part of the configuration is the
 * same as before is handed on as it is; one whose part has changed is made anew, and the old one lives until the last call
 * that began with it has ended. A concern's name and its part of the configuration tell it from others; keys are compared
 * by value, also where they are redacted.
 */
import { type Context, Effect, Equal, Hash, Layer, RcMap, type Scope } from "effect"
import type { EngineConfig } from "./Config.ts"

export interface Kept {
  /** The configuration in force. Functions of a kept concern read it here, so that they follow a change. */
  readonly config: () => EngineConfig
  /** Puts a configuration in force. */
  readonly use: (config: EngineConfig) => void
  /** The layer, or what was made for the same name and an equal part of an earlier configuration. */
  readonly layer: <A, E, R>(name: string, part: unknown, layer: Layer.Layer<A, E, R>) => Layer.Layer<A, E, R>
  /** When the first configuration was put in force, in epoch milliseconds. */
  readonly sinceMs: number
}

export const make = (first: EngineConfig, sinceMs: number): Effect.Effect<Kept, never, Scope.Scope> =>
  Effect.map(RcMap.make({ lookup: (entry: Entry) => entry.build }), (entries) => {
    let inForce = first
    return {
      config: () => inForce,
      use: (config) => {
        inForce = config
      },
      layer: <A, E, R>(name: string, part: unknown, layer: Layer.Layer<A, E, R>) =>
        Layer.effectContext(
          Effect.contextWith((context: Context.Context<R | Scope.Scope>) =>
            RcMap.get(entries, new Entry(name, part, buildOf(layer, context)))
          )
        ) as unknown as Layer.Layer<A, E, R>,
      sinceMs
    }
  })

type Build = Effect.Effect<Context.Context<never>, unknown, Scope.Scope>

/** Builds a layer in the scope of its entry, with what it needs from whoever asks first. */
const buildOf = <A, E, R>(layer: Layer.Layer<A, E, R>, context: Context.Context<R | Scope.Scope>): Build =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.provideContext(Layer.buildWithScope(layer, scope), context as Context.Context<R>)
  ) as Build

class Entry implements Equal.Equal {
  private readonly name: string
  private readonly part: unknown
  readonly build: Build

  constructor(name: string, part: unknown, build: Build) {
    this.name = name
    this.part = part
    this.build = build
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof Entry && this.name === that.name && Equal.equals(this.part, that.part)
  }

  [Hash.symbol](): number {
    return Hash.string(this.name)
  }
}
