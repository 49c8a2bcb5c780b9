/**
 * The thread that counts tokens. It imports each encoding at its first use and keeps it.
 *
 * Counts that come together share the thread slice by slice, so a short prompt does not wait for a long one. A text comes
 * in pieces and is counted when its last piece is there. A count that takes too long ends early and extrapolates, so that
 * no prompt can keep the thread from the others.
 */
import { parentPort, workerData } from "node:worker_threads"
import type { Encoding } from "../ModelCatalog.ts"
import { type CountSlice, importEncoding, TextCounter } from "../TextCounter.ts"

export interface TokenThreadData {
  /** Milliseconds of its own that a count may take. */
  readonly countMsMax: number
}

/** Texts come in order, in pieces; `end` begins a count and `drop` ends one without an answer. */
export type ToTokenThread =
  | { readonly _tag: "piece"; readonly id: number; readonly index: number; readonly piece: string }
  | { readonly _tag: "end"; readonly id: number; readonly encoding: Encoding; readonly ceiling: number }
  | { readonly _tag: "drop"; readonly id: number }

/** `failed`: the encoding can't be imported. */
export type FromTokenThread =
  | { readonly _tag: "counted"; readonly id: number; readonly tokens: number; readonly exact: boolean }
  | { readonly _tag: "failed"; readonly id: number; readonly reason: string }

const port = parentPort!
const { countMsMax } = workerData as TokenThreadData
const reply = (message: FromTokenThread) => port.postMessage(message)

interface Counting {
  readonly counter: TextCounter
  readonly ceiling: number
  spentMs: number
}

/** Texts that have not come to their end. */
const arriving = new Map<number, Array<string>>()
const counting = new Map<number, Counting>()
const encodings = new Map<Encoding, Promise<CountSlice>>()

/** Slices of one count until the next one has its turn. */
const slicesInTurn = 8

const turn = (): void => {
  for (const [id, count] of counting) {
    const { ceiling, counter } = count
    const startedMs = performance.now()
    for (let slice = 0; slice < slicesInTurn && !counter.done && counter.tokens <= ceiling; slice++) counter.step()
    count.spentMs += performance.now() - startedMs
    if (counter.done || counter.tokens > ceiling || count.spentMs > countMsMax) {
      counting.delete(id)
      reply({ _tag: "counted", id, ...counter.result })
    }
  }
  if (counting.size > 0) setImmediate(turn)
}

const begin = async (id: number, encoding: Encoding, ceiling: number): Promise<void> => {
  let loading = encodings.get(encoding)
  if (loading === undefined) encodings.set(encoding, (loading = importEncoding(encoding)))
  try {
    const countSlice = await loading
    const texts = arriving.get(id)
    if (texts === undefined) return
    arriving.delete(id)
    if (counting.size === 0) setImmediate(turn)
    counting.set(id, { counter: new TextCounter(texts, countSlice), ceiling, spentMs: 0 })
  } catch (error) {
    encodings.delete(encoding)
    arriving.delete(id)
    reply({ _tag: "failed", id, reason: error instanceof Error ? error.message : String(error) })
  }
}

port.on("message", (message: ToTokenThread) => {
  const { id } = message
  switch (message._tag) {
    case "piece": {
      const texts = arriving.get(id) ?? []
      arriving.set(id, texts)
      texts[message.index] = (texts[message.index] ?? "") + message.piece
      return
    }
    case "end":
      if (!arriving.has(id)) arriving.set(id, [])
      return void begin(id, message.encoding, message.ceiling)
    case "drop":
      arriving.delete(id)
      counting.delete(id)
  }
})
