/**
 * Virtual keys of a gateway under test, made and changed by its admin API.
 */
import type { MadeVirtualKey, NewKey } from "../../engine/src/admin-api.ts"
import { adminToken } from "./gateway.ts"

type Input = Omit<Partial<NewKey>, "expiresAt"> & { readonly expiresAt?: string | number | null }

/** Asks the admin API; the body goes as JSON. */
export const admin = async (url: string, method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(`${url}/admin/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })

export const createKey = async (url: string, input: Input = {}): Promise<MadeVirtualKey> => {
  const response = await admin(url, "POST", "keys", { name: "app", ...input })
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json()) as MadeVirtualKey
}
