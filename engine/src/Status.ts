/**
 * Where the live status comes from: one service, implemented by the Engine, read by every door.
 */
import { Context, type Effect } from "effect"
import type { Status } from "./AdminAnswers.ts"

export class StatusSource extends Context.Service<
  StatusSource,
  {
    /** What the engine is doing now; cheap enough to be asked once a second by every open dashboard. */
    readonly get: Effect.Effect<Status>
  }
>()("millrace/StatusSource") {}
