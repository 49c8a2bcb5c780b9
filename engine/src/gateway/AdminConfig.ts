/**
 * The admin routes that try a configuration and put one in force.
 */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi, BadRequest } from "../admin-api.ts"
import { type ConfigControl, ConfigRefused } from "../ConfigControl.ts"

/** For a gateway that code has built: there is nothing to read again. */
const fromCode = new ConfigRefused({
  issues: [{ field: "", detail: "the configuration of this gateway comes from code; change it there" }]
})

export const noControl: ConfigControl["Service"] = {
  reload: Effect.fail(fromCode),
  validate: () => Effect.succeed({ issues: fromCode.issues, changed: [], needRestart: [] }),
  sources: Effect.succeed({ file: null, generation: 1, values: [] })
}

export const configHandlers = (control: ConfigControl["Service"]) =>
  HttpApiBuilder.group(AdminApi, "configuration", (handlers) =>
    Effect.succeed(
      handlers.handleAll({
        configSources: () => control.sources,
        reloadConfig: () =>
          Effect.mapError(control.reload, ({ issues, message }) => new BadRequest({ message, issues })),
        validateConfig: ({ payload }) =>
          Effect.map(control.validate(payload?.config), (found) => ({ valid: found.issues.length === 0, ...found }))
      })
    )
  )
