/**
 * Words that the schemas of request bodies share: optional fields, ranges, free-form objects, and kinds that are not known.
 *
 * `null` means absent, as in every dialect. A kind that a dialect may grow next month (a content block, a tool) is let
 * through to an upstream of the same dialect; a known kind with a wrong field is an error that names the field.
 */
import { Result, Schema, SchemaTransformation } from "effect"
import { InvalidRequest } from "../Errors.ts"
import { describeIssue } from "../Issues.ts"
import { guardOf } from "../SchemaGuard.ts"

/** A body as it was sent. */
export type JsonBody = { readonly [key: string]: unknown }

export const text = Schema.String
export const flag = Schema.Boolean
export const name = Schema.NonEmptyString.check(Schema.isMaxLength(256))
export const positive = Schema.Int.check(Schema.isGreaterThan(0))
export const anyObject = Schema.Record(Schema.String, Schema.Unknown)
export const jsonObject = Schema.Record(Schema.String, Schema.Json)

export const optional = <S extends Schema.Constraint>(schema: S) => Schema.optional(Schema.NullOr(schema))

export const range = (minimum: number, maximum: number) => Schema.Finite.check(Schema.isBetween({ minimum, maximum }))

export const integer = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** An object whose `type` is none of the known ones; read as `{ type: "other", kind }`. */
export const otherKind = (...known: ReadonlyArray<string>) =>
  Schema.Struct({
    type: Schema.String.check(
      Schema.makeFilter((type: string) => !known.includes(type), { expected: `a kind other than ${known.join(", ")}` })
    )
  }).pipe(
    Schema.decodeTo(
      Schema.Struct({ type: Schema.Literal("other"), kind: Schema.String }),
      SchemaTransformation.transform({
        decode: ({ type }) => ({ type: "other" as const, kind: type }),
        encode: ({ kind }) => ({ type: kind })
      })
    )
  )

/** Reads bodies by a schema. */
export interface BodyDecoder<Body> {
  /** The body, or the path of the first field that is wrong. */
  (body: JsonBody): Result.Result<Body, InvalidRequest>
  /** What the schema names of a body that was decoded, and nothing else. */
  readonly known: (body: JsonBody) => unknown
}

export const bodyDecoder = <S extends Schema.ConstraintDecoder<unknown>>(schema: S): BodyDecoder<S["Type"]> => {
  const parse = Schema.decodeUnknownResult(schema)
  // Only a body with nothing but what the schema names is taken as it is.
  const isValid = guardOf(schema, { exact: true })
  const decode = (body: JsonBody): Result.Result<S["Type"], InvalidRequest> =>
    isValid(body)
      ? Result.succeed(body as S["Type"])
      : Result.mapError(parse(body), (error) => new InvalidRequest(describeIssue(error.issue)))
  return Object.assign(decode, { known: (body: JsonBody) => Result.getOrThrow(parse(body)) })
}
