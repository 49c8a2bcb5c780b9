/**
 * The playground of the admin API: `POST playground/chat/completions` and `GET playground/models`, under `/admin/api`.
 *
 * An operator's call goes the way of any caller's, and is answered and counted like it, but for who asks: the admin token lets
 * it in, and `?keyId=key_…` says in whose name it goes. Then the tenant, models, limits and budgets of that virtual key hold, whose
 * secret nobody needs to know; without it no key holds, also where keys are required. The token itself is never taken for a key.
 */
import { Clock, Effect } from "effect"
import { type EngineError, InvalidRequest, KeysUnavailable, PermissionDenied } from "../Errors.ts"
import type { Grant } from "../Grant.ts"
import { grantOf } from "../KeyRecord.ts"
import type { Keys } from "../Keys.ts"

/** What is asked of the playground, and in the name of which key. */
export interface PlaygroundCall {
  readonly verb: "answer" | "models"
  readonly method: "GET" | "POST"
  readonly keyId: string | undefined
}

const paths: { readonly [path: string]: Pick<PlaygroundCall, "method" | "verb"> } = {
  "/admin/api/playground/chat/completions": { verb: "answer", method: "POST" },
  "/admin/api/playground/models": { verb: "models", method: "GET" }
}

/** The call that a URL asks for; undefined where it is none of the playground. */
export const playgroundCall = (url: string): PlaygroundCall | undefined => {
  const end = url.indexOf("?")
  const path = end === -1 ? url : url.slice(0, end)
  if (!Object.hasOwn(paths, path)) return undefined
  const keyId = end === -1 ? null : new URLSearchParams(url.slice(end + 1)).get("keyId")
  return { ...paths[path]!, keyId: keyId ?? undefined }
}

/** What a key lets its holder do, by the key's id; fails where it would not be let in. Nothing without an id. */
export const grantById = (
  keys: Pick<Keys["Service"], "find">,
  keyId: string | undefined
): Effect.Effect<Grant | undefined, EngineError> =>
  keyId === undefined
    ? Effect.succeed(undefined)
    : Effect.gen(function* () {
        const record = yield* Effect.mapError(keys.find(keyId), () => new KeysUnavailable({}))
        if (record === undefined) return yield* new InvalidRequest({ field: "keyId", detail: "no key has this id" })
        if (record.disabled) return yield* new PermissionDenied({ detail: `the key ${record.name} is disabled` })
        if (record.expiresAtMs !== null && record.expiresAtMs <= (yield* Clock.currentTimeMillis)) {
          return yield* new PermissionDenied({ detail: `the key ${record.name} has expired` })
        }
        return grantOf(record)
      })
