"use client"

import { useReducer, useRef } from "react"
import { failureOf, goToLogin } from "@/lib/api"
import { CallFailed, run, type Decisions, type RunEvent, type RunInput, type TokenCounts } from "./run"

export interface RunFailure {
  readonly title: string
  readonly message: string
}

export interface RunState {
  readonly phase: "idle" | "waiting" | "answering" | "done" | "stopped" | "failed"
  readonly input: RunInput | null
  readonly text: string
  readonly decisions: Decisions | null
  readonly tokens: TokenCounts | null
  readonly finishReason: string | null
  /** Milliseconds from sending to the first text, measured in the browser. */
  readonly firstTextMs: number | null
  /** Milliseconds from sending to the end, measured in the browser. */
  readonly totalMs: number | null
  readonly failure: RunFailure | null
}

type Action =
  | { readonly type: "send"; readonly input: RunInput }
  | { readonly type: "event"; readonly event: RunEvent }
  | { readonly type: "stop" }
  | { readonly type: "fail"; readonly failure: RunFailure; readonly decisions: Decisions | null }

const idle: RunState = {
  phase: "idle",
  input: null,
  text: "",
  decisions: null,
  tokens: null,
  finishReason: null,
  firstTextMs: null,
  totalMs: null,
  failure: null
}

const reduce = (state: RunState, action: Action): RunState => {
  switch (action.type) {
    case "send":
      return { ...idle, phase: "waiting", input: action.input }
    case "event":
      return receive(state, action.event)
    case "stop":
      return isRunning(state) ? { ...state, phase: "stopped" } : state
    case "fail":
      return { ...state, phase: "failed", failure: action.failure, decisions: action.decisions ?? state.decisions }
  }
}

const receive = (state: RunState, event: RunEvent): RunState => {
  switch (event.type) {
    case "headers":
      return { ...state, decisions: event.decisions }
    case "text":
      return {
        ...state,
        phase: "answering",
        text: state.text + event.text,
        firstTextMs: state.firstTextMs ?? event.afterMs
      }
    case "usage":
      return { ...state, tokens: event.tokens }
    case "end":
      return { ...state, phase: "done", finishReason: event.finishReason, totalMs: event.afterMs }
  }
}

export const isRunning = ({ phase }: RunState) => phase === "waiting" || phase === "answering"

/** The playground's one call at a time. */
export const useRun = () => {
  const [state, dispatch] = useReducer(reduce, idle)
  const controller = useRef<AbortController | null>(null)

  const send = async (input: RunInput) => {
    controller.current?.abort()
    const current = new AbortController()
    controller.current = current
    dispatch({ type: "send", input })
    try {
      for await (const event of run(input, current.signal)) {
        if (current.signal.aborted) return
        dispatch({ type: "event", event })
      }
    } catch (error) {
      if (current.signal.aborted) return
      dispatch({
        type: "fail",
        failure: describe(error),
        decisions: error instanceof CallFailed ? error.decisions : null
      })
    }
  }

  const stop = () => {
    controller.current?.abort()
    dispatch({ type: "stop" })
  }

  return { state, send, stop }
}

const faults: Record<string, string> = {
  caller: "The request is wrong",
  policy: "A limit of this gateway said no",
  provider: "The provider failed",
  engine: "Millrace failed"
}

const describe = (error: unknown): RunFailure => {
  if (error instanceof CallFailed) {
    const title = error.fault === null ? "The call failed" : (faults[error.fault] ?? "The call failed")
    const details = [
      ...(error.status >= 400 ? [`HTTP ${error.status}`] : []),
      ...(error.code === null ? [] : [error.code]),
      ...(error.retryAfter === null ? [] : [`retry after ${error.retryAfter} s`])
    ]
    return { title, message: details.length === 0 ? error.message : `${error.message} (${details.join(", ")})` }
  }
  const failure = failureOf(error)
  if (failure.kind === "unauthorized") goToLogin()
  return { title: "The call failed", message: failure.message }
}
