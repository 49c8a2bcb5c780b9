import { Schema } from "effect"

const Store = Schema.Struct({ healthy: Schema.Boolean, kind: Schema.String })

/** The answer of the gateway's `GET /health/ready`. */
export const Health = Schema.Struct({
  status: Schema.Literals(["ready", "unavailable"]),
  /** Why it is unavailable, or what is degraded. */
  reasons: Schema.Array(Schema.String),
  checks: Schema.Struct({
    database: Store,
    cache: Store,
    budgets: Schema.optional(Store),
    keys: Schema.Struct({ required: Schema.Boolean, loaded: Schema.Boolean }),
    providers: Schema.Record(Schema.String, Schema.String)
  })
})
export type Health = typeof Health.Type
