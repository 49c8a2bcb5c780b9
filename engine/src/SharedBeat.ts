/**
 * One exchange a second with the shared state, for everybody in this process who has something to say there.
 *
 * It keeps this process a member: what the process holds (leases of calls at once) counts while it is heard of. Each time
 * that the state comes into reach it joins anew, under a name of its own, with everything that it holds then; so whatever
 * was sent under the old name, and whether it arrived, doesn't matter any more. Parts may say numbers with each beat and
 * hear the sums of all members. It buries members that are dead, and never holds up a request.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import type { MemberStore, NamedCount } from "./LimiterStore.ts"

/** What a concern has to do with the beat. All of it returns at once, and its names of counts are nobody else's. */
export interface BeatPart {
  /** What this process holds: counts from the moment of joining on; what changes is told by the concern itself. */
  readonly held?: (() => Iterable<NamedCount>) | undefined
  /** Whole numbers that are said with each beat, in the place of those that were said before. */
  readonly say?: (() => Iterable<NamedCount>) | undefined
  /** The sums over all members of the numbers that this process says. */
  readonly hear?: ((sums: ReadonlyMap<string, number>, members: number) => void) | undefined
  /** Run after each beat that was answered, for more to ask in the same second. */
  readonly after?: Effect.Effect<void> | undefined
  /** This process is a member from now on. `lost`: what was kept before is gone. */
  readonly joined?: ((lost: boolean) => void) | undefined
  /** It is no member any more: the state is out of reach, or has forgotten it. */
  readonly left?: (() => void) | undefined
}

export interface SharedBeatOptions {
  /** A name that no other process has. */
  readonly instance: string
  readonly store: MemberStore
}

/** Milliseconds between two beats. */
export const beatMs = 1000

export class SharedBeat extends Context.Service<
  SharedBeat,
  {
    /** The name under which this process is a member now, joins just now, or was a member last. */
    readonly member: () => string
    readonly joined: () => boolean
    /** True from when it begins to join: what is told under its name arrives after that. */
    readonly telling: () => boolean
    /** Members that were alive when they were counted last, this one included; 1 or more. */
    readonly members: () => number
    /** Takes part; returns the way to stop. */
    readonly add: (part: BeatPart) => () => void
    /** The state does not know this member: it joins again. */
    readonly forgotten: (member: string) => void
  }
>()("millrace/SharedBeat") {
  static readonly layer = (options: SharedBeatOptions): Layer.Layer<SharedBeat> =>
    Layer.effect(SharedBeat, SharedBeat.make(options))

  /** Tries once to join before it is there. */
  static readonly make = ({
    instance,
    store
  }: SharedBeatOptions): Effect.Effect<SharedBeat["Service"], never, Scope.Scope> =>
    Effect.gen(function* () {
      const membership = new Membership(instance, store)
      const stop = store.onChange((up) => {
        if (up) membership.wake()
        else membership.end()
      })
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          stop()
          if (membership.joined) store.leave(membership.name)
          membership.end()
        })
      )
      yield* membership.turn
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(membership.pause, membership.turn)))
      return SharedBeat.of({
        member: () => membership.name,
        joined: () => membership.joined,
        telling: () => membership.joined || membership.joining,
        members: () => membership.members,
        add: (part) => {
          membership.parts.add(part)
          return () => void membership.parts.delete(part)
        },
        forgotten: (member) => {
          if (member !== membership.name || !membership.joined) return
          membership.end()
          membership.wake()
        }
      })
    })
}

class Membership {
  joined = false
  joining = false
  name: string
  members = 1
  readonly parts = new Set<BeatPart>()
  private readonly instance: string
  private readonly store: MemberStore
  private epoch = 0
  /** Names under which it may still be known. */
  private before: ReadonlyArray<string> = []
  private generation: string | undefined
  /** What the store had dropped when it joined. */
  private dropped = 0
  /** Names that were said with the last beat; those that are not said any more are taken back. */
  private said: ReadonlySet<string> = new Set()
  private waking: (() => void) | undefined

  constructor(instance: string, store: MemberStore) {
    this.instance = instance
    this.store = store
    this.name = instance
  }

  /** Joins, or says that it is alive; does nothing while the store is out of reach. */
  readonly turn: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.store.up()) return Effect.void
    // Something that was given back may not have arrived: what is held is told anew.
    if (this.joined && this.store.dropped() !== this.dropped) this.end()
    return this.joined ? this.beat() : this.join()
  })

  /** Until the next turn is due, or something has changed. */
  readonly pause: Effect.Effect<void> = Effect.raceFirst(
    Effect.sleep(beatMs),
    Effect.callback((resume) => {
      this.waking = () => resume(Effect.void)
    })
  )

  wake(): void {
    this.waking?.()
  }

  end(): void {
    if (!this.joined) return
    this.joined = false
    for (const part of this.parts) part.left?.()
  }

  private join(): Effect.Effect<void> {
    this.joining = true
    this.name = `${this.instance}.${++this.epoch}`
    this.dropped = this.store.dropped()
    const { name } = this
    const said = this.sayings()
    const held = [...this.parts].flatMap((part) => [...(part.held?.() ?? [])])
    return Effect.match(this.store.join(name, this.before, [...held, ...said]), {
      onFailure: () => {
        this.joining = false
        this.before = [...this.before, name].slice(-namesMax)
      },
      onSuccess: ({ generation, members }) => {
        this.joining = false
        this.joined = true
        this.before = [name]
        this.members = members
        this.said = new Set(said.map(([of]) => of))
        const lost = this.generation !== undefined && this.generation !== generation
        this.generation = generation
        for (const part of this.parts) part.joined?.(lost)
      }
    })
  }

  private beat(): Effect.Effect<void> {
    const said = this.sayings()
    const names = new Set(said.map(([of]) => of))
    const gone = [...this.said].filter((of) => !names.has(of)).map((of): NamedCount => [of, 0])
    const { name } = this
    return Effect.matchEffect(this.store.beat(name, [...said, ...gone]), {
      // The store tells that it is out of reach by itself.
      onFailure: () => Effect.void,
      onSuccess: (heard) => {
        if (name !== this.name || !this.joined) return Effect.void
        if (heard === undefined) {
          this.end()
          return this.join()
        }
        this.members = heard.members
        this.said = names
        const sums = new Map(said.map(([of], index) => [of, heard.sums[index] ?? 0]))
        for (const part of this.parts) part.hear?.(sums, heard.members)
        for (const dead of heard.dead) this.store.bury(dead)
        const after = [...this.parts].flatMap((part) => (part.after === undefined ? [] : [part.after]))
        return Effect.all(after, { concurrency: "unbounded", discard: true })
      }
    })
  }

  private sayings(): ReadonlyArray<NamedCount> {
    return [...this.parts].flatMap((part) => [...(part.say?.() ?? [])])
  }
}

/** Names under which a join may have arrived that was not answered; older ones end with their lease. */
const namesMax = 8
