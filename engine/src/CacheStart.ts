/**
 * What the exact cache begins with: entries of a store that outlives the process, and of a warm-up file.
 */
import { Effect, Fiber } from "effect"
import type { CacheContents } from "./CacheContents.ts"
import type { CacheOptions } from "./CacheOptions.ts"

/** Milliseconds of real time that the start waits for a store and a warm-up file; they go on aside after it. */
const startWaitMs = 1000

/** Loads what a store and a warm-up file have; a start waits a moment for it, and no request ever does. */
export const started = (options: CacheOptions, contents: CacheContents, now: () => number) =>
  Effect.gen(function* () {
    if (!options.enabled) return
    const loads: Array<Effect.Effect<void>> = []
    if (options.store !== undefined) loads.push(contents.attach(yield* options.store, now))
    if (options.warmup !== undefined) {
      loads.push(
        options.warmup((records) => {
          for (const record of records) contents.restore(record, now(), true)
        })
      )
    }
    if (loads.length === 0) return
    const loading = yield* Effect.forkScoped(Effect.all(loads, { discard: true }))
    yield* Effect.raceFirst(Fiber.await(loading), realPause(startWaitMs))
  })

/** A pause of real time, whatever Effect's Clock says: what is waited for is a disk. */
const realPause = (ms: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const timer = setTimeout(() => resume(Effect.void), ms)
    return Effect.sync(() => clearTimeout(timer))
  })
