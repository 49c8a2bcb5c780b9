/**
 * Numbers that instances tell each other about once a second, and their sums over all: what a concern sees of the beat.
 */
export interface CountExchange {
  /** Takes part; returns the way to stop. */
  readonly add: (part: CountPart) => () => void
}

export interface CountPart {
  /** Whole numbers by names that are nobody else's, in the place of those that were said before. */
  readonly say: () => Iterable<readonly [name: string, value: number]>
  /** The sums over all instances of the numbers that this one says, and how many instances there are. */
  readonly hear: (sums: ReadonlyMap<string, number>, members: number) => void
  /** The others are out of reach. */
  readonly left: () => void
}
