/**
 * Instances of one Redis in one process: each has a link and flights of its own, and asks upstreams that count who asks.
 */
import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { type Call, makeCall } from "../../engine/src/Call.ts"
import type { EngineError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import { settle } from "../../engine/src/Settle.ts"
import * as SharedFlights from "../../engine/src/SharedFlights.ts"
import { type SharedLink, SharedUnavailable } from "../../engine/src/SharedLink.ts"
import { SingleFlight } from "../../engine/src/SingleFlight.ts"
import { compose, type Open } from "../../engine/src/Stage.ts"
import * as RedisLink from "../../engine/src/stores/RedisLink.ts"
import { makeRequest } from "../engine/requests.ts"
import { Connections } from "./engine.ts"

const ending = { estimateTokens: (text: string) => text.length }

/** A link that can be cut as a killed process is: it says nothing any more, and no goodbye. */
export const cuttable = (link: SharedLink): { readonly link: SharedLink; readonly cut: () => void } => {
  let alive = true
  return {
    link: {
      ...link,
      run: (script, keys, args) => Effect.suspend(() => (alive ? link.run(script, keys, args) : Effect.never)),
      tell: (script, keys, args) => void (alive && link.tell(script, keys, args)),
      publish: (channel, text) => void (alive && link.publish(channel, text)),
      listen: (channel, on) =>
        link.listen(channel, {
          message: (text) => void (alive && on.message(text)),
          gap: () => void (alive && on.gap())
        })
    },
    cut: () => {
      alive = false
    }
  }
}

/** A link that can be taken out of reach and brought back, as a network can. */
export const severable = (link: SharedLink): { readonly link: SharedLink; readonly reach: (up: boolean) => void } => {
  let reached = true
  const gaps = new Set<() => void>()
  const told = new Set<(up: boolean) => void>()
  const away = Effect.fail(new SharedUnavailable({ reason: "out of reach" }))
  return {
    link: {
      ...link,
      up: () => reached && link.up(),
      onChange: (tell) => {
        const stop = link.onChange(tell)
        told.add(tell)
        return () => {
          stop()
          told.delete(tell)
        }
      },
      run: (script, keys, args) => Effect.suspend(() => (reached ? link.run(script, keys, args) : away)),
      tell: (script, keys, args) => void (reached && link.tell(script, keys, args)),
      publish: (channel, text) => void (reached && link.publish(channel, text)),
      listen: (channel, on) => {
        gaps.add(on.gap)
        return link.listen(channel, { ...on, message: (text) => void (reached && on.message(text)) })
      }
    },
    reach: (up) => {
      reached = up
      for (const tell of told) tell(up)
      if (up) for (const gap of gaps) gap()
    }
  }
}

export interface InstanceOptions extends Omit<SharedFlights.SharedFlightsOptions, "link"> {
  readonly url: string
  readonly open: Open
  /** Milliseconds within which Redis has to answer; long unless that is what a test is about. */
  readonly timeoutMs?: number
  /** Milliseconds between two tests of an idle link. */
  readonly testMs?: number
}

export interface Instance {
  readonly link: SharedLink
  readonly flights: SingleFlight["Service"]
  readonly open: Open
  /** Ends what it says to others, as a kill does. */
  readonly cut: () => void
}

/** An instance with what the pipeline has around single flight, for calls that name their key. */
export const instance = ({ open, testMs = 100, timeoutMs = 2000, url, ...options }: InstanceOptions) =>
  Effect.gen(function* () {
    const { cut, link } = cuttable(yield* RedisLink.make({ url, timeoutMs, startWaitMs: 5000, retryMs: 50, testMs }))
    const shared = yield* SharedFlights.make({ link, ...options })
    const context = yield* Layer.build(SingleFlight.layer({ enabled: true, ...ending, shared }))
    const flights = Context.get(context, SingleFlight)
    return { link, flights, cut, open: compose(settle(ending), flights.stage)(open) } satisfies Instance as Instance
  })

/** An upstream whose parts are given by the test, the same for each call; it counts its calls. */
export class Upstream {
  readonly connections = new Connections()
  private readonly steps: ReadonlyArray<Reply.Part | EngineError>
  private readonly gates: ReadonlyArray<Deferred.Deferred<void>>

  constructor(steps: ReadonlyArray<Reply.Part | EngineError>) {
    this.steps = steps
    this.gates = steps.map(() => Deferred.makeUnsafe<void>())
  }

  /** Lets the parts go that come before the given place; all of them without one. */
  go(before = this.steps.length): void {
    for (const gate of this.gates.slice(0, before)) Deferred.doneUnsafe(gate, Effect.void)
  }

  readonly open: Open = (call) =>
    Effect.gen({ self: this }, function* () {
      yield* this.connections.connect("upstream")
      call.journal.target = { provider: "a", model: "m" }
      call.journal.promptTokens = 7
      const nowMs = call.clock.currentTimeMillisUnsafe()
      call.journal.attempts.push({
        target: call.journal.target,
        startedAtMs: nowMs,
        queueMs: 0,
        sentAtMs: nowMs,
        firstPartAtMs: undefined,
        endedAtMs: undefined,
        error: undefined
      })
      let at = 0
      const step = Effect.suspend(() => {
        const index = at++
        const part = this.steps[index]
        if (part === undefined) return Effect.never
        return Effect.andThen(
          Deferred.await(this.gates[index]!),
          Effect.suspend(() => ("fault" in part ? Effect.fail(part) : Effect.succeed(part)))
        )
      })
      const first = yield* step
      if (!call.request.stream) {
        const collector = new Reply.Collector()
        collector.add(first)
        while (!collector.complete) collector.add(yield* step)
        return Reply.whole(collector.completion())
      }
      const rest = Stream.fromPull(Effect.succeed(Effect.map(step, (part) => [part] as const)))
      return Reply.parts(Stream.concat(Stream.make(first), rest))
    })
}

export interface Asked {
  readonly call: Call
  /** What it has read so far. */
  readonly parts: Array<Reply.Part>
  readonly fiber: Fiber.Fiber<Reply.Completion, EngineError>
}

/** A caller of an instance, in a fiber of its own; it reads to the end. */
export const ask = Effect.fnUntraced(function* (
  of: Instance,
  key: string,
  fields: Partial<Request> = {},
  shared?: (call: Call) => void
) {
  const call = makeCall(makeRequest({ stream: true, ...fields }), yield* Clock.Clock)
  call.journal.cacheKey = key
  call.journal.cache = "miss"
  shared?.(call)
  const parts: Array<Reply.Part> = []
  const read = (reply: Reply.Reply) => {
    if (reply._tag === "Whole" && !call.request.stream) return Effect.succeed(reply.completion)
    const collector = new Reply.Collector()
    return Effect.as(
      Stream.runForEachArray(Reply.stream(reply), (chunk) =>
        Effect.sync(() => {
          for (const part of chunk) {
            parts.push(part)
            collector.add(part)
          }
        })
      ),
      collector
    ).pipe(Effect.map((collected) => collected.completion()))
  }
  const fiber = yield* Effect.forkChild(Effect.scoped(Effect.flatMap(of.open(call), read)), { startImmediately: true })
  return { call, parts, fiber } satisfies Asked as Asked
})

/** The text that a caller got, or the kind of its failure. */
export const gistOf = (asked: Asked) =>
  Effect.map(Fiber.await(asked.fiber), (exit) => {
    if (Exit.isSuccess(exit)) return Reply.textOf(exit.value)
    const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")
    return failure === undefined ? "interrupted" : failure.error._tag
  })
