/**
 * Waits for a link to the shared state that is down, for a bounded time.
 *
 * For what has begun and can go on nowhere else; what can begin without the link does so and never waits here.
 */
import { Effect } from "effect"
import type { SharedLink } from "./SharedLink.ts"

/** Milliseconds until something that has failed is tried again on a link that is up. */
const againMs = 50

/** Whether the link is up, at the latest after so many milliseconds. */
export const recovered = (link: SharedLink, withinMs: number): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    // It may be up again already, or have had too much on its way.
    if (link.up()) return Effect.as(Effect.sleep(Math.min(againMs, withinMs)), true)
    const healed = Effect.callback<boolean>((resume) => {
      const stop = link.onChange((up) => {
        if (up) resume(Effect.succeed(true))
      })
      if (link.up()) resume(Effect.succeed(true))
      return Effect.sync(stop)
    })
    return Effect.raceFirst(healed, Effect.as(Effect.sleep(withinMs), false))
  })
