/**
 * The way of attempts to one provider: what they reserve, whether they go, wait or are refused, and their settlement.
 *
 * Every decision is synchronous, so it is atomic: a permit, a request and tokens of the provider, the model, the tenant and
 * the key are taken together or not at all (law 5). The limits are in `RateScope`, the waiters in `RateQueue`. A lane never
 * opens a connection.
 */
import { Effect } from "effect"
import type { Call, Outcome } from "./Call.ts"
import { ProviderRateLimited, QueueFull, RateLimitExceeded, ShuttingDown } from "./Errors.ts"
import type { RateLimits } from "./Provider.ts"
import { RateEstimate } from "./RateEstimate.ts"
import { type QueueHost, type QueueOptions, RateQueue, RateWaiter, type Refusal, type Scopes } from "./RateQueue.ts"
import type { RateKeys } from "./RateKeys.ts"
import { callerLimitsOf, type Hold, RateScope, type ScopeRates } from "./RateScope.ts"
import { laneStatus, type LaneStatus, type LimitedModel } from "./RateStatus.ts"
import type { RateTenants } from "./RateTenants.ts"
import { usedOf } from "./RateUsed.ts"
import { type Candidate, type Estimate, RateWait } from "./RateWait.ts"
import { defaultTenant } from "./Request.ts"
import type { AttemptCall, OpenAttempt } from "./Stage.ts"

export interface LaneOptions {
  readonly name: string
  readonly maxTokens: number | undefined
  readonly rateLimits: RateLimits
  /** Limits of single models beside those of the provider. */
  readonly modelLimits?: { readonly [model: string]: ScopeRates } | undefined
}

export interface LaneHost extends QueueHost {
  readonly tenants: RateTenants
  readonly keys: RateKeys
  readonly onWait: ((provider: string, waitedMs: number) => void) | undefined
}

/** What an attempt holds of its scopes until it is settled. */
interface Reservation {
  readonly provider: Hold
  readonly model: Hold | undefined
  readonly tenant: Hold | undefined
  readonly key: Hold | undefined
  readonly tokens: number
  readonly takenAtMs: number
}

/** Shortest time in milliseconds that a refused caller is told to wait. */
const retryAfterMsMin = 1000

export class RateLane {
  /** Epoch milliseconds until which nothing goes; 0 when the provider never asked for a pause. */
  pausedUntilMs = 0
  private options: LaneOptions
  private queueOptions: QueueOptions
  private readonly host: LaneHost
  private readonly scope: RateScope
  /** Models with limits of their own; each has a line in the queue. */
  private readonly models = new Map<string, LimitedModel>()
  /** What attempts take of that have no limits beside the provider's. */
  private providerAlone: Scopes
  private readonly queue: RateQueue
  private readonly wait: RateWait
  private readonly estimate = new RateEstimate()
  private lines = 0
  private closed = false

  constructor(options: LaneOptions, queueOptions: QueueOptions, host: LaneHost) {
    this.options = options
    this.queueOptions = queueOptions
    this.host = host
    this.scope = new RateScope(options.name, options.rateLimits)
    this.scope.onRoom = () => this.queue.pump()
    for (const [model, limits] of Object.entries(options.modelLimits ?? {})) {
      this.addModel(model, { ...limits, learn: options.rateLimits.learn })
    }
    const weight = host.tenants.weightOf(defaultTenant)
    this.providerAlone = { model: undefined, tenant: undefined, key: undefined, line: 0, weight }
    this.queue = new RateQueue(host, queueOptions.maxWaitMs, {
      openInMs: (nowMs) => (this.scope.hasPlace ? Math.max(0, this.pausedUntilMs - nowMs) : Number.POSITIVE_INFINITY),
      roomInMs: ({ tokens }, nowMs) => this.scope.roomInMs(tokens, nowMs),
      admit: (waiter, nowMs) => this.admitWaiter(waiter, nowMs),
      refuse: ({ resume }, refusal) => resume(Effect.andThen(Effect.yieldNow, Effect.fail(refusal))),
      lateness: (waiter, nowMs) => this.lateness(waiter, nowMs)
    })
    this.wait = new RateWait(this.scope, this.queue)
  }

