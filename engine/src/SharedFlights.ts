/**
 * Flights over instances: of identical calls on several of them one goes upstream, the others follow it (law 6).
 *
 * Acts below single flight, so for each key one call of an instance asks: it takes the lead of the key in the shared state
 * and goes upstream, or follows the instance that has it. A leader publishes nothing until somebody follows. A follower
 * whose leader is gone, or whose link is down, begins anew or goes upstream itself while it has handed nothing on; later its
 * stream is truncated. Without the link everybody goes upstream, as without other instances (law 11).
 */
import { Cause, Effect, FiberSet, Schedule, Scope, Stream } from "effect"
import { type EngineError, StreamTruncated } from "./Errors.ts"
import type { Flight, OpenFlight, Pull } from "./Flight.ts"
import { askedBy, couldEndBetter } from "./FlightFailure.ts"
import { type Followed, FlightFollower } from "./FlightFollower.ts"
import { type FlightMessage, noteHead, takeBill } from "./FlightMessage.ts"
import { FlightPublisher } from "./FlightPublisher.ts"
import * as Scripts from "./FlightScripts.ts"
import * as Reply from "./Reply.ts"
import { makeRequestId } from "./RequestId.ts"
import * as CacheScripts from "./CacheScripts.ts"
import type { SharedCache } from "./SharedCache.ts"
import type { SharedLink } from "./SharedLink.ts"
import { recovered } from "./SharedRecovery.ts"
import type { Open } from "./Stage.ts"

export interface SharedFlightsOptions {
  readonly link: SharedLink
  /** The cache that instances share: its entry is looked up together with the lead of the key. */
  readonly cache?: SharedCache | undefined
  /** Bytes of an answer that are told to other instances; 8 MiB unless given. */
  readonly bytesMax?: number | undefined
  /** Milliseconds that leader and followers are taken for alive after their last word; 6 seconds unless given. */
  readonly leaseMs?: number | undefined
  /** Milliseconds that a stream which has begun waits for a link that is down; 10 seconds unless given. */
  readonly healMs?: number | undefined
}

/** How the upstream call of a flight is opened where other instances may have the same. */
export type OpenShared = (next: Open) => OpenFlight

type Call = Flight["call"]
type Opened = ReturnType<Open>

export const make = (options: SharedFlightsOptions): Effect.Effect<OpenShared, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { bytesMax = 8 << 20, cache, healMs = 10_000, leaseMs = 6000, link } = options
    const leads = new Map<string, FlightPublisher>()
    const follows = new Map<string, Set<FlightFollower>>()
    const fork = yield* FiberSet.makeRuntime<never>()
    const host = {
      link,
      bytesMax,
      leaseMs,
      healMs,
      fork: (effect: Effect.Effect<void>) => void fork(effect),
      done: (id: string) => void leads.delete(id)
    }
    const renewAll = Effect.suspend(() =>
      Effect.forEach([...leads.values()], ({ renew }) => renew, { concurrency: 64, discard: true })
    )

    yield* link.listen(Scripts.channelOf(link.instance), {
      message: (text) => {
        const [what, id, left] = text.split(" ")
        if (what === "follow") leads.get(id!)?.follow()
        else if (what === "more") for (const follower of follows.get(id!) ?? []) follower.wake()
        else if (what === "left" && left === "0") leads.get(id!)?.unfollow()
      },
      gap: () => {
        for (const followers of follows.values()) for (const follower of followers) follower.wake(true)
        fork(renewAll)
      }
    })
    yield* Effect.forkScoped(Effect.repeat(Effect.andThen(Effect.sleep(leaseMs / 3), renewAll), Schedule.forever))

    return (next) => {
      const enter = (call: Call, flight: Flight, looksUp: boolean, failed?: EngineError): Opened =>
        Effect.suspend(() => {
          if (!link.up()) return next(call)
          const id = makeRequestId().slice(-idLength)
          const { flight: flightKey, followers } = Scripts.keysOf(flight.key)
          const keys = [flightKey, followers, ...(looksUp ? [CacheScripts.entryKeyOf(flight.key)] : [])]
          const token = `${link.instance}.${id}`
          const fresh = call.request.cacheMode === "refresh" ? 1 : 0
          const args = [id, link.instance, token, leaseMs, fresh, failed === undefined ? 0 : 1]
          const claim = Effect.onInterrupt(link.run(Scripts.claim, keys, args), () =>
            Effect.sync(() => link.tell(Scripts.abandon, [flightKey, followers], [id, token]))
          )
          return Effect.matchEffect(claim, {
            onFailure: () => next(call),
            onSuccess: (claimed) => {
              if ("entry" in claimed) return hit(call, flight, claimed.entry, failed)
              const { follows } = claimed
              const found = looksUp ? cache!.take(call, false) : Effect.void
              if (follows === null) return Effect.andThen(found, lead(call, flight, id))
              if (follows === Scripts.spent && failed !== undefined) return Effect.fail(failed)
              const follower = new FlightFollower(link, flight.key, follows, token, leaseMs)
              return Effect.andThen(found, follow(call, flight, follower))
            }
          })
        })

      /** Serves what the cache has, unless its time is over. */
      const hit = (call: Call, flight: Flight, entry: unknown, failed: EngineError | undefined): Opened =>
        Effect.flatMap(cache!.take(call, entry), (reply) =>
          reply === undefined ? enter(call, flight, false, failed) : Effect.succeed(reply)
        )

      const lead = (call: Call, flight: Flight, id: string): Opened =>
        Effect.suspend(() => {
          const publisher = new FlightPublisher(host, flight, id)
          leads.set(id, publisher)
          // After everything else at settlement, so that who comes now finds the answer in the cache or the flight.
          call.settlement.add(() => Effect.sync(() => publisher.settled()))
          return next(call)
        })

      const follow = (call: Call, flight: Flight, follower: FlightFollower): Opened =>
        Effect.flatMap(Effect.scope, (scope) => {
          let over = false
          const close = Effect.suspend(() => {
            forget(follower)
            if (over) return Effect.void
            over = true
            return Effect.map(follower.leave, (bill) => {
              if (bill !== undefined) takeBill(call, bill)
            })
          })
          const ended = () => {
            over = true
            forget(follower)
          }
          remember(follower)
          const note = ({ message, pays }: Followed) => {
            if (message.type === "gone") return
            if (message.head !== undefined) {
              noteHead(call, message.head)
              flight.isSecond ||= message.head.isSecond
            }
            if (pays && message.bill !== undefined) takeBill(call, message.bill)
          }
          const reader = new Reader(call, follower, { note, ended, recovers: recovered(link, healMs) })
          /** `failed`: why the flight has failed that was followed, where one more call could end better. */
          const after = (failed?: EngineError) => {
            ended()
            call.journal.cache = "miss"
            call.journal.elsewhere = undefined
            return enter(call, flight, cache !== undefined && call.request.cacheMode !== "refresh", failed)
          }
          const anew = Effect.suspend(() => after())
          const first: Opened = Effect.matchEffect(follower.next, {
            onFailure: () => anew,
            onSuccess: (followed): Opened => {
              const { message } = followed
              const wasSecond = flight.isSecond
              note(followed)
              switch (message.type) {
                case "gone":
                  return anew
                case "failure": {
                  const better =
                    !wasSecond &&
                    !message.head.isSecond &&
                    couldEndBetter(message.error, message.asked, askedBy(call.request))
                  if (!better) {
                    ended()
                    return Effect.fail(message.error)
                  }
                  flight.isSecond = true
                  return after(message.error)
                }
                case "whole":
                  ended()
                  return Effect.succeed(Reply.whole(message.completion))
                case "parts":
                  reader.take(message)
                  return call.request.stream ? Effect.succeed(reader.reply) : reader.whole(anew)
              }
            }
          })
          return Effect.andThen(Scope.addFinalizer(scope, close), first)
        })

      return (call, flight) => enter(call, flight, cache?.asks(call) === true)
    }

    function remember(follower: FlightFollower): void {
      const known = follows.get(follower.id)
      if (known === undefined) follows.set(follower.id, new Set([follower]))
      else known.add(follower)
    }

    function forget(follower: FlightFollower): void {
      const known = follows.get(follower.id)
      if (known?.delete(follower) === true && known.size === 0) follows.delete(follower.id)
    }
  })

