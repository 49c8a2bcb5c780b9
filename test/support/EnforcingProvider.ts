/**
 * A provider in virtual time that enforces its limits and counts what it refuses.
 *
 * It counts on arrival: in an exact sliding minute, in a bucket of two seconds or of a minute, or by the calendar's minutes
 * or seconds. Requests take a few milliseconds to get there and may overtake each other. What a request really takes
 * stands in its metadata; the engine only sees its text. Limits may be changed at any time.
 */
import { Effect } from "effect"
import { ProviderRateLimited } from "../../engine/src/Errors.ts"
import { rateLimitsOf } from "../../engine/src/protocols/RateLimitHeaders.ts"
import { defaultInfo, type Provider } from "../../engine/src/Provider.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { AttemptCall } from "../../engine/src/Stage.ts"
import { completionOf } from "../../engine/src/testing.ts"

export type Counting = "sliding" | "seconds" | "calendar seconds" | "bucket" | "minutes"

export interface EnforcingOptions {
  readonly name: string
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  readonly concurrent?: number
  readonly counting?: Counting
  /**
   * What counts for the answer on arrival: the bound that the request names, put right at the end (unless told), or
   * nothing; in both cases its tokens count when they have come.
   */
  readonly countsAnswer?: "bound" | "at the end"
  /** Sends `x-ratelimit-…` with every answer. Off unless told. */
  readonly headers?: boolean
  /** Seconds that a 429 asks to wait; it names none unless told. */
  readonly retryAfterSeconds?: number
  /** Milliseconds from arrival to the end of the answer; 800 unless told. */
  readonly latencyMs?: (outputTokens: number) => number
}

export interface Arrived {
  readonly id: string
  readonly atMs: number
  readonly tokens: number
  readonly refused: boolean
}

const minuteMs = 60_000

/** One count: of requests or of tokens. */
interface Meter {
  readonly holds: (nowMs: number) => number
  readonly fits: (amount: number, limit: number, nowMs: number) => boolean
  readonly add: (amount: number, nowMs: number) => void
}

const sliding = (): Meter => {
  const times: Array<number> = []
  const amounts: Array<number> = []
  let head = 0
  let sum = 0
  const holds = (nowMs: number): number => {
    while (head < times.length && times[head]! <= nowMs - minuteMs) sum -= amounts[head++]!
    return sum
  }
  return {
    holds,
    fits: (amount, limit, nowMs) => holds(nowMs) + amount <= limit + 1e-6,
    add: (amount, nowMs) => {
      times.push(nowMs)
      amounts.push(amount)
      sum += amount
    }
  }
}

const calendar = (lengthMs: number): Meter => {
  let period = -1
  let sum = 0
  const holds = (nowMs: number): number => {
    if (Math.floor(nowMs / lengthMs) !== period) {
      period = Math.floor(nowMs / lengthMs)
      sum = 0
    }
    return sum
  }
  return {
    holds,
    fits: (amount, limit, nowMs) => holds(nowMs) + amount <= Math.ceil((limit * lengthMs) / minuteMs),
    add: (amount, nowMs) => {
      holds(nowMs)
      sum += amount
    }
  }
}

/** A bucket of so many seconds' amount that fills evenly. */
const bucket = (seconds: number) => (): Meter => {
  let taken = 0
  let atMs = 0
  let lastLimit = 0
  const holds = (nowMs: number): number => {
    taken = Math.max(0, taken - ((nowMs - atMs) * lastLimit) / minuteMs)
    atMs = nowMs
    return taken
  }
  return {
    holds,
    fits: (amount, limit, nowMs) => {
      lastLimit = limit
      return holds(nowMs) + amount <= Math.max(1, (limit * seconds) / 60)
    },
    add: (amount) => void (taken += amount)
  }
}

const meters: { readonly [K in Counting]: () => Meter } = {
  sliding,
  seconds: bucket(2),
  "calendar seconds": () => calendar(1000),
  bucket: bucket(60),
  minutes: () => calendar(minuteMs)
}

export class EnforcingProvider {
  readonly provider: Provider
  /** Everything that arrived, in order. */
  readonly arrived: Array<Arrived> = []
  refused = 0
  accepted = 0
  /** Tokens that it counted for what it took. */
  tokens = 0
  running = 0
  mostRunning = 0
  /** Numbers of the calls (`metadata.index`) in the order in which the engine sent them. */
  readonly sent: Array<number> = []
  limits: { requestsPerMinute: number; tokensPerMinute: number; concurrent: number }
  private readonly options: EnforcingOptions
  private readonly requestMeter: Meter
  private readonly tokenMeter: Meter
  private turn = 0

