/**
 * The part of the admin API about virtual keys: making, listing, changing, rotating and deleting them.
 *
 * It imports nothing but `effect`, so that it can be bundled for a browser; `admin-api` joins it with the other parts.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { NotFound, StorageUnavailable } from "./AdminErrors.ts"
import {
  DeletedKey,
  KeyChanges,
  KeyPage,
  KeyRotation,
  KeysQuery,
  MadeVirtualKey,
  NewKey,
  VirtualKey,
  VirtualKeyDetail
} from "./AdminKeysAnswers.ts"

const params = { id: Schema.NonEmptyString }
const error = [NotFound, StorageUnavailable] as const

export const keysGroup = HttpApiGroup.make("keys", { topLevel: true })
  .add(HttpApiEndpoint.get("keys", "/keys", { query: KeysQuery, success: KeyPage, error: StorageUnavailable }))
  .add(
    HttpApiEndpoint.post("createKey", "/keys", {
      payload: NewKey,
      success: MadeVirtualKey.pipe(HttpApiSchema.status(201)),
      error: StorageUnavailable
    })
  )
  .add(HttpApiEndpoint.get("key", "/keys/:id", { params, success: VirtualKeyDetail, error }))
  .add(HttpApiEndpoint.patch("updateKey", "/keys/:id", { params, payload: KeyChanges, success: VirtualKey, error }))
  .add(
    HttpApiEndpoint.post("rotateKey", "/keys/:id/rotate", {
      params,
      payload: [KeyRotation, Schema.Null],
      success: MadeVirtualKey,
      error
    })
  )
  .add(HttpApiEndpoint.delete("deleteKey", "/keys/:id", { params, success: DeletedKey, error }))
  .annotateMerge(OpenApi.annotations({ title: "Keys", description: "Virtual keys: who may call, what, and how much" }))
