/**
 * Ids of requests: sortable by time, unique across processes, cheap to make.
 */
import { randomBytes } from "node:crypto"

const process = randomBytes(6).toString("hex")
let counter = 0

/** `req_` + time in ms, base 36 + the process + a counter. */
export const makeRequestId = (): string => {
  counter = (counter + 1) % 0x100_0000
  return `req_${Date.now().toString(36)}${process}${counter.toString(36).padStart(5, "0")}`
}
