/**
 * Keeps every provider's limits: calls at once, requests and tokens in a sliding window.
 *
 * At admission an attempt takes a permit and reserves one request and its tokens, all in one synchronous step (law 5);
 * if there is no room it waits in the provider's fair queue, up to `queue.maxWaitMs`, or is refused at once when the wait
 * would be longer. At settlement the permit goes back and the reservation is replaced by the true usage. The limiter
 * never calls a provider and never retries.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { type KeyLimitStatus, RateKeys } from "./RateKeys.ts"
import { type LaneHost, type LaneOptions, RateLane } from "./RateLane.ts"
import type { QueueHost, QueueOptions } from "./RateQueue.ts"
import type { LaneStatus } from "./RateStatus.ts"
import { noTenants, RateTenants, type TenantsOptions, type TenantStatus } from "./RateTenants.ts"
import type { AttemptStage } from "./Stage.ts"

export type { LaneOptions } from "./RateLane.ts"
export type { QueueOptions } from "./RateQueue.ts"
export type { LimitStatus } from "./RateScope.ts"
export type { LaneStatus } from "./RateStatus.ts"
export type { TenantOptions, TenantsOptions, TenantStatus } from "./RateTenants.ts"

export interface RateLimiterOptions {
  readonly providers: ReadonlyArray<LaneOptions>
  readonly queue: QueueOptions
  /** Weights and limits of tenants; all weigh the same and none has limits without it. */
  readonly tenants?: TenantsOptions | undefined
  /** Told about every wait that ended with admission. */
  readonly onWait?: ((provider: string, waitedMs: number) => void) | undefined
}

export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    readonly stage: AttemptStage
    /** Milliseconds until an attempt of this size could start at the provider; 0 when it could start now. */
    readonly waitMs: (provider: string, tokens: number, nowMs: number) => number
    /** Lets nothing through to a provider before `untilMs` (its Retry-After). */
    readonly pause: (provider: string, untilMs: number) => void
    /** Epoch milliseconds until which a provider is paused, 0 when it is not. */
    readonly pausedUntilMs: (provider: string) => number
    readonly status: (provider: string, nowMs: number) => LaneStatus | undefined
    /** Tenants that have limits of their own, at most `count`. */
    readonly tenants: (nowMs: number, count: number) => ReadonlyArray<TenantStatus>
    /** What a virtual key holds of its limits; undefined when it has none or was not used yet. */
    readonly key: (keyId: string, nowMs: number) => KeyLimitStatus | undefined
    /** Forgets the limits of a virtual key that is gone; what runs is still settled. */
    readonly forgetKey: (keyId: string) => void
    /** Goes on under other limits: what runs, waits and was taken lately counts under them. A provider that is gone keeps its own. */
    readonly reconfigure: (limits: Pick<RateLimiterOptions, "providers" | "queue" | "tenants">, nowMs: number) => void
  }
>()("millrace/RateLimiter") {
  /** Limits of this process alone. */
  static readonly layer = (options: RateLimiterOptions) =>
    Layer.effect(
      RateLimiter,
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        const runFork = Effect.runForkWith(yield* Effect.context<never>())
        const lanes = new Map<string, RateLane>()
        const wakeAfter: QueueHost["wakeAfter"] = (delayMs, run) => {
          const fiber = runFork(Effect.andThen(Effect.sleep(delayMs), Effect.sync(run)))
          return () => fiber.interruptUnsafe()
        }
        const later: QueueHost["later"] = (run) => void runFork(Effect.andThen(Effect.yieldNow, Effect.sync(run)))
        const tenants = new RateTenants(options.tenants ?? noTenants)
        const keys = new RateKeys()
        const host = { clock, wakeAfter, later, onWait: options.onWait, tenants, keys }
        const reconfigure: RateLimiter["Service"]["reconfigure"] = (limits, nowMs) => {
          tenants.reconfigure(limits.tenants ?? noTenants, nowMs)
          for (const provider of limits.providers) {
            const lane = lanes.get(provider.name)
            if (lane === undefined) lanes.set(provider.name, new RateLane(provider, limits.queue, host))
            else lane.reconfigure(provider, limits.queue)
          }
        }
        reconfigure(options, clock.currentTimeMillisUnsafe())
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            for (const lane of lanes.values()) lane.close()
          })
        )
        return make(lanes, host, reconfigure)
      })
    )
}

const make = (
  lanes: Map<string, RateLane>,
  { keys, tenants }: Pick<LaneHost, "keys" | "tenants">,
  reconfigure: RateLimiter["Service"]["reconfigure"]
): RateLimiter["Service"] =>
  RateLimiter.of({
    stage: (next) => (call) => {
      const lane = lanes.get(call.target.provider)
      return lane === undefined ? next(call) : lane.admit(call, next)
    },
    waitMs: (provider, tokens, nowMs) => lanes.get(provider)?.waitMs(tokens, nowMs) ?? 0,
    pause: (provider, untilMs) => lanes.get(provider)?.pause(untilMs),
    pausedUntilMs: (provider) => lanes.get(provider)?.pausedUntilMs ?? 0,
    status: (provider, nowMs) => lanes.get(provider)?.status(nowMs),
    tenants: (nowMs, count) => tenants.status(nowMs, count),
    key: (keyId, nowMs) => keys.status(keyId, nowMs),
    forgetKey: (keyId) => keys.forget(keyId),
    reconfigure
  })