  /** Goes on under other limits with whoever runs and waits. */
  reconfigure(options: LaneOptions, queueOptions: QueueOptions): void {
    const { nowMs } = this
    const { learn } = options.rateLimits
    this.options = options
    this.queueOptions = queueOptions
    this.queue.maxWaitMs = queueOptions.maxWaitMs
    this.scope.reconfigure(options.rateLimits, nowMs)
    const modelLimits = options.modelLimits ?? {}
    for (const model of this.models.keys()) if (!Object.hasOwn(modelLimits, model)) this.models.delete(model)
    for (const [model, limits] of Object.entries(modelLimits)) {
      const known = this.models.get(model)
      if (known === undefined) this.addModel(model, { ...limits, learn })
      else known.scope.reconfigure({ ...limits, learn }, nowMs)
    }
    this.providerAlone = { ...this.providerAlone, weight: this.host.tenants.weightOf(defaultTenant) }
    this.queue.pump()
  }

  admit(call: AttemptCall, next: OpenAttempt): ReturnType<OpenAttempt> {
    return Effect.suspend(() => {
      const nowMs = this.nowMs
      const scopes = this.scopesOf(call, nowMs)
      const least = (call.journal.promptTokens ?? 0) + (call.request.maxTokens ?? 0)
      const tooLarge = this.tooLarge(scopes, least)
      if (tooLarge !== undefined) return Effect.fail(tooLarge)
      const tokens = this.tokensOf(call)
      if (this.queue.size === 0 && this.free(scopes, tokens, nowMs)) {
        this.take(call, scopes, tokens, nowMs)
        return next(call)
      }
      call.journal.callerLimits = callerLimitsOf(scopes.tenant, scopes.key, nowMs)
      const refusal = this.refusal(call, scopes, tokens, nowMs)
      if (refusal !== undefined) return Effect.fail(refusal)
      return this.join(call, scopes, tokens, nowMs, next)
    })
  }

  /** Milliseconds until an attempt of this size could start, behind those who wait already; 0 when it could now. */
  waitMs(tokens: number, nowMs: number): number {
    const waitMs = Math.max(this.pausedUntilMs - nowMs, this.wait.behindAllMs(tokens, nowMs))
    return this.scope.hasPlace && this.queue.ready === 0 ? Math.max(0, waitMs) : Math.max(1, waitMs)
  }

