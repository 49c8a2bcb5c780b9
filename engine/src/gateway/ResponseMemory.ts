/**
 * The responses that were written here, for callers who go on from one of them by its id.
 *
 * The Responses API lets a caller name an earlier response (`previous_response_id`) or an item of one (`item_reference`)
 * instead of sending it again, and some clients always do. Where OpenAI answered, OpenAI knows it; where another provider
 * did, this process remembers it: for an hour, within a bound of bytes, for the tenant alone, and never with `store: false`.
 * What is not remembered stays in the body, as a need that only OpenAI may meet.
 */
import { LRUCache } from "lru-cache"
import { isObject, type JsonObject, parseJson, stringOr } from "../protocols/Json.ts"
import type { JsonBody } from "./BodySchema.ts"

export type Items = ReadonlyArray<unknown>

interface Remembered {
  /** Everything that was asked, earlier responses included. */
  readonly input: Items
  readonly output: Items
}

const ttlMs = 3_600_000
/** Characters of JSON. */
const sizeMax = 64 << 20

export class ResponseMemory {
  private readonly responses: LRUCache<string, string>

  constructor(now: () => number) {
    this.responses = new LRUCache({
      maxSize: sizeMax,
      sizeCalculation: (json) => json.length,
      ttl: ttlMs,
      // lru-cache takes 0 for "no time", and a virtual clock starts there.
      perf: { now: () => now() + 1 }
    })
  }

  remember(tenant: string, id: string, response: Remembered): void {
    this.responses.set(keyOf(tenant, id), JSON.stringify(response))
  }

  /** The body with what it names in place; the body itself where it names nothing that is known. */
  resolve(tenant: string, body: JsonBody): JsonBody {
    const { input, previous_response_id: previousId, ...rest } = body
    const previous = typeof previousId === "string" ? this.find(tenant, previousId) : undefined
    const asked = Array.isArray(input) ? (input as Items) : undefined
    const items = asked?.map((item) => (isReference(item) ? (this.item(tenant, item) ?? item) : item))
    if (previous === undefined) {
      const same = items === undefined || items.every((item, index) => item === asked![index])
      return same ? body : { ...body, input: items }
    }
    return { ...rest, input: [...previous.input, ...previous.output, ...(items ?? itemsOf(input))] }
  }

  private find(tenant: string, id: string): Remembered | undefined {
    const json = this.responses.get(keyOf(tenant, id))
    return json === undefined ? undefined : (parseJson(json) as Remembered)
  }

  private item(tenant: string, reference: JsonObject): unknown {
    const id = stringOr(reference["id"], "")
    const root = /^(?:msg|fc|rs)_(req_\w+)_\d+$/.exec(id)?.[1]
    const response = root === undefined ? undefined : this.find(tenant, `resp_${root}`)
    return response?.output.find((item) => isObject(item) && item["id"] === id)
  }
}

/** Text as the one item that it stands for. */
export const itemsOf = (input: unknown): Items =>
  Array.isArray(input) ? (input as Items) : typeof input === "string" ? [{ role: "user", content: input }] : []

const keyOf = (tenant: string, id: string): string => `${tenant}\n${id}`

const isReference = (item: unknown): item is JsonObject => isObject(item) && item["type"] === "item_reference"
