/**
 * Counts of texts in OpenAI's encodings, as effects: what they answer, and counting on the event loop itself.
 *
 * A count on the event loop runs in slices and gives other work a turn after each, but the import of an encoding is one
 * long stretch; the engine counts in a thread (`stores/TokenThread`) and keeps this for where there is none.
 */
import { Effect, Semaphore } from "effect"
import type { Encoding } from "./ModelCatalog.ts"
import { type CountSlice, importEncoding, TextCounter, type TokenCount } from "./TextCounter.ts"

export type { TokenCount } from "./TextCounter.ts"

/**
 * Counts texts in an encoding. When `ceiling` tokens have been passed it may stop, and extrapolates. A count that is not
 * exact for its texts is an upper bound, or extrapolated.
 */
export type CountTexts = (
  texts: ReadonlyArray<string>,
  encoding: Encoding,
  ceiling?: number
) => Effect.Effect<TokenCount>

/** Counts on the event loop. */
export const countInline: CountTexts = (texts, encoding, ceiling) =>
  Effect.flatMap(loadEncoding(encoding), (countSlice) => {
    const counter = new TextCounter(texts, countSlice)
    return Effect.map(readAll(counter, ceiling), () => counter.result)
  })

/** One slice of one count at a time: many large prompts at once share the event loop as one would. */
const turn = Semaphore.makeUnsafe(1)

/**
 * Reads a counter to its end, or until it has passed `ceiling` tokens. A prompt of one slice is counted at once; longer
 * ones give the event loop a turn after every slice.
 */
export const readAll = (counter: TextCounter, ceiling = Number.POSITIVE_INFINITY): Effect.Effect<void> =>
  Effect.suspend(() => {
    counter.step()
    const more = () => !counter.done && counter.tokens <= ceiling
    if (!more()) return Effect.void
    const slice = turn.withPermit(
      Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => counter.step())
      )
    )
    return Effect.whileLoop({ while: more, body: () => slice, step: () => {} })
  })

const loaded = new Map<Encoding, CountSlice>()

/** The encoding's counter, imported at its first use. */
export const loadEncoding = (encoding: Encoding): Effect.Effect<CountSlice> => {
  const found = loaded.get(encoding)
  if (found !== undefined) return Effect.succeed(found)
  return Effect.map(
    Effect.promise(() => importEncoding(encoding)),
    (countSlice) => {
      loaded.set(encoding, countSlice)
      return countSlice
    }
  )
}

/** True when the encoding has been imported into this thread. */
export const isLoaded = (encoding: Encoding): boolean => loaded.has(encoding)
