/**
 * What the configuration can say and this version can't do: each is refused, never ignored.
 *
 * One row is one ability; the issue that brings the ability deletes its row, and nothing else.
 */

/** Values of a field that are refused. `*` in a path stands for every index of a list. */
export interface Unsupported {
  readonly path: ReadonlyArray<string>
  readonly refuses: (value: unknown) => boolean
  /** The value as it is named in the error, where showing it as written could give away a password. */
  readonly named?: string
  readonly instead: string
}

export const unsupported: ReadonlyArray<Unsupported> = []
