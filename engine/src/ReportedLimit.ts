/**
 * One limit as a provider tells it with an answer: how much may go in which window, what is left, when it is whole again.
 *
 * Read by `protocols/RateLimitHeaders`, kept on the attempt, learned from by `LearnedLimits`. Figures that the provider
 * did not give are undefined.
 */

export type LimitedResource = "requests" | "tokens" | "input-tokens" | "output-tokens"

export interface ReportedLimit {
  readonly resource: LimitedResource
  /** Length of the window in milliseconds; undefined where neither the header nor custom tells it. */
  readonly windowMs: number | undefined
  /** Amount in a window, above 0. */
  readonly limit: number | undefined
  /** Amount that is left now, from 0 to `limit`. */
  readonly remaining: number | undefined
  /** Milliseconds until all of the limit is there again, 0 or more. */
  readonly resetMs: number | undefined
}
