/**
 * The circuit of one provider and model: closed, open, or half open with one probe at a time.
 *
 * It opens by the share of failures over the last minute, by failures in a row, or by hand, and is probed when its time is
 * over: the probe's outcome closes it or opens it again. Every method is synchronous and takes the time it is called at; it
 * starts no timer and calls nobody.
 */
export type CircuitState = "closed" | "half-open" | "open"

/** What one call says about its provider. */
export type Verdict = "success" | "failure" | "ignored"

export interface CircuitPolicy {
  readonly failureRate: number
  readonly minimumCalls: number
  readonly consecutiveFailures?: number | undefined
  readonly openForMs: number
}

export interface CircuitStatus {
  readonly model: string
  readonly state: CircuitState
  /** True while an operator's order holds. */
  readonly manual: boolean
  /** Milliseconds until the next probe; null when it is not open. */
  readonly retryMs: number | null
  /** Calls of the last minute that say something about the provider. */
  readonly calls: number
  readonly failures: number
  /** Failures since the last success. */
  readonly consecutiveFailures: number
}

const sliceMs = 10_000
const slices = 6

/** Milliseconds that others are told to wait while a probe is under way. */
const probeWaitMs = 1000

/** Milliseconds until every instance has said what it saw since a circuit closed: two beats, and one for delays. */
const deafMs = 3000

export class Circuit {
  isOpen = false
  private readonly policy: CircuitPolicy
  private readonly model: string
  private readonly successes = new Float64Array(slices)
  private readonly failures = new Float64Array(slices)
  private sliceNumber = 0
  private inARow = 0
  /** Epoch milliseconds of the first probe after it opened. */
  private probeAtMs = 0
  /** Epoch milliseconds until which an order to stay closed holds. */
  private closedUntilMs = 0
  /** True when it was opened by hand and has not been probed since. */
  private byHand = false
  /** Number of the probe that is under way, 0 while there is none. */
  private probe = 0
  private probes = 0
  /** Epoch milliseconds until which the probe is another instance's. */
  private elsewhereUntilMs = 0
  /** Calls and failures of the last minute at other instances, as they were told last. */
  private readonly others = { calls: 0, failures: 0 }
  /** What was said of this instance's own when they were asked. */
  private readonly said = { calls: 0, failures: 0 }
  /** Epoch milliseconds until which others may still say what was before it closed. */
  private deafUntilMs = 0

  constructor(policy: CircuitPolicy, model: string) {
    this.policy = policy
    this.model = model
  }

  state(nowMs: number): CircuitState {
    if (!this.isOpen) return "closed"
    return nowMs < this.probeAtMs ? "open" : "half-open"
  }

  /** Epoch milliseconds at which a call may go; 0 for now. */
  retryAtMs(nowMs: number): number {
    if (!this.isOpen) return 0
    if (nowMs < this.probeAtMs) return this.probeAtMs
    if (this.probe !== 0) return nowMs + probeWaitMs
    return nowMs < this.elsewhereUntilMs ? this.elsewhereUntilMs : 0
  }

  status(nowMs: number): CircuitStatus {
    this.advance(nowMs)
    const failures = sum(this.failures)
    return {
      model: this.model,
      state: this.state(nowMs),
      manual: this.isOpen ? this.byHand : nowMs < this.closedUntilMs,
      retryMs: this.isOpen ? Math.max(0, this.probeAtMs - nowMs) : null,
      calls: sum(this.successes) + failures,
      failures,
      consecutiveFailures: this.inARow
    }
  }

  /** A ticket for `record`: 0 for an ordinary call, more for a probe; undefined when the call may not go. */
  admit(nowMs: number): number | undefined {
    if (!this.isOpen) return 0
    if (this.probe !== 0 || nowMs < this.probeAtMs || nowMs < this.elsewhereUntilMs) return undefined
    this.probe = ++this.probes
    return this.probe
  }

  record(verdict: Verdict, nowMs: number, ticket: number): void {
    if (this.isOpen) {
      // Calls from before the circuit opened, or was opened by hand, say nothing about now.
      if (ticket === 0 || ticket !== this.probe) return
      this.probe = 0
      if (verdict === "success") this.close(nowMs)
      else if (verdict === "failure") this.open(nowMs, this.policy.openForMs)
      return
    }
    if (verdict === "ignored") return
    this.advance(nowMs)
    const slice = this.sliceNumber % slices
    if (verdict === "success") {
      this.inARow = 0
      this.successes[slice]! += 1
    } else {
      this.inARow++
      this.failures[slice]! += 1
      if (nowMs >= this.closedUntilMs) this.judge(nowMs)
    }
  }