  pause(untilMs: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, untilMs)
  }

  status(nowMs: number): LaneStatus {
    return laneStatus(this.scope, this.models.values(), this.queue, this.wait, this.pausedUntilMs, nowMs)
  }

  /** Refuses whoever waits and lets nobody join. What is running is still settled. */
  close(): void {
    this.closed = true
    this.queue.close(new ShuttingDown({}))
  }

  /** Each model has a line of its own for ever, since waiters keep theirs. */
  private addModel(model: string, limits: ScopeRates): void {
    const scope = new RateScope<RateWaiter>(`${this.options.name}/${model}`, limits)
    scope.onRoom = () => this.queue.pump()
    this.models.set(model, { name: model, scope, line: ++this.lines })
  }

  private get nowMs(): number {
    return this.host.clock.currentTimeMillisUnsafe()
  }

  private scopesOf({ request, target }: AttemptCall, nowMs: number): Scopes {
    const { keys, tenants } = this.host
    const key = keys.scopeOf(request.key, nowMs)
    if (this.models.size === 0 && tenants.alike && key === undefined) return this.providerAlone
    const model = this.models.get(target.model)
    return {
      model: model?.scope,
      tenant: tenants.scopeOf(request.tenant, nowMs),
      key,
      line: model?.line ?? 0,
      weight: tenants.weightOf(request.tenant)
    }
  }

  /** Tokens to reserve: the prompt and the bound of the answer, or what answers of the model typically take. */
  private tokensOf({ journal, request, target }: AttemptCall): number {
    const prompt = journal.promptTokens ?? 0
    if (request.maxTokens !== undefined) return prompt + request.maxTokens
    const typical = this.estimate.completionTokens(target.model)
    return prompt + Math.min(this.options.maxTokens ?? typical, typical)
  }

  private free({ key, model, tenant }: Scopes, tokens: number, nowMs: number): boolean {
    return (
      this.pausedUntilMs <= nowMs &&
      hasRoom(this.scope, tokens, nowMs) &&
      (model === undefined || hasRoom(model, tokens, nowMs)) &&
      (tenant === undefined || hasRoom(tenant, tokens, nowMs)) &&
      (key === undefined || hasRoom(key, tokens, nowMs))
    )
  }

  private join(
    call: AttemptCall,
    scopes: Scopes,
    tokens: number,
    nowMs: number,
    next: OpenAttempt
  ): ReturnType<OpenAttempt> {
    return Effect.callback((resume) => {
      const waiter = new RateWaiter(call, scopes, { tokens, cost: this.scope.costOf(tokens) }, nowMs, next, resume)
      this.queue.join(waiter)
      return Effect.sync(() => this.queue.leave(waiter))
    })
  }

  /** Whoever is resumed goes on in a turn of its own, so that a long queue never becomes a deep stack. */
  private admitWaiter({ call, joinedAtMs, next, resume, scopes, tokens }: RateWaiter, nowMs: number): void {
    const waitedMs = nowMs - joinedAtMs
    call.attempt.queueMs += waitedMs
    call.journal.queueMs += waitedMs
    this.take(call, scopes, tokens, nowMs)
    this.host.onWait?.(this.options.name, waitedMs)
    resume(Effect.flatMap(Effect.yieldNow, () => next(call)))
  }

  private take(call: AttemptCall, scopes: Scopes, tokens: number, nowMs: number): void {
    const { key, model, tenant } = scopes
    const reservation: Reservation = {
      provider: this.scope.take(tokens, nowMs),
      model: model?.take(tokens, nowMs),
      tenant: tenant?.take(tokens, nowMs),
      key: key?.take(tokens, nowMs),
      tokens,
      takenAtMs: nowMs
    }
    call.attempt.reserved = reservation
    call.journal.callerLimits = callerLimitsOf(tenant, key, nowMs)
    call.settlement.add((outcome) => this.settle(call, reservation, outcome))
  }

  private settle(call: AttemptCall, { key, model, provider, takenAtMs, tenant }: Reservation, outcome: Outcome): void {
    const nowMs = this.nowMs
    const { output, own, requests, tokens } = usedOf(call, outcome)
    provider.scope.settle(provider, requests, tokens, output, nowMs)
    model?.scope.settle(model, requests, tokens, output, nowMs)
    const taught = model ?? provider
    taught.scope.learned.settle(taught, call, outcome, nowMs)
    tenant?.scope.settle(tenant, own, tokens, output, nowMs)
    key?.scope.settle(key, own, tokens, output, nowMs)
    if (requests === 1) this.wait.learn(nowMs - takenAtMs)
    if (outcome._tag === "Success") {
      this.estimate.learn(call.target.model, outcome.completion.usage.output)
    } else if (outcome._tag === "Failure" && outcome.error._tag === "ProviderRateLimited") {
      const { retryAfterMs } = outcome.error
      if (retryAfterMs !== undefined && retryAfterMs > 0) this.pause(nowMs + retryAfterMs)
    }
    tenant?.scope.tell()
    key?.scope.tell()
    this.queue.pump()
  }

  /** How long a new attempt would wait, and for whose limit. */
  private expected(candidate: Candidate, nowMs: number): Pick<Estimate, "by" | "expectedMs"> {
    const estimate = this.wait.ofNew(candidate, nowMs)
    const pausedMs = this.pausedUntilMs - nowMs
    return pausedMs > estimate.expectedMs ? { expectedMs: pausedMs, by: this.scope } : estimate
  }

  /** Why an attempt can never go: it is larger than a whole window. */
  private tooLarge({ key, model, tenant }: Scopes, tokens: number): RateLimitExceeded | undefined {
    for (const scope of [this.scope, model, tenant, key]) {
      const most = scope?.learned.tokens.most ?? Number.POSITIVE_INFINITY
      if (scope === undefined || tokens <= most) continue
      const detail = `prompt and answer may have ${tokens} tokens, the limit of a window is ${most}`
      return new RateLimitExceeded({ limit: `${scope.name} tokens per minute`, detail })
    }
    return undefined
  }

  private lateness({ call, joinedAtMs, scopes, tokens }: RateWaiter, nowMs: number): Refusal {
    return (
      this.pauseOf(call, 0, nowMs) ??
      new RateLimitExceeded({
        limit: `${this.options.name} queue`,
        detail: `waited ${Math.round(nowMs - joinedAtMs)} ms for room (queue.maxWait)`,
        retryAfterMs: this.retryAfterMs(call, this.expected(candidateOf(call, scopes, tokens), nowMs).expectedMs)
      })
    )
  }

  /** Why a new waiter can't join; undefined when it can. */
  private refusal(call: AttemptCall, scopes: Scopes, tokens: number, nowMs: number): Refusal | undefined {
    if (this.closed) return new ShuttingDown({})
    const { maxWaiting, maxWaitMs } = this.queueOptions
    const { by, expectedMs } = this.expected(candidateOf(call, scopes, tokens), nowMs)
    const retryAfterMs = this.retryAfterMs(call, expectedMs)
    if (this.queue.size >= maxWaiting) return new QueueFull({ provider: this.options.name, maxWaiting, retryAfterMs })
    const timeLeftMs = timeLeftOf(call, nowMs)
    if (expectedMs <= Math.min(maxWaitMs, timeLeftMs)) return undefined
    const bound =
      timeLeftMs < maxWaitMs
        ? `what the request's timeout leaves (${Math.max(0, Math.floor(timeLeftMs))} ms)`
        : `queue.maxWait (${maxWaitMs} ms)`
    return (
      this.pauseOf(call, Math.min(maxWaitMs, timeLeftMs), nowMs) ??
      new RateLimitExceeded({
        limit: `${by.name} rate limit`,
        detail: `the expected wait of ${Math.ceil(expectedMs)} ms is longer than ${bound}`,
        retryAfterMs
      })
    )
  }

  /** The provider's own 429 again, counted down, while its pause is longer than a wait may be. */
  private pauseOf({ target }: AttemptCall, waitMsMax: number, nowMs: number): ProviderRateLimited | undefined {
    const retryAfterMs = this.pausedUntilMs - nowMs
    if (retryAfterMs <= waitMsMax) return undefined
    const detail = "it asked for a pause (Retry-After) that is not over"
    return new ProviderRateLimited({ ...target, detail, upstreamStatus: 429, retryAfterMs })
  }

  /** When the queue is short enough that the request, if it came again then, would be served in time. */
  private retryAfterMs({ request }: AttemptCall, expectedMs: number): number {
    const lateMs = expectedMs - Math.min(this.queueOptions.maxWaitMs, request.timeoutMs ?? Number.POSITIVE_INFINITY)
    return Math.ceil(Math.max(retryAfterMsMin, lateMs))
  }
}

const hasRoom = (scope: RateScope, tokens: number, nowMs: number): boolean =>
  scope.hasPlace && scope.keptFor === undefined && scope.roomInMs(tokens, nowMs) === 0

const candidateOf = ({ request }: AttemptCall, scopes: Scopes, tokens: number): Candidate => ({
  priority: request.priority,
  tenant: scopes.tenant?.tenant ?? request.tenant,
  scopes,
  tokens
})

/** Milliseconds that the request's own timeout leaves; infinite without one. */
const timeLeftOf = ({ journal, request }: Call, nowMs: number): number =>
  request.timeoutMs === undefined ? Number.POSITIVE_INFINITY : journal.startedAtMs + request.timeoutMs - nowMs