const idLength = 16

interface ReaderHost {
  readonly note: (followed: Followed) => void
  /** Nothing more is read. */
  readonly ended: () => void
  readonly recovers: Effect.Effect<boolean>
}

/** The parts of a flight elsewhere, each once. */
class Reader {
  private readonly call: Call
  private readonly follower: FlightFollower
  private readonly host: ReaderHost
  private fresh: Array<Reply.Part> = []
  /** Parts that have come. */
  private count = 0
  private complete = false

  constructor(call: Call, follower: FlightFollower, host: ReaderHost) {
    this.call = call
    this.follower = follower
    this.host = host
  }

  /** Keeps those parts of a message that have not come yet. */
  take({ from, parts }: Extract<FlightMessage, { readonly type: "parts" }>): void {
    for (const part of parts.slice(Math.max(0, this.count - from))) {
      this.fresh.push(part)
      this.count++
      if (part.type === "finish") {
        this.complete = true
        this.host.ended()
      }
    }
  }

  get reply(): Reply.Reply {
    return Reply.parts(Stream.fromPull(Effect.succeed(this.pull)))
  }

  /** The answer as a whole, of which nobody has seen anything: without its leader all begins anew. */
  whole(anew: Opened): Opened {
    const collector = new Reply.Collector()
    const collect: Opened = Effect.suspend(() => {
      for (const part of this.fresh) collector.add(part)
      this.fresh = []
      if (this.complete) return Effect.succeed(Reply.whole(collector.completion()))
      return Effect.matchEffect(this.follower.next, {
        onFailure: () => anew,
        onSuccess: (followed): Opened => {
          this.host.note(followed)
          const { message } = followed
          if (message.type === "failure") {
            this.host.ended()
            return Effect.fail(message.error)
          }
          if (message.type !== "parts") return anew
          this.take(message)
          return collect
        }
      })
    })
    return collect
  }

  private readonly pull: Pull = Effect.suspend((): Pull => {
    if (this.fresh.length > 0) {
      const chunk = this.fresh
      this.fresh = []
      return Effect.succeed(chunk as unknown as readonly [Reply.Part, ...Array<Reply.Part>])
    }
    if (this.complete) return Cause.done()
    return Effect.matchEffect(this.follower.next, {
      onFailure: (): Pull =>
        Effect.flatMap(this.host.recovers, (up) => (up ? this.pull : this.truncated("the shared state was lost"))),
      onSuccess: (followed): Pull => {
        this.host.note(followed)
        const { message } = followed
        if (message.type === "parts") {
          this.take(message)
          return this.pull
        }
        if (message.type !== "failure") return this.truncated("the instance that reads it was lost")
        this.host.ended()
        return Effect.fail(message.error)
      }
    })
  })

  private truncated(detail: string): Effect.Effect<never, EngineError> {
    this.host.ended()
    const { model, provider } = this.call.journal.target ?? { provider: "", model: "" }
    return Effect.fail(new StreamTruncated({ provider, model, detail }))
  }
}
