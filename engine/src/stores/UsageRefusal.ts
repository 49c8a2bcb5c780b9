/**
 * Records that a database refuses for what they are, and how the rest of their batch is saved.
 *
 * A database that is away, full or locked is waited for; a record that no row can hold would be tried again for ever, and every
 * record behind it with it. So a batch that was refused a few times is sifted: halves are tried without being kept, until
 * those that are refused are found. What is found, and what a bounded number of tries left open, is given up. It imports
 * nothing that takes time to load.
 */
/** Refusals of a batch after which it is sifted; what is wrong with the database rather than the batch may pass till then. */
export const refusalsMax = 3

/** Parts that are tried for one batch. */
const triesMax = 200

/** Records that were given up, and what the database said of the first of them. */
export interface Refused {
  readonly count: number
  readonly reason: string
}

/** Too big, against a constraint, of the wrong type or out of range, by SQLite's result code; values of no type of SQLite. */
export const isRefusedBySqlite = (error: unknown): boolean => {
  if (error instanceof RangeError || error instanceof TypeError) return true
  return error instanceof Error && "errcode" in error && [18, 19, 20, 25].includes(Number(error.errcode) & 255)
}

/** Yields parts of a batch and is told which of them are taken; returns all that can be, in order. */
export const sift = function* <A>(batch: ReadonlyArray<A>): Generator<ReadonlyArray<A>, ReadonlyArray<A>, boolean> {
  const taken: Array<A> = []
  const open: Array<ReadonlyArray<A>> = halves(batch)
  for (let tries = 0; tries < triesMax; tries++) {
    const part = open.pop()
    if (part === undefined) break
    if (yield part) taken.push(...part)
    else open.push(...halves(part))
  }
  return taken
}

/** The second half and the first one, since the last is taken next; nothing of a single one, which is refused. */
const halves = <A>(part: ReadonlyArray<A>): Array<ReadonlyArray<A>> => {
  const middle = Math.ceil(part.length / 2)
  return part.length < 2 ? [] : [part.slice(middle), part.slice(0, middle)]
}
