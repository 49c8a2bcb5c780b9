/**
 * Those who wait for a scope that all instances share, each scope with a line of its own.
 *
 * The first of a line asks, the others follow it in the order in which they came. It asks again when its time has come, when
 * something was given back, and else once a second. Nobody waits longer than its bound. A line holds back its scope, so that
 * those who come later wait where priorities and tenants are minded. It decides nothing and asks nobody itself.
 */
import type { ReservedScope } from "./RateReservation.ts"

/** One attempt on its way. */
export interface LineWaiter {
  /** When it began to wait; undefined while it does not. */
  sinceMs: number | undefined
  /** Until when it may wait. */
  untilMs: number
  /** Set when it goes, is refused or has left. */
  gone: boolean
  readonly scopes: ReadonlyArray<ReservedScope>
}

export interface LinesHost<W extends LineWaiter> {
  readonly nowMs: () => number
  /** Runs something after a delay in milliseconds; returns how to cancel it. */
  readonly wakeAfter: (delayMs: number, run: () => void) => () => void
  /** Runs something in a later turn of the event loop. */
  readonly later: (run: () => void) => void
  readonly ask: (waiter: W) => void
  readonly late: (waiter: W) => void
}

/** So many may go one after the other in one turn. */
const depthMax = 64

/** Without news it is asked again after so many milliseconds. */
const againMs = 1000

interface Line<W> {
  readonly scope: ReservedScope
  readonly waiters: Array<W>
  /** The first is asking now. */
  asking: boolean
  /** Something was given back since it began to ask. */
  again: boolean
  timer: { readonly atMs: number; readonly cancel: () => void } | undefined
}

export class SharedLines<W extends LineWaiter> {
  private readonly host: LinesHost<W>
  private readonly lines = new Map<string, Line<W>>()
  private depth = 0

  constructor(host: LinesHost<W>) {
    this.host = host
  }

  get waiting(): number {
    let waiting = 0
    for (const { waiters } of this.lines.values()) waiting += waiters.length
    return waiting
  }

  /** Joins the first line of its scopes that somebody waits in; false where there is none. */
  follow(waiter: W): boolean {
    if (this.lines.size === 0) return false
    for (const { id } of waiter.scopes) {
      const line = this.lines.get(id)
      if (line === undefined) continue
      line.waiters.push(waiter)
      waiter.sinceMs ??= this.host.nowMs()
      this.schedule(line, Infinity)
      return true
    }
    return false
  }

  /** A waiter was refused because of a scope: it waits there, first if it was the first, until it asks again. */
  refused(waiter: W, id: string, waitMs: number | undefined): void {
    const scope = waiter.scopes.find((each) => each.id === id) ?? waiter.scopes[0]!
    this.leaveOthers(waiter, scope.id)
    let line = this.lines.get(scope.id)
    if (line === undefined) {
      line = { scope, waiters: [], asking: false, again: false, timer: undefined }
      this.lines.set(scope.id, line)
      scope.holdBack(true)
    }
    waiter.sinceMs ??= this.host.nowMs()
    if (!line.waiters.includes(waiter)) line.waiters.push(waiter)
    if (line.waiters[0] !== waiter) return
    line.asking = false
    if (line.again) this.wakeLine(line)
    else this.schedule(line, Math.min(againMs, Math.max(1, Math.ceil(waitMs ?? againMs))))
  }

  /** Takes a waiter out that goes, was refused or has left; whoever is first then asks. */
  leave(waiter: W): void {
    this.leaveOthers(waiter, undefined)
  }

  /** Something was given back to a scope, or to any of them: who is first there asks again. */
  wake(id: string | undefined): void {
    if (id === undefined) {
      for (const line of [...this.lines.values()]) this.wakeLine(line)
      return
    }
    const line = this.lines.get(id)
    if (line !== undefined) this.wakeLine(line)
  }

  private leaveOthers(waiter: W, stays: string | undefined): void {
    if (this.lines.size === 0) return
    for (const { id } of waiter.scopes) {
      const line = id === stays ? undefined : this.lines.get(id)
      const at = line?.waiters.indexOf(waiter) ?? -1
      if (line === undefined || at < 0) continue
      line.waiters.splice(at, 1)
      if (line.waiters.length === 0) this.end(line)
      else if (at === 0) {
        line.asking = false
        this.wakeLine(line)
      }
    }
  }

  private end(line: Line<W>): void {
    line.timer?.cancel()
    this.lines.delete(line.scope.id)
    line.scope.holdBack(false)
  }

  private wakeLine(line: Line<W>): void {
    if (line.asking) {
      line.again = true
      return
    }
    if (this.depth >= depthMax) {
      this.host.later(() => {
        if (this.lines.get(line.scope.id) === line) this.wakeLine(line)
      })
      return
    }
    line.timer?.cancel()
    line.timer = undefined
    this.dropLate(line)
    const [first] = line.waiters
    if (first === undefined) return
    line.asking = true
    line.again = false
    this.depth++
    this.host.ask(first)
    this.depth--
  }

  private dropLate(line: Line<W>): void {
    const nowMs = this.host.nowMs()
    for (const waiter of line.waiters.filter(({ untilMs }) => untilMs <= nowMs)) {
      waiter.gone = true
      line.waiters.splice(line.waiters.indexOf(waiter), 1)
      this.host.late(waiter)
    }
    if (line.waiters.length === 0) this.end(line)
  }

  /** Wakes the line after a while, or when somebody's time is over, unless it is woken before that. */
  private schedule(line: Line<W>, delayMs: number): void {
    if (line.asking) return
    const nowMs = this.host.nowMs()
    const untilMs = line.waiters.reduce((least, waiter) => Math.min(least, waiter.untilMs), Infinity)
    const atMs = Math.max(nowMs + 1, Math.min(nowMs + delayMs, untilMs))
    if (line.timer !== undefined) {
      if (line.timer.atMs <= atMs) return
      line.timer.cancel()
    }
    const cancel = this.host.wakeAfter(Math.ceil(atMs - nowMs), () => {
      line.timer = undefined
      this.wakeLine(line)
    })
    line.timer = { atMs, cancel }
  }
}
