/**
 * What a lane tells about itself: its limits, its queue by priority and tenant, and the longest waits.
 *
 * It is read when somebody asks, and its lists are bounded. Nothing here decides anything.
 */
import type { RateQueue, RateWaiter } from "./RateQueue.ts"
import type { RateScope, ScopeLimits } from "./RateScope.ts"
import type { RateWait } from "./RateWait.ts"
import { defaultTenant, priorityOf } from "./Request.ts"

export interface LaneStatus {
  readonly active: number
  readonly queued: number
  readonly limits: ScopeLimits
  /** Models that have limits of their own. */
  readonly models: ReadonlyArray<{ readonly name: string; readonly active: number; readonly limits: ScopeLimits }>
  readonly queue: QueueStatus
}

export interface QueueStatus {
  readonly oldestWaitMs: number
  /** What a new interactive attempt of the default tenant would wait. */
  readonly expectedWaitMs: number
  /** Who waits, the largest groups first. */
  readonly groups: ReadonlyArray<{ readonly priority: number; readonly tenant: string; readonly waiting: number }>
  /** The longest waits, longest first. */
  readonly waiters: ReadonlyArray<WaiterStatus>
}

export interface WaiterStatus {
  readonly id: string
  readonly tenant: string
  readonly model: string
  readonly priority: number
  readonly waitedMs: number
  /** How many are served before it, at most, if nobody else comes. */
  readonly position: number
  /** How long it will wait yet, if nobody else comes. */
  readonly expectedWaitMs: number
}

/** A model with limits of its own. */
export interface LimitedModel {
  readonly name: string
  readonly scope: RateScope<RateWaiter>
  /** Its place in the queue, 1 or more. */
  readonly line: number
}

/** Groups and waiters that are listed. */
const listedMax = 20

export const laneStatus = (
  scope: RateScope,
  models: Iterable<LimitedModel>,
  queue: RateQueue,
  wait: RateWait,
  pausedUntilMs: number,
  nowMs: number
): LaneStatus => {
  const oldest = queue.oldest()
  const scopes = { model: undefined, tenant: undefined, key: undefined, line: 0, weight: 1 }
  const anybody = { priority: priorityOf(undefined), tenant: defaultTenant, scopes, tokens: 0 }
  const waitMs = (expectedMs: number) => Math.ceil(Math.max(0, pausedUntilMs - nowMs, expectedMs))
  const ahead = new Map<string, number>()
  return {
    active: scope.active,
    queued: queue.size,
    limits: scope.limits(nowMs),
    models: [...models].map((model) => ({
      name: model.name,
      active: model.scope.active,
      limits: model.scope.limits(nowMs)
    })),
    queue: {
      oldestWaitMs: oldest === undefined ? 0 : nowMs - oldest.joinedAtMs,
      expectedWaitMs: waitMs(wait.ofNew(anybody, nowMs).expectedMs),
      groups: queue.groups(listedMax),
      waiters: queue.oldestOf(listedMax).map((waiter) => {
        // Those of its own tenant that came before it are listed before it.
        const flow = `${waiter.priority} ${waiter.tenant}`
        const before = ahead.get(flow) ?? 0
        ahead.set(flow, before + 1)
        const { expectedMs, position } = wait.ofWaiter(waiter, before, nowMs)
        return {
          id: waiter.call.request.id,
          tenant: waiter.call.request.tenant,
          model: waiter.call.target.model,
          priority: waiter.priority,
          waitedMs: nowMs - waiter.joinedAtMs,
          position,
          expectedWaitMs: waitMs(expectedMs)
        }
      })
    }
  }
}
