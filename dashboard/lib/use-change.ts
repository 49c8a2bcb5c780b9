"use client"

import { useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import type { Failure } from "@/features/gateway/failure"
import { failureOf, goToLogin, send } from "./api"

/** A request that changes something. */
export interface Change {
  readonly method: "POST" | "PATCH" | "DELETE"
  readonly path: string
  readonly body?: unknown
}

interface ChangeState {
  readonly pending: boolean
  /** Why the last one failed; null once another is tried. */
  readonly failure: Failure | null
}

interface ChangeOptions {
  /** Whether a change lasts until what it concerns was read again; true by default. */
  readonly wait?: boolean
}

const idle: ChangeState = { pending: false, failure: null }

/**
 * Sends changes and reads again what they concern, given as the beginnings of query keys. The answer goes to whoever asked
 * and is kept nowhere here, since it may hold a secret; undefined when the change failed.
 */
export const useChange = (concerns: ReadonlyArray<string>, { wait = true }: ChangeOptions = {}) => {
  const queries = useQueryClient()
  const [state, setState] = useState(idle)

  const run = async <A>({ method, path, body }: Change): Promise<A | undefined> => {
    setState({ pending: true, failure: null })
    try {
      const response = await send(path, {
        method,
        ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
      })
      const answer = (await response.json()) as A
      const read = Promise.all(concerns.map((name) => queries.invalidateQueries({ queryKey: [name] })))
      if (wait) await read
      setState(idle)
      return answer
    } catch (error) {
      const failure = failureOf(error)
      if (failure.kind === "unauthorized") goToLogin()
      setState({ pending: false, failure })
      return undefined
    }
  }

  return { ...state, run, reset: () => setState(idle) }
}
