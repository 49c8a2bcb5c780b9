/**
 * A hundred thousand calls that wait in one process: what each costs to enqueue and release, what they hold of memory,
 * and how long the event loop stands still at most. Every waiter is a suspended fiber with its call, in the limiter's stage
 * as the engine runs it. Times are CPU times of the thread, also that of the longest turn of the event loop: other
 * processes may want the cores.
 */
import { Clock, Context, Effect, Exit, type Fiber, Layer, Scope, Semaphore } from "effect"
import PQueue from "p-queue"
import { RateLimiter } from "../../engine/src/RateLimiter.ts"
import { attemptOf, reply, requestOf, routed, success } from "./pipeline.ts"
import { median, type Goal, type Options, type Row, type Table } from "./report.ts"
import { samePrompt } from "./workload.ts"

const waiters = 100_000

/** Calls that arrive, or leave, in one turn of the event loop. */
const burst = 250

const places = 64

/** Something with a queue, whose places are all taken. */
interface Queue {
  readonly ask: (index: number) => void
  readonly waiting: () => number
  /** Ends the waiting of everybody, in one of several ways. */
  readonly release: () => Promise<void>
  readonly close: () => Promise<void>
}

interface Subject {
  readonly name: string
  readonly make: () => Promise<Queue>
  readonly waiters: number
  readonly goals: boolean
  /** Measured also in a hurry. */
  readonly quick: boolean
  readonly note?: string
}

interface Figures {
  readonly enqueueUs: number
  readonly releaseUs: number
  readonly heapMb: number
  readonly blockMs: number
}

export const measureQueues = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const measured: Array<{ readonly subject: Subject; readonly figures: ReadonlyArray<Figures> }> = []
  for (const subject of subjects) {
    if (options.quick && !subject.quick) continue
    if (options.only !== undefined && !subject.name.includes(options.only)) continue
    const figures: Array<Figures> = []
    for (let round = 0; round < (options.quick ? 2 : 4); round++) figures.push(await measure(subject))
    // The first round warms up.
    measured.push({ subject, figures: figures.slice(1) })
  }
  const table = (title: string, unit: string, of: (figures: Figures) => number, goal: Goal): Table => ({
    title,
    unit,
    rows: measured.map(({ figures, subject }): Row => {
      const values = figures.map(of)
      const note = subject.note === undefined ? {} : { note: subject.note }
      return { name: subject.name, value: median(values), goals: subject.goals ? [goal] : [], ...note }
    })
  })
  return [
    table("Queue, 100,000 waiting: to enqueue one", "µs", (each) => each.enqueueUs, { kind: "at-most", value: 10 }),
    table("Queue, 100,000 waiting: to release one", "µs", (each) => each.releaseUs, { kind: "at-most", value: 10 }),
    table("Queue, 100,000 waiting: heap", "MB", (each) => each.heapMb, { kind: "at-most", value: 200 }),
    table("Queue: longest block of the event loop", "ms", (each) => each.blockMs, { kind: "at-most", value: 50 })
  ]
}

