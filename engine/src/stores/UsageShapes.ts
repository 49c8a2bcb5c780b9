/**
 * Which sums of usage records are kept: by minute, hour and day, and for each of these by sets of what can be asked for.
 *
 * A question names at most one field to group by and any to filter by. The sets of none, one and two fields, and that of
 * all six, are kept by hour and day, so that a question finds about as many cells as its answer has points. By minute there
 * are only the sets that stay small. What no cell covers, the ends of a range, is read from the records.
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

/** The set of all fields; its cells name a row of `usage_dims` instead of values. */
export const everything: FieldSet = fields

const sets: ReadonlyArray<FieldSet> = [
  [],
  ...fields.map((field) => [field]),
  ...fields.flatMap((first, at) => fields.slice(at + 1).map((second) => [first, second])),
  everything
]

const byMinute: ReadonlySet<GroupBy> = new Set<GroupBy>(["model", "provider", "cache", "status"])

/** Largest first. */
export const levels = ["day", "hour", "minute"] as const satisfies ReadonlyArray<Bucket>

export interface Shape {
  readonly id: number
  readonly level: Bucket
  readonly sizeMs: number
  readonly set: FieldSet
}

export const shapes: ReadonlyArray<Shape> = levels.flatMap((level, at) =>
  sets.flatMap((set, index) =>
    level === "minute" && (set.length > 1 || !set.every((field) => byMinute.has(field)))
      ? []
      : [{ id: at * 32 + index, level, sizeMs: bucketMs[level], set }]
  )
)

/** The cells that answer a question about these fields, of each level that has them. */
export const shapesFor = (asked: ReadonlySet<GroupBy>): ReadonlyArray<Shape> => {
  const set = sets.find((candidate) => candidate.length === asked.size && candidate.every((field) => asked.has(field)))
  return shapes.filter((shape) => shape.set === (set ?? everything))
}

/** A value as a part of a key; null and the empty text are told apart. */
export const wordOf = (value: string | null): string => (value === null ? "" : `=${value}`)

export const valueOf = (word: string): string | null => (word === "" ? null : word.slice(1))

/** A stretch of time that is read from cells of one shape, or from the records where there is none. */
export interface Stretch {
  readonly fromMs: number
  readonly toMs: number
  readonly shape: Shape | undefined
}

/**
 * Covers a range with the largest cells that a bucket can be made of. Before `prunedMs` there are no records any more: there
 * the range is widened to the smallest cells that there are.
 */
export const cover = (
  range: { readonly fromMs: number; readonly toMs: number },
  bucket: Bucket,
  asked: ReadonlySet<GroupBy>,
  prunedMs: number
): ReadonlyArray<Stretch> => {
  const available = shapesFor(asked)
  const usable = available.filter(({ sizeMs }) => sizeMs <= bucketMs[bucket])
  const finest = available.at(-1)!
  const stretches: Array<Stretch> = []

  const fill = (fromMs: number, toMs: number, from: number): void => {
    if (fromMs >= toMs) return
    const shape = usable[from]
    if (shape === undefined) {
      stretches.push({ fromMs, toMs, shape: undefined })
      return
    }
    const first = Math.ceil(fromMs / shape.sizeMs) * shape.sizeMs
    const last = Math.floor(toMs / shape.sizeMs) * shape.sizeMs
    if (first >= last) return fill(fromMs, toMs, from + 1)
    fill(fromMs, first, from + 1)
    stretches.push({ fromMs: first, toMs: last, shape })
    fill(last, toMs, from + 1)
  }

  const prunedTo = Math.min(range.toMs, prunedMs)
  if (range.fromMs < prunedTo) {
    const fromMs = Math.floor(range.fromMs / finest.sizeMs) * finest.sizeMs
    const toMs = Math.min(Math.ceil(prunedTo / finest.sizeMs) * finest.sizeMs, prunedMs)
    if (usable.length > 0) fill(fromMs, toMs, 0)
    else stretches.push({ fromMs, toMs, shape: finest })
  }
  fill(Math.max(range.fromMs, prunedMs), range.toMs, 0)
  return stretches
}
