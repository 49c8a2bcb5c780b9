/**
 * Properties by fast-check whose body is an effect: every run has a `TestClock` of its own.
 */
import { it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"

export interface PropertyOptions {
  /** Runs, 100 unless told. */
  readonly runs?: number
  /** Milliseconds of real time for all runs. */
  readonly timeout?: number
}

/** A test that holds for every value that the arbitrary makes; a failure prints its seed and the smallest example. */
export const property = <A>(
  name: string,
  arbitrary: fc.Arbitrary<A>,
  body: (value: A) => Effect.Effect<void, unknown, Scope.Scope>,
  options: PropertyOptions = {}
): void =>
  it(
    name,
    () =>
      fc.assert(
        fc.asyncProperty(arbitrary, (value) =>
          Effect.runPromise(Effect.scoped(Effect.provide(body(value), TestClock.layer())))
        ),
        { numRuns: options.runs ?? 100, endOnFailure: (options.runs ?? 100) < 100 }
      ),
    options.timeout ?? 60_000
  )
