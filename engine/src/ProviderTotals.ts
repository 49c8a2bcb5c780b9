/**
 * What became of the attempts at each provider, as sums since the process started.
 *
 * Fed with settled requests, one after the other. Attempts that no provider has seen are not counted. What the caller did
 * wrong, and what was left before its answer came, says nothing about a provider and is no part of its success rate.
 */
import type { AttemptTotals } from "./AdminAnswers.ts"
import { reachedProvider, type UsageRecord } from "./UsageRecord.ts"

interface Sums {
  attempts: number
  succeeded: number
  failed: number
  rejected: number
  left: number
  retries: number
  hedges: number
  rescuedByRetry: number
  rescuedByFallback: number
  rescuedByHedge: number
}

export class ProviderTotals {
  private readonly sums = new Map<string, Sums>()

  add({ attempts, status }: UsageRecord): void {
    let before: string | undefined
    let failed = false
    for (const attempt of attempts) {
      const { error, hedge, provider } = attempt
      const retry = hedge !== true && before === provider
      if (hedge !== true) before = provider
      const first = !failed
      failed ||= error !== null
      if (!reachedProvider(attempt)) continue
      const sums = this.of(provider)
      sums.attempts++
      if (hedge === true) sums.hedges++
      else if (retry) sums.retries++
      if (error === null) {
        if (attempt.lost === undefined && status === "success") {
          sums.succeeded++
          if (hedge === true) sums.rescuedByHedge++
          else if (!first) sums[retry ? "rescuedByRetry" : "rescuedByFallback"]++
        } else sums.left++
      } else if (error.fault === "provider" || error.fault === "engine") sums.failed++
      else if (error.fault === "caller") sums.rejected++
      else sums.left++
    }
  }

  get(provider: string): AttemptTotals {
    const sums = this.sums.get(provider) ?? none
    const judged = sums.succeeded + sums.failed
    return { ...sums, successRate: judged === 0 ? null : sums.succeeded / judged }
  }

  private of(provider: string): Sums {
    let found = this.sums.get(provider)
    if (found === undefined) this.sums.set(provider, (found = { ...none }))
    return found
  }
}

const none: Readonly<Sums> = {
  attempts: 0,
  succeeded: 0,
  failed: 0,
  rejected: 0,
  left: 0,
  retries: 0,
  hedges: 0,
  rescuedByRetry: 0,
  rescuedByFallback: 0,
  rescuedByHedge: 0
}
