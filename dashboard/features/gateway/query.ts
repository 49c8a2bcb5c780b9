import "server-only"
import { Effect, Schema } from "effect"
import { GatewayFailed } from "./admin-client"

/** The query of a URL by the schema of the admin API; a wrong or unknown field is named in the failure. */
export const decodeQuery = <S extends Schema.ConstraintCodec<unknown, unknown>>(
  schema: S,
  url: string
): Effect.Effect<S["Type"], GatewayFailed> =>
  Schema.decodeUnknownEffect(Schema.toCodecStringTree(schema), { errors: "all", onExcessProperty: "error" })(
    Object.fromEntries(new URL(url).searchParams)
  ).pipe(Effect.mapError((error) => new GatewayFailed("rejected", `The query is wrong: ${error.message}`)))
