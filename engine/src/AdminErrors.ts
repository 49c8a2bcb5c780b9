/**
 * What the admin API fails with. Messages name what is wrong and carry no secret.
 */
import { Schema } from "effect"

/** The bearer token is missing or wrong. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()(
  "Unauthorized",
  { message: Schema.String },
  { httpApiStatus: 401, description: "The admin token is missing or wrong" }
) {}

/** Too many wrong tokens came from this address. The right token is always let in. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()(
  "TooManyRequests",
  { message: Schema.String, retryAfterSeconds: Schema.Finite },
  { httpApiStatus: 429, description: "Too many failed authentications from this address" }
) {}

/** A query parameter or the body is wrong; every wrong field is named. */
export class BadRequest extends Schema.TaggedError<BadRequest>()(
  "BadRequest",
  { message: Schema.String, issues: Schema.Array(Schema.Struct({ field: Schema.String, detail: Schema.String })) },
  { httpApiStatus: 400, description: "Fields of the request are wrong; each is named" }
) {}

export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  { message: Schema.String },
  { httpApiStatus: 404, description: "There is nothing under this path or id" }
) {}

/** The usage database can't be read now. */
export class StorageUnavailable extends Schema.TaggedError<StorageUnavailable>()(
  "StorageUnavailable",
  { message: Schema.String },
  { httpApiStatus: 503, description: "The usage database can't be read now" }
) {}