  constructor(options: EnforcingOptions) {
    this.options = options
    this.limits = {
      requestsPerMinute: options.requestsPerMinute ?? Infinity,
      tokensPerMinute: options.tokensPerMinute ?? Infinity,
      concurrent: options.concurrent ?? Infinity
    }
    const counting = options.counting ?? "sliding"
    this.requestMeter = meters[counting]()
    // No provider counts tokens by the second: one request would not fit.
    this.tokenMeter = meters[counting.endsWith("seconds") ? "sliding" : counting]()
    this.provider = {
      name: options.name,
      kind: "simulated",
      model: "m",
      ...defaultInfo,
      open: (call) => this.open(call)
    }
  }

  /** Another client of the same key takes its share; false when there is no room. */
  useElsewhere(tokens: number, nowMs: number): boolean {
    const fits =
      this.requestMeter.fits(1, this.limits.requestsPerMinute, nowMs) &&
      this.tokenMeter.fits(tokens, this.limits.tokensPerMinute, nowMs)
    if (!fits) return false
    this.requestMeter.add(1, nowMs)
    this.tokenMeter.add(tokens, nowMs)
    return true
  }

  private open(call: AttemptCall): ReturnType<Provider["open"]> {
    return Effect.suspend(() => {
      this.sent.push(Number(call.request.metadata?.["index"] ?? 0))
      // Between 5 and 25 ms, without order.
      const onTheWayMs = 5 + ((this.turn++ * 7919) % 21)
      return Effect.andThen(
        Effect.sleep(onTheWayMs),
        Effect.suspend(() => this.arrive(call))
      )
    })
  }

  private arrive(call: AttemptCall): ReturnType<Provider["open"]> {
    const nowMs = call.clock.currentTimeMillisUnsafe()
    const prompt = Number(call.request.metadata?.["prompt"] ?? 0)
    const output = Number(call.request.metadata?.["output"] ?? 0)
    const bound = this.options.countsAnswer === "at the end" ? 0 : (call.request.maxTokens ?? 0)
    const tokens = prompt + bound
    const { concurrent, requestsPerMinute, tokensPerMinute } = this.limits
    const fits =
      this.running < concurrent &&
      this.requestMeter.fits(1, requestsPerMinute, nowMs) &&
      this.tokenMeter.fits(tokens, tokensPerMinute, nowMs)
    this.arrived.push({ id: call.request.id, atMs: nowMs, tokens: prompt + output, refused: !fits })
    if (!fits) {
      this.refused++
      this.report(call, nowMs)
      return Effect.fail(this.refusal(call))
    }
    this.accepted++
    this.running++
    this.mostRunning = Math.max(this.mostRunning, this.running)
    this.requestMeter.add(1, nowMs)
    this.tokenMeter.add(tokens, nowMs)
    this.tokens += prompt + output
    this.report(call, nowMs)
    const completion = completionOf("m", "x", { uncachedInput: prompt, output })
    const ended = Effect.sync(() => {
      this.running--
      this.tokenMeter.add(output - bound, call.clock.currentTimeMillisUnsafe())
    })
    const latencyMs = this.options.latencyMs?.(output) ?? 800
    return Effect.as(Effect.ensuring(Effect.sleep(latencyMs), ended), Reply.whole(completion))
  }

  private refusal({ target }: AttemptCall): ProviderRateLimited {
    const { retryAfterSeconds } = this.options
    return new ProviderRateLimited({
      ...target,
      detail: "Too many requests",
      upstreamStatus: 429,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterMs: 1000 * retryAfterSeconds })
    })
  }

  /** The headers of an answer, read as those of any provider. */
  private report(call: AttemptCall, nowMs: number): void {
    if (this.options.headers !== true) return
    const headers: Record<string, string> = {}
    const { requestsPerMinute, tokensPerMinute } = this.limits
    const tell = (what: string, limit: number, meter: Meter) => {
      if (!Number.isFinite(limit)) return
      headers[`x-ratelimit-limit-${what}`] = `${limit}`
      headers[`x-ratelimit-remaining-${what}`] = `${Math.max(0, Math.floor(limit - meter.holds(nowMs)))}`
      headers[`x-ratelimit-reset-${what}`] = `${Math.ceil((minuteMs * meter.holds(nowMs)) / limit)}ms`
    }
    tell("requests", requestsPerMinute, this.requestMeter)
    tell("tokens", tokensPerMinute, this.tokenMeter)
    call.attempt.rateLimits = rateLimitsOf(headers, nowMs)
  }
}
