/**
 * Hints of a request that a provider made by code has left out, told to whoever reads the logs.
 *
 * Only hints are left out: what would change the meaning of a request is an error instead. Paths and settings are named,
 * never their values.
 */
import { Effect } from "effect"
import type { AttemptCall } from "./Stage.ts"

export const reportOmitted = ({ request, target }: AttemptCall, omitted: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.logWarning("left out of the request", { ...target, requestId: request.id, omitted })
