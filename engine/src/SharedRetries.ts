/**
 * The retry budget of all instances together, as one of them knows it.
 *
 * With each beat it learns how much all have called and retried, and how many they are; until the next one it may spend its
 * even part of half of what is left, since of what the others have spent it hears up to a beat late. So all together pass the
 * budget by two retries for each instance at most. Out of reach of the others it keeps to what this instance's own calls
 * allow.
 */
import type { CountPart } from "./CountExchange.ts"

export interface RetryCounts {
  readonly calls: number
  readonly retries: number
}

export class SharedRetries implements CountPart {
  /** Calls of the others in the last ten seconds. */
  calls = 0
  private readonly own: () => RetryCounts
  private readonly allowed: (callsOfAll: number) => number
  private said: RetryCounts = { calls: 0, retries: 0 }
  /** Retries that this instance may make until the next beat. */
  private room = Number.POSITIVE_INFINITY

  constructor(own: () => RetryCounts, allowed: (callsOfAll: number) => number) {
    this.own = own
    this.allowed = allowed
  }

  /** Takes one retry of this instance's part; false when that is spent. */
  take(): boolean {
    if (this.room < 1) return false
    this.room--
    return true
  }

  readonly say = (): Iterable<readonly [name: string, value: number]> => {
    this.said = this.own()
    return [
      [callsName, this.said.calls],
      [retriesName, this.said.retries]
    ]
  }

  readonly hear = (sums: ReadonlyMap<string, number>, members: number): void => {
    const calls = sums.get(callsName)
    const retries = sums.get(retriesName)
    if (calls === undefined || retries === undefined) return
    this.calls = Math.max(0, calls - this.said.calls)
    if (members <= 1) {
      this.room = Number.POSITIVE_INFINITY
      return
    }
    const own = this.own()
    // What was spent here while the numbers were on their way counts already.
    const spent = retries + own.retries - this.said.retries
    this.room = Math.ceil(Math.max(0, this.allowed(calls) - spent) / (2 * members))
  }

  readonly left = (): void => {
    this.calls = 0
    this.room = Number.POSITIVE_INFINITY
  }
}

const callsName = "retry:calls"
const retriesName = "retry:retries"
