/**
 * Which sums of usage records are kept: by minute, hour and day, and for each of these by sets of what can be asked for.
 *
 * A question names at most one field to group by and any to filter by. The sets of none, one and two fields, and two larger
 * ones, are kept so that a question finds about as many cells as its answer has points. What no cell covers, the ends of a
 * range and some questions by minute, is read from the records.
 */
import type { Bucket, GroupBy } from "../AdminAnswers.ts"
import { bucketMs } from "./UsageAggregate.ts"

/** What identifies a cell beside its time; null where a record has no such value. */
export type Dims = { readonly [K in GroupBy]: string | null }

/** Fields with many values first: `a` of a cell is the first field of its set, `b` the second. */
export const fields = [
  "key",
  "tenant",
  "model",
  "provider",
  "cache",
  "status"
] as const satisfies ReadonlyArray<GroupBy>

export type FieldSet = ReadonlyArray<GroupBy>

/** The fields with few values, together; its cells have all of them in `b`. */
export const narrow: FieldSet = ["model", "provider", "cache", "status"]

/** The set of all fields; its cells name a row of `usage_dims` instead of values. */
export const everything: FieldSet = fields

const single: ReadonlyArray<FieldSet> = fields.map((field) => [field])
const pairs: ReadonlyArray<FieldSet> = fields.flatMap((first, at) =>
  fields.slice(at + 1).map((second) => [first, second])
)
/** Never reordered: the place of a set is a part of the number of its shape. */
const sets: ReadonlyArray<FieldSet> = [[], ...single, ...pairs, narrow, everything]

/** Largest first. */
export const levels = ["day", "hour", "minute"] as const satisfies ReadonlyArray<Bucket>

/** By minute, key and tenant alone: they answer what the cells of the narrow fields can't. */
const isLater = (level: Bucket, set: FieldSet): boolean =>
  level === "minute" && set.length === 1 && (set[0] === "key" || set[0] === "tenant")

/**
 * A key has few cells in the set of all fields, so pairs with it are kept by day alone. By minute there is what stays
 * small: where traffic is sparse, every cell holds one record.
 */
const isKept = (level: Bucket, set: FieldSet): boolean =>
  level === "day" ||
  (level === "hour" ? set.length !== 2 || set[0] !== "key" : set.length === 0 || set === narrow || isLater(level, set))

export interface Shape {
  readonly id: number
  readonly level: Bucket
  readonly sizeMs: number
  readonly set: FieldSet
  /** True for sums that earlier versions of the schema don't have: they are complete from a time on. */
  readonly later: boolean
}

export const shapes: ReadonlyArray<Shape> = levels.flatMap((level, at) =>
  sets.flatMap((set, index) =>
    isKept(level, set) ? [{ id: at * 64 + index, level, sizeMs: bucketMs[level], set, later: isLater(level, set) }] : []
  )
)

/** The smallest cells that answer a question about these fields, of each level that has any; the largest level first. */
export const shapesFor = (asked: ReadonlySet<GroupBy>): ReadonlyArray<Shape> =>
  levels.flatMap((level) => {
    const kept = shapes.filter((shape) => shape.level === level)
    const best =
      kept.find(({ set }) => set.length === asked.size && holds(set, asked)) ??
      kept.find(({ set }) => set === narrow && holds(set, asked)) ??
      kept.find(({ set }) => set === everything)
    return best === undefined ? [] : [best]
  })

const holds = (set: FieldSet, asked: ReadonlySet<GroupBy>): boolean => [...asked].every((field) => set.includes(field))

/** A value as a part of a key; null and the empty text are told apart. */
export const wordOf = (value: string | null): string => (value === null ? "" : `=${value}`)

export const valueOf = (word: string): string | null => (word === "" ? null : word.slice(1))

/** A stretch of time that is read from cells of one shape, or from the records where there is none. */
export interface Stretch {
  readonly fromMs: number
  readonly toMs: number
  readonly shape: Shape | undefined
}

/** What the sums are good for. */
export interface SumsState {
  /** Records before this time have been deleted. */
  readonly prunedMs: number
  /** From here on there are the sums of the `later` shapes; the start of a minute. */
  readonly laterMs: number
}

/**
 * Covers a range with the largest cells that a bucket can be made of. Before `prunedMs` there are no records any more: there
 * the range is widened to the smallest cells that there are.
 */
export const cover = (
  range: { readonly fromMs: number; readonly toMs: number },
  bucket: Bucket,
  asked: ReadonlySet<GroupBy>,
  { laterMs, prunedMs }: SumsState
): ReadonlyArray<Stretch> => {
  const available = shapesFor(asked)
  const usable = available.filter(({ sizeMs }) => sizeMs <= bucketMs[bucket])
  const stretches: Array<Stretch> = []

  const fill = (fromMs: number, toMs: number, [shape, ...smaller]: ReadonlyArray<Shape>): void => {
    if (fromMs >= toMs) return
    if (shape === undefined) {
      stretches.push({ fromMs, toMs, shape: undefined })
      return
    }
    const completeMs = shape.later ? Math.max(fromMs, laterMs) : fromMs
    const first = Math.ceil(completeMs / shape.sizeMs) * shape.sizeMs
    const last = Math.floor(toMs / shape.sizeMs) * shape.sizeMs
    if (first >= last) return fill(fromMs, toMs, smaller)
    fill(fromMs, first, smaller)
    stretches.push({ fromMs: first, toMs: last, shape })
    fill(last, toMs, smaller)
  }

  const prunedTo = Math.min(range.toMs, prunedMs)
  if (range.fromMs < prunedTo) {
    const isComplete = ({ later }: Shape): boolean => !later || laterMs <= range.fromMs
    const finest = available.findLast(isComplete)!
    const complete = usable.filter(isComplete)
    const fromMs = Math.floor(range.fromMs / finest.sizeMs) * finest.sizeMs
    const toMs = Math.min(Math.ceil(prunedTo / finest.sizeMs) * finest.sizeMs, prunedMs)
    if (complete.length > 0) fill(fromMs, toMs, complete)
    else stretches.push({ fromMs, toMs, shape: finest })
  }
  fill(Math.max(range.fromMs, prunedMs), range.toMs, usable)
  return stretches
}