  openByHand(nowMs: number, forMs: number | undefined): void {
    this.open(nowMs, forMs ?? this.policy.openForMs)
    this.byHand = true
    this.closedUntilMs = 0
  }

  closeByHand(nowMs: number, forMs: number | undefined): void {
    this.close(nowMs)
    this.closedUntilMs = nowMs + (forMs ?? 0)
  }

  /** Takes back what was ordered by hand; a circuit that its failures have opened stays open. */
  leaveToOutcomes(nowMs: number): void {
    this.closedUntilMs = 0
    if (this.isOpen && this.byHand) this.close(nowMs)
  }

  /** What others have to know of it, with what is left of its time; undefined where it is closed and left to the outcomes. */
  held(
    nowMs: number
  ): { readonly state: "open" | "closed"; readonly forMs: number; readonly byHand: boolean } | undefined {
    if (this.isOpen) {
      const forMs = this.probeAtMs - nowMs
      return forMs > 0 ? { state: "open", forMs, byHand: this.byHand } : undefined
    }
    const forMs = this.closedUntilMs - nowMs
    return forMs > 0 ? { state: "closed", forMs, byHand: true } : undefined
  }

  /** Another instance has opened it by what it saw. */
  openWithOthers(nowMs: number, forMs: number): void {
    if (nowMs >= this.closedUntilMs) this.open(nowMs, forMs)
  }

  /** A probe of another instance has succeeded. */
  closeWithOthers(nowMs: number): void {
    if (this.isOpen) this.close(nowMs)
  }

  /** Another instance makes the probe: this one has lost its turn, and looks again a little later. */
  yieldProbe(nowMs: number, ticket: number): void {
    if (!this.isOpen || ticket !== this.probe) return
    this.probe = 0
    this.elsewhereUntilMs = nowMs + probeWaitMs
  }

  /** Calls and failures of the last minute at this instance, for the others; undefined when there were none. */
  say(nowMs: number): { readonly calls: number; readonly failures: number } | undefined {
    this.advance(nowMs)
    this.said.failures = sum(this.failures)
    this.said.calls = sum(this.successes) + this.said.failures
    return this.said.calls === 0 ? undefined : this.said
  }

  /** Takes in the sums of all instances, what was said of this one among them. */
  hear(calls: number, failures: number, nowMs: number): void {
    if (this.isOpen || nowMs < this.deafUntilMs) return
    this.others.calls = Math.max(0, calls - this.said.calls)
    this.others.failures = Math.max(0, failures - this.said.failures)
    if (nowMs >= this.closedUntilMs) this.judge(nowMs)
  }

  /** Goes by what this instance sees alone. */
  alone(): void {
    this.others.calls = 0
    this.others.failures = 0
  }

  private open(nowMs: number, forMs: number): void {
    this.isOpen = true
    this.byHand = false
    this.probeAtMs = nowMs + forMs
    this.probe = 0
  }

  private close(nowMs: number): void {
    this.deafUntilMs = nowMs + deafMs
    this.alone()
    this.isOpen = false
    this.byHand = false
    this.probe = 0
    this.inARow = 0
    this.successes.fill(0)
    this.failures.fill(0)
  }

  private judge(nowMs: number): void {
    const { consecutiveFailures, failureRate, minimumCalls, openForMs } = this.policy
    const own = sum(this.failures)
    const failures = own + this.others.failures
    const calls = sum(this.successes) + own + this.others.calls
    const tooMany = calls >= minimumCalls && failures / calls >= failureRate
    const inARow = consecutiveFailures !== undefined && this.inARow >= consecutiveFailures
    if (tooMany || inARow) this.open(nowMs, openForMs)
  }

  private advance(nowMs: number): void {
    const number = Math.floor(nowMs / sliceMs)
    const steps = Math.min(number - this.sliceNumber, slices)
    for (let i = 1; i <= steps; i++) {
      const slice = (this.sliceNumber + i) % slices
      this.successes[slice] = 0
      this.failures[slice] = 0
    }
    if (steps > 0) this.sliceNumber = number
  }
}

const sum = (counts: Float64Array): number => {
  let total = 0
  for (const count of counts) total += count
  return total
}
