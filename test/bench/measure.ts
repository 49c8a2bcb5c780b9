/**
 * Paired measurement in one process: all entries are run in turn, round after round, so that a slow moment of the
 * machine hits them alike. What is compared are medians, and ratios within the same round. The collector is left to
 * itself: a forced collection throws away what the engine has learnt of hot code, and slows peers by different factors.
 * Time is the CPU time of the thread, since all work here is in memory and other processes may want the cores.
 */
import { record } from "./profile.ts"
import { median, quantile, type Goal, type Options, type Row } from "./report.ts"

export interface Entry {
  readonly name: string
  /** Does the work `count` times. */
  readonly run: (count: number) => Promise<unknown> | void
  readonly goals?: ReadonlyArray<Goal> | undefined
  readonly note?: string | undefined
}

/** Microseconds of one piece of work, per entry and round. */
export type Rounds = ReadonlyMap<string, ReadonlyArray<number>>

/** Runs every entry in every round, each for about `roundMs`. The order alternates between rounds. */
export const rounds = async (
  entries: ReadonlyArray<Entry>,
  options: Options,
  roundMs = options.quick ? 40 : 150,
  count = options.quick ? 7 : 21
): Promise<Rounds> => {
  const chosen = entries.filter((entry) => options.only === undefined || entry.name.includes(options.only))
  const sized: Array<{ readonly entry: Entry; readonly size: number; readonly times: Array<number> }> = []
  for (const entry of chosen) sized.push({ entry, size: await calibrate(entry, roundMs), times: [] })
  const end = options.profiles === undefined ? undefined : await record(options.profiles)
  for (let round = 0; round < count; round++) {
    for (const { entry, size, times } of round % 2 === 0 ? sized : sized.toReversed()) {
      times.push((await timed(entry, size)) / size)
    }
  }
  await end?.()
  return new Map(sized.map(({ entry, times }) => [entry.name, times]))
}

/** One row for each entry; ratios are to the first one. */
export const compare = async (
  entries: ReadonlyArray<Entry>,
  options: Options,
  roundMs?: number,
  count?: number
): Promise<ReadonlyArray<Row>> => {
  const measured = await rounds(entries, options, roundMs, count)
  return entries.filter((entry) => measured.has(entry.name)).map((entry) => rowOf(entry, measured))
}

/** A row from the times of one entry, or from times that were derived from several. */
export const rowOf = (entry: Omit<Entry, "run">, measured: Rounds): Row => {
  const times = measured.get(entry.name)!
  const first = measured.values().next().value!
  return {
    name: entry.name,
    value: median(times),
    low: quantile(times, 0.25),
    high: quantile(times, 0.75),
    ratio: median(times.map((time, round) => time / first[round]!)),
    goals: entry.goals,
    note: entry.note
  }
}

/** Microseconds of CPU time of this thread for `size` pieces of work. */
const timed = async (entry: Entry, size: number): Promise<number> => {
  const before = process.threadCpuUsage()
  await entry.run(size)
  const { system, user } = process.threadCpuUsage(before)
  return system + user
}

/** Warms up, and returns how often the work fits into a round. */
const calibrate = async (entry: Entry, roundMs: number): Promise<number> => {
  let size = 1
  let warmMs = 0
  for (;;) {
    const ms = (await timed(entry, size)) / 1000
    warmMs += ms
    if (ms >= roundMs / 2 && warmMs >= roundMs * 10) return Math.max(1, Math.round((size * roundMs) / ms))
    if (ms < roundMs / 2) size *= 2
  }
}
