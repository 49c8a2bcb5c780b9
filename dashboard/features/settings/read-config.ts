import "server-only"
import { Effect, Schema } from "effect"
import { LineCounter, parseDocument } from "yaml"
import { GatewayFailed } from "@/features/gateway/admin-client"

const Pasted = Schema.Struct({ text: Schema.optional(Schema.String) })

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What the admin API is asked: the pasted text, YAML or JSON, as the object that it describes. */
export const readConfig = (
  body: unknown
): Effect.Effect<{ readonly config?: Readonly<Record<string, unknown>> }, GatewayFailed> =>
  Schema.decodeUnknownEffect(Pasted)(body).pipe(
    Effect.mapError(() => new GatewayFailed("rejected", "Expected a text.")),
    Effect.flatMap(({ text }) =>
      text === undefined ? Effect.succeed({}) : Effect.map(parse(text), (config) => ({ config }))
    )
  )

const parse = (text: string): Effect.Effect<Record<string, unknown>, GatewayFailed> => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  if (document.errors.length > 0) {
    const issues = document.errors.map(({ message, pos }) => {
      const { line, col } = lines.linePos(pos[0])
      return {
        field: `line ${line}, column ${col}`,
        detail: message.split("\n")[0]!.replace(/ at line \d+, column \d+:?$/, "")
      }
    })
    return Effect.fail(new GatewayFailed("rejected", "This is neither YAML nor JSON.", issues))
  }
  return Effect.try({
    try: (): unknown => document.toJS(),
    catch: () => new GatewayFailed("rejected", "This can't be read: it refers to itself too often.")
  }).pipe(
    Effect.flatMap((value) =>
      isRecord(value)
        ? Effect.succeed(value)
        : Effect.fail(
            new GatewayFailed("rejected", "Expected fields such as “providers:”, not a list or a single value.")
          )
    )
  )
}
