/**
 * What fields of the configuration are made of: numbers, texts, times and sections that say what they expect.
 *
 * Every schema here carries the words that an error uses: `expected a positive integer, got 0`.
 */
import { Duration, Option, Schema } from "effect"

export const number = (expected: string, is: (value: number) => boolean) =>
  Schema.Number.annotate({ expected }).check(Schema.makeFilter(is, { expected }))

export const text = (expected: string, is: (value: string) => boolean) =>
  Schema.String.annotate({ expected }).check(Schema.makeFilter(is, { expected }))

export const oneOf = <const Values extends ReadonlyArray<string>>(values: Values) =>
  Schema.Literals(values).annotate({ expected: `one of ${values.join(", ")}` })

export const PositiveInteger = number("a positive integer", (value) => Number.isSafeInteger(value) && value > 0)
export const Share = number("a number from 0 to 1", (value) => value >= 0 && value <= 1)
export const Flag = Schema.Boolean.annotate({ expected: "true or false" })
export const Name = text("a non-empty string", (value) => value.trim() !== "")

const units: { readonly [short: string]: string } = {
  ms: "millis",
  s: "seconds",
  sec: "seconds",
  m: "minutes",
  min: "minutes",
  h: "hours",
  d: "days",
  w: "weeks"
}

/** Milliseconds of a number or of a text such as `10 minutes` or `30s`; undefined when it is neither. */
export const toMillis = (value: number | string): number | undefined => {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(value)
  if (match === null) return undefined
  const unit = match[2]!.toLowerCase()
  const input = `${Number(match[1])} ${Object.hasOwn(units, unit) ? units[unit] : unit}`
  const duration = Duration.fromInput(input as Duration.Input)
  return Option.isSome(duration) ? Duration.toMillis(duration.value) : undefined
}

const time = (expected: string, is: (millis: number) => boolean) =>
  Schema.Union([Schema.Number, Schema.String])
    .annotate({ expected })
    .check(
      Schema.makeFilter(
        (value) => {
          const millis = toMillis(value)
          return millis !== undefined && is(millis)
        },
        { expected }
      )
    )

export const PositiveTime = time(
  'a positive number of milliseconds or a text such as "10 minutes"',
  (millis) => millis > 0
)
export const Time = time('0 or more milliseconds or a text such as "10 minutes"', (millis) => millis >= 0)

/** True for an address that names no user, no password and no place in a page. */
export const isHttpUrl = (value: string): boolean => {
  const url = URL.parse(value)
  if (url === null || !/^https?:\/\/[^\s\\]+$/i.test(value)) return false
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" && url.hash === ""
}

/** A part of the configuration that may be left out; unknown keys in it are errors. */
export const section = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.optional(Schema.Struct(fields).annotate({ expected: "an object of settings" }))
