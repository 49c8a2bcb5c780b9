/**
 * Whether a history of concurrent operations can have happened one after the other (Wing and Gong 1993, with the states
 * that were seen remembered, as Lowe 2017 does).
 */

/** One operation with what it was answered; times are of one clock. */
export interface Operation<S> {
  readonly startedAt: number
  /** Infinite when nobody knows that it has ended. */
  readonly endedAt: number
  /** The state after it, or undefined where it can't have been answered so in this state. */
  readonly apply: (state: S) => S | undefined
}

export const isLinearizable = <S extends number | string>(
  history: ReadonlyArray<Operation<S>>,
  initial: S
): boolean => {
  const seen = new Set<string>()
  const done = history.map(() => false)
  const search = (state: S, left: number): boolean => {
    if (left === 0) return true
    const key = `${done.map(Number).join("")} ${state}`
    if (seen.has(key)) return false
    seen.add(key)
    // Whoever began after another had ended comes after it; what is not known to have ended may come last.
    let firstEnd = Infinity
    for (const [index, { endedAt }] of history.entries()) if (!done[index]) firstEnd = Math.min(firstEnd, endedAt)
    for (const [index, operation] of history.entries()) {
      if (done[index] || operation.startedAt > firstEnd) continue
      const next = operation.apply(state)
      if (next === undefined) continue
      done[index] = true
      if (search(next, left - 1)) return true
      done[index] = false
    }
    return false
  }
  return search(initial, history.length)
}
