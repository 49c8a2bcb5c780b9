/**
 * The latest lookups of the exact cache: under which key a request was looked up, and the fields of its identity as hashes.
 *
 * It is what an operator asks when a request was a miss: which earlier request was nearest, and in what they differ. It holds
 * a bounded number of lookups in memory, the oldest are overwritten, and no text of any request is in it. A lookup costs the
 * request three writes; whatever is asked of it is done in steps, with other work in between.
 */
import { Effect } from "effect"
import type { CacheFields } from "./CacheFields.ts"
import { explainFingerprints, type Fingerprint } from "./CacheKey.ts"

/** One lookup; `fields` is undefined while its request runs, and where fingerprints are switched off. */
export interface Lookup {
  readonly id: string
  readonly key: string
  readonly timeMs: number
  readonly fields: Fingerprint | undefined
}

/** An earlier lookup under another key, and the paths in which the two differ. */
export interface NearLookup extends Lookup {
  readonly differing: ReadonlyArray<string>
}

export interface Neighbours {
  /** The latest earlier lookup under the same key. */
  readonly same: Lookup | undefined
  /** Those that differ in the fewest fields first, among equals the latest; one for each key. */
  readonly nearest: ReadonlyArray<NearLookup>
  /** Earlier lookups that were compared. */
  readonly compared: number
}

/** Lookups that are remembered. */
export const lookupsMax = 10_000

/** Lookups that are compared in one step. */
const stepLookups = 500

export class CacheLookups {
  private readonly ids: Array<string> = []
  private readonly keys: Array<string> = []
  private readonly fields: Array<string | undefined> = []
  private readonly times = new Float64Array(lookupsMax)
  private readonly codec: CacheFields
  private next = 0

  constructor(codec: CacheFields) {
    this.codec = codec
  }

  /** Remembers a lookup; returns its place, for `tell`. */
  note(id: string, key: string, timeMs: number): number {
    const place = this.next
    this.ids[place] = id
    this.keys[place] = key
    this.fields[place] = undefined
    this.times[place] = timeMs
    this.next = place + 1 === lookupsMax ? 0 : place + 1
    return place
  }

  /** Adds the encoded fields of a lookup, unless it has been overwritten since. */
  tell(place: number, id: string, fields: string): void {
    if (this.ids[place] === id) this.fields[place] = fields
  }

  /** The latest lookup of a request. */
  find(id: string): Lookup | undefined {
    const place = this.placeOf(id)
    return place === undefined ? undefined : this.at(place)
  }

  /** What an earlier lookup under a key was told, the latest first; a hit is told nothing itself. */
  fieldsOf(key: string): Fingerprint | undefined {
    const text = this.textOf(key)
    return text === undefined ? undefined : this.codec.decode(text)
  }

  /** The earlier lookups that are nearest to a request's, at most `limit`; undefined where it is not remembered. */
  neighbours(id: string, limit: number): Effect.Effect<Neighbours | undefined> {
    return Effect.suspend(() => {
      const place = this.placeOf(id)
      if (place === undefined) return Effect.succeed(undefined)
      const key = this.keys[place]!
      const text = this.fields[place] ?? this.textOf(key)
      const wanted = new Map(text === undefined ? [] : this.codec.decode(text))
      const nearest = new Map<string, { readonly lookup: Lookup; readonly distance: number }>()
      let same: Lookup | undefined
      let compared = 0
      const before = [...this.placesBefore(place)].map((at) => ({ at, id: this.ids[at]! }))
      const look = (at: number) => {
        compared++
        if (this.keys[at] === key) same ??= this.at(at)
        else if (text !== undefined && !nearest.has(this.keys[at]!)) {
          const lookup = this.at(at)
          if (lookup.fields === undefined) return
          nearest.set(lookup.key, { lookup, distance: distanceOf(wanted, lookup.fields) })
        }
      }
      const chosen = Effect.sync(() => ({
        same,
        compared,
        nearest: [...nearest.values()]
          .sort((a, b) => a.distance - b.distance || b.lookup.timeMs - a.lookup.timeMs)
          .slice(0, limit)
          .map(({ lookup }) => ({
            ...lookup,
            differing: explainFingerprints([...wanted], lookup.fields!)
          }))
      }))
      // A place that was overwritten between two steps holds another request.
      return Effect.andThen(
        inSteps(before, (entry) => {
          if (this.ids[entry.at] === entry.id) look(entry.at)
        }),
        chosen
      )
    })
  }

  private at(place: number): Lookup {
    const text = this.fields[place]
    return {
      id: this.ids[place]!,
      key: this.keys[place]!,
      timeMs: this.times[place]!,
      fields: text === undefined ? undefined : this.codec.decode(text)
    }
  }

  private placeOf(id: string): number | undefined {
    for (const place of this.places()) if (this.ids[place] === id) return place
    return undefined
  }

  private textOf(key: string): string | undefined {
    for (const place of this.places()) {
      const text = this.fields[place]
      if (text !== undefined && this.keys[place] === key) return text
    }
    return undefined
  }

  /** All places, the latest first. */
  private *places(): Iterable<number> {
    const { length } = this.ids
    for (let back = 1; back <= length; back++) yield (this.next - back + length) % length
  }

  private *placesBefore(from: number): Iterable<number> {
    let reached = false
    for (const place of this.places()) {
      if (reached) yield place
      else reached = place === from
    }
  }
}

/** Paths that only one of the two has, or that have different values. */
const distanceOf = (wanted: ReadonlyMap<string, number>, fields: Fingerprint): number => {
  let distance = wanted.size
  for (const [path, hash] of fields) {
    const other = wanted.get(path)
    if (other === undefined) distance += 1
    else if (other === hash) distance -= 1
  }
  return distance
}

/** Does something for each item, with the event loop free in between. */
const inSteps = <A>(items: ReadonlyArray<A>, run: (item: A) => void, from = 0): Effect.Effect<void> =>
  Effect.suspend(() => {
    const end = Math.min(items.length, from + stepLookups)
    for (let i = from; i < end; i++) run(items[i]!)
    return end === items.length ? Effect.void : Effect.andThen(Effect.yieldNow, inSteps(items, run, end))
  })
