import "server-only"
import { Effect } from "effect"
import { GatewayFailed } from "./admin-client"

const maxBodyLength = 100_000

/** The JSON that a page has sent; what is in it is for the gateway to judge. */
export const readBody = (request: Request): Effect.Effect<unknown, GatewayFailed> =>
  Effect.tryPromise({
    try: async (): Promise<unknown> => {
      const text = await request.text()
      if (text.length > maxBodyLength) throw new Error("too long")
      return JSON.parse(text)
    },
    catch: () => new GatewayFailed("rejected", `Expected JSON of at most ${maxBodyLength / 1000} kB.`)
  })
