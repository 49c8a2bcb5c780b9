/**
 * The gateway's status as it changes: server-sent events first, polling where they don't come through.
 *
 * One instance serves the whole page and holds one connection while anybody watches and the tab is visible. A lost
 * connection keeps the last status with its age, says why, and heals by itself.
 */
import type { Status } from "millrace/admin-api"
import type { Failure } from "@/features/gateway/failure"
import { failureOf, getJson, goToLogin } from "@/lib/api"
import { withStatus, type Sample } from "./history"

export type Link = "connecting" | "live" | "polling" | "lost"

export interface LiveSnapshot {
  readonly link: Link
  readonly status: Status | null
  /** When the status arrived, in epoch milliseconds. */
  readonly receivedAtMs: number | null
  /** Why the connection is lost. */
  readonly failure: Failure | null
  /** The last two minutes, as far as this page was open. */
  readonly history: ReadonlyArray<Sample>
}

const silenceMs = 4000
const checkEveryMs = 2000

export class LiveStatus {
  private snapshot: LiveSnapshot
  private readonly first: LiveSnapshot
  private readonly listeners = new Set<() => void>()
  private source: EventSource | undefined
  private timer: ReturnType<typeof setInterval> | undefined
  private lastEventAtMs = 0
  private polling = false

  constructor(status: Status | null, receivedAtMs: number | null, failure: Failure | null) {
    this.first = { link: failure === null ? "connecting" : "lost", status, receivedAtMs, failure, history: [] }
    this.snapshot = this.first
  }

  readonly getSnapshot = (): LiveSnapshot => this.snapshot

  /** What the server rendered; parts of the page that hydrate later still start from it. */
  readonly getFirstSnapshot = (): LiveSnapshot => this.first

  /** How long the gateway runs, as far as it is known. */
  uptimeMs(): number {
    return (this.snapshot.status?.uptimeSeconds ?? 0) * 1000
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    if (this.listeners.size === 1) {
      document.addEventListener("visibilitychange", this.followVisibility)
      this.followVisibility()
    }
    return () => {
      this.listeners.delete(listener)
      if (this.listeners.size === 0) {
        document.removeEventListener("visibilitychange", this.followVisibility)
        this.stop()
      }
    }
  }

  /** Asks at once, without waiting for the next event. */
  readonly refresh = (): void => {
    if (this.source?.readyState === EventSource.CLOSED) this.connect()
    void this.poll()
  }

  private readonly followVisibility = (): void => {
    this.stop()
    if (document.visibilityState === "hidden") return
    this.connect()
    this.timer = setInterval(() => this.check(), checkEveryMs)
  }

  private stop(): void {
    clearInterval(this.timer)
    this.source?.close()
    this.source = undefined
  }

  private connect(): void {
    this.source?.close()
    this.lastEventAtMs = Date.now()
    const source = new EventSource("/api/events")
    source.addEventListener("status", (event) => {
      this.lastEventAtMs = Date.now()
      this.receive(JSON.parse(event.data) as Status, "live")
    })
    source.addEventListener("failure", (event) => {
      this.lastEventAtMs = Date.now()
      this.lose(JSON.parse(event.data) as Failure)
    })
    this.source = source
  }

  private check(): void {
    if (Date.now() - this.lastEventAtMs < silenceMs) return
    if (this.source?.readyState === EventSource.CLOSED) this.connect()
    void this.poll()
  }

  private async poll(): Promise<void> {
    if (this.polling) return
    this.polling = true
    try {
      this.receive(await getJson<Status>("/api/status"), "polling")
    } catch (error) {
      this.lose(failureOf(error))
    } finally {
      this.polling = false
    }
  }

  private receive(status: Status, link: Link): void {
    const receivedAtMs = Date.now()
    const history = withStatus(this.snapshot.history, status, receivedAtMs)
    this.change({ link, status, receivedAtMs, failure: null, history })
  }

  private lose(failure: Failure): void {
    if (failure.kind === "unauthorized") goToLogin()
    this.change({ ...this.snapshot, link: "lost", failure })
  }

  private change(snapshot: LiveSnapshot): void {
    this.snapshot = snapshot
    for (const listener of this.listeners) listener()
  }
}
