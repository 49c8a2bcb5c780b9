/**
 * A flight of another instance, as one that follows reads it.
 *
 * Woken by messages, and in any case after a pause, it reads what was published since, and so stays a follower. It says
 * `gone` when the leader's lease has ended and all that it published is read. It decides nothing: what to do without a
 * leader, or without the link, is for the one who asks.
 */
import { Clock, Effect } from "effect"
import { type FlightBill, type FlightMessage, readBill, readMessage } from "./FlightMessage.ts"
import * as Scripts from "./FlightScripts.ts"
import type { SharedLink, SharedUnavailable } from "./SharedLink.ts"

export interface Followed {
  readonly message: FlightMessage
  /** The bill is this follower's. */
  readonly pays: boolean
}

export class FlightFollower {
  readonly id: string
  readonly token: string
  private readonly link: SharedLink
  private readonly leaseMs: number
  private readonly keys: ReadonlyArray<string>
  private readonly unread: Array<Followed> = []
  private last = "0-0"
  private fragments = ""
  private wakes = 0
  private gaps = 0
  private graced = 0
  /** Epoch milliseconds until which a leader that is not there may come back. */
  private graceUntilMs = 0
  private resume: (() => void) | undefined

  constructor(link: SharedLink, key: string, id: string, token: string, leaseMs: number) {
    const { flight, followers } = Scripts.keysOf(key)
    this.link = link
    this.leaseMs = leaseMs
    this.id = id
    this.token = token
    this.keys = [flight, followers, Scripts.partsKeyOf(key, id)]
  }

  /** There may be more to read; after a gap the leader may still have to find out that what it told was lost. */
  wake(gap = false): void {
    if (gap) this.gaps++
    this.wakes++
    this.resume?.()
  }

  /** The next message; waits for it. */
  readonly next: Effect.Effect<Followed, SharedUnavailable> = Effect.suspend(() => {
    const ready = this.unread.shift()
    if (ready !== undefined) return Effect.succeed(ready)
    const { gaps, wakes } = this
    const read = this.link.run(Scripts.read, this.keys, [this.id, this.token, this.last, this.leaseMs])
    return Effect.flatMap(
      Effect.tapError(read, () => Effect.sync(() => this.gaps++)),
      ({ alive, entries }) => {
        for (const entry of entries) this.take(entry)
        if (entries.length > 0) return this.next
        return Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
          if (gaps > this.graced) {
            this.graced = gaps
            this.graceUntilMs = nowMs + this.leaseMs
          }
          if (!alive && nowMs >= this.graceUntilMs) return Effect.succeed(gone)
          return Effect.andThen(this.more(wakes), this.next)
        })
      }
    )
  })

  /** Follows no longer; gives the bill where nobody else will tell it. */
  readonly leave: Effect.Effect<FlightBill | undefined> = Effect.suspend(() =>
    this.link.run(Scripts.leave, this.keys.slice(0, 2), [this.id, this.token])
  ).pipe(
    Effect.map((bill) => (bill === null ? undefined : readBill(bill))),
    Effect.catchCause(() => Effect.succeed(undefined))
  )

  /** A message may have been missed, and the leader gone: after a while it looks in any case. */
  private more(wakes: number): Effect.Effect<void> {
    const woken = Effect.callback<void>((resume) => {
      if (wakes !== this.wakes) return resume(Effect.void)
      this.resume = () => resume(Effect.void)
      return Effect.sync(() => (this.resume = undefined))
    })
    return Effect.raceFirst(woken, Effect.sleep(this.leaseMs / 6))
  }

  private take({ ends, fragment, id, payer }: Scripts.StreamEntry): void {
    this.last = id
    this.fragments += fragment
    if (!ends) return
    const text = this.fragments
    this.fragments = ""
    this.unread.push({ message: understood(text), pays: payer === this.token })
  }
}

const gone: Followed = { message: { type: "gone" }, pays: false }

/** What another version has written may be unreadable: then there is nobody to follow. */
const understood = (text: string): FlightMessage => {
  try {
    return readMessage(text)
  } catch {
    return gone.message
  }
}