const measure = async (subject: Subject): Promise<Figures> => {
  const queue = await subject.make()
  const before = memory()
  const enqueue = new LoopProbe()
  const askedAt = cpuMs()
  for (let i = 0; i < subject.waiters;) {
    for (let j = 0; j < burst && i < subject.waiters; j++, i++) queue.ask(i)
    await nextTurn()
  }
  while (queue.waiting() < subject.waiters) await nextTurn()
  const enqueueMs = cpuMs() - askedAt
  const enqueueBlockMs = enqueue.stop()
  const after = memory()
  await nextTurn()
  const release = new LoopProbe()
  const releasedAt = cpuMs()
  await queue.release()
  while (queue.waiting() > 0) await nextTurn()
  const releaseMs = cpuMs() - releasedAt
  await nextTurn()
  const blockMs = Math.max(enqueueBlockMs, release.stop())
  await queue.close()
  return {
    enqueueUs: (enqueueMs * 1000) / subject.waiters,
    releaseUs: (releaseMs * 1000) / subject.waiters,
    heapMb: after - before,
    blockMs
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** CPU time of this thread in milliseconds. */
const cpuMs = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

/** Follows the turns of the event loop. */
class LoopProbe {
  private longestMs = 0
  private running = true
  private lastAt = cpuMs()

  constructor() {
    const turn = () => {
      const now = cpuMs()
      this.longestMs = Math.max(this.longestMs, now - this.lastAt)
      this.lastAt = now
      if (this.running) setImmediate(turn)
    }
    setImmediate(turn)
  }

  /** The longest turn in milliseconds. */
  stop(): number {
    this.running = false
    return this.longestMs
  }
}

/** Megabytes of the heap after a collection. */
const memory = (): number => {
  global.gc?.()
  return process.memoryUsage().heapUsed / 1e6
}

/** How everybody's waiting ends. */
type End = "served" | "timed out" | "cancelled" | "closed"

const millrace = (tenants: number, end: End) => async (): Promise<Queue> => {
  const scope = Scope.makeUnsafe()
  const clock = new ShiftedClock()
  const context = await Effect.runPromise(
    Effect.provideService(
      Layer.buildWithScope(
        RateLimiter.layer({
          providers: [
            {
              name: "openai",
              maxTokens: undefined,
              rateLimits: {
                requestsPerMinute: undefined,
                tokensPerMinute: undefined,
                concurrent: places,
                windowMs: 60_000
              }
            }
          ],
          queue: { maxWaiting: 1_000_000, maxWaitMs: 600_000 }
        }),
        scope
      ),
      Clock.Clock,
      clock
    )
  )
  const limiter = Context.get(context, RateLimiter)
  const open = limiter.stage(() => reply)
  const request = requestOf(samePrompt)
  const attempt = (index: number) => {
    const tenant = `tenant-${index % tenants}`
    return attemptOf(routed({ ...request, id: `req_${index}`, tenant, priority: index % 4 === 0 ? 7 : 3 }))
  }
  let asked = 0
  let ended = 0
  const held = Array.from({ length: places }, (_, index) => attempt(index))
  for (const call of held) await Effect.runPromise(Effect.scoped(open(call)))
  const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
  const releases: { readonly [E in End]: () => Promise<void> } = {
    served: async () => {
      for (const call of held) Effect.runSync(call.settlement.run(success))
    },
    "timed out": async () => {
      clock.shiftMs = 700_000
      Effect.runSync(held[0]!.settlement.run(success))
    },
    cancelled: async () => {
      for (let at = 0; at < fibers.length; at++) {
        fibers[at]!.interruptUnsafe()
        if (at % burst === 0) await nextTurn()
      }
    },
    closed: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
  return {
    ask: (index) => {
      const call = attempt(index)
      asked++
      const settled = () => {
        ended++
        return call.settlement.run(success)
      }
      const fiber = Effect.runFork(Effect.scoped(Effect.flatMap(open(call), settled)))
      if (end === "cancelled") fibers.push(fiber)
    },
    waiting: () => (end === "served" ? asked - ended : limiter.status("openai", 0)!.queued),
    release: releases[end],
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** The time of the machine, which can jump. */
class ShiftedClock implements Clock.Clock {
  shiftMs = 0
  private readonly real = Effect.runSync(Clock.clockWith(Effect.succeed))
  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = this.real.currentTimeNanos
  readonly monotonicTimeNanos = this.real.monotonicTimeNanos

  currentTimeMillisUnsafe(): number {
    return this.real.currentTimeMillisUnsafe() + this.shiftMs
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.real.monotonicTimeNanosUnsafe()
  }

  currentTimeNanosUnsafe(): bigint {
    return this.real.currentTimeNanosUnsafe()
  }

  sleep(...duration: Parameters<Clock.Clock["sleep"]>): Effect.Effect<void> {
    return this.real.sleep(...duration)
  }
}

const pQueue = async (): Promise<Queue> => {
  const queue = new PQueue({ concurrency: places })
  let open: () => void = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  for (let i = 0; i < places; i++) void queue.add(() => gate)
  return {
    ask: () => void queue.add(() => {}),
    waiting: () => queue.size,
    release: async () => open(),
    close: async () => {}
  }
}

const semaphore = async (): Promise<Queue> => {
  const permits = Semaphore.makeUnsafe(1)
  await Effect.runPromise(permits.take(1))
  let waiting = 0
  return {
    ask: () => {
      waiting++
      Effect.runFork(permits.withPermits(1)(Effect.sync(() => waiting--)))
    },
    waiting: () => waiting,
    release: () => Effect.runPromise(Effect.asVoid(permits.release(1))),
    close: async () => {}
  }
}

const subject = (name: string, make: Subject["make"], fields: Partial<Subject> = {}): Subject => ({
  name,
  make,
  waiters,
  goals: true,
  quick: false,
  ...fields
})

const subjects: ReadonlyArray<Subject> = [
  subject("p-queue", pQueue, { goals: false }),
  subject("Effect Semaphore", semaphore, { waiters: 20_000, goals: false, note: "20,000 waiting" }),
  subject("Millrace, 1 tenant", millrace(1, "served"), { quick: true }),
  subject("Millrace, 1,000 tenants", millrace(1000, "served"), { quick: true }),
  subject("Millrace, 100,000 tenants", millrace(waiters, "served")),
  subject("Millrace, all time out at once", millrace(10, "timed out"), { quick: true }),
  subject("Millrace, all are cancelled", millrace(10, "cancelled")),
  subject("Millrace, the limiter closes", millrace(10, "closed"))
]
