import { Effect } from "effect"
import { ConfigValidation } from "millrace/admin-api"
import { sendAdmin } from "@/features/gateway/admin-client"
import { readBody } from "@/features/gateway/body"
import { answer, withSessionFromOwnPage } from "@/features/gateway/respond"
import { readConfig } from "@/features/settings/read-config"

/** Tries a configuration that was pasted, `{ text }`; without a text, the gateway's file as it is now. Changes nothing. */
export const POST = (request: Request) =>
  withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      readBody(request).pipe(
        Effect.flatMap(readConfig),
        Effect.flatMap((candidate) => sendAdmin(session.token, "POST", "/config/validate", candidate, ConfigValidation))
      ),
      request.signal
    )
  )
