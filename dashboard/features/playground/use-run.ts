"use client"

import { useReducer, useRef } from "react"
import { faultSentences, fixOf, type Fix } from "@/features/requests/faults"
import { failureOf, goToLogin } from "@/lib/api"
import type { ToolCall } from "./draft"
import { CallFailed, run, type Decisions, type RunEvent, type RunInput, type TokenCounts, type ToolPiece } from "./run"

export interface RunFailure {
  readonly title: string
  readonly message: string
  readonly fix: Fix | null
}

export interface RunState {
  readonly phase: "idle" | "waiting" | "answering" | "done" | "stopped" | "failed"
  readonly input: RunInput | null
  readonly text: string
  readonly reasoning: string
  readonly toolCalls: ReadonlyArray<ToolCall>
  readonly decisions: Decisions | null
  readonly tokens: TokenCounts | null
  readonly finishReason: string | null
  /** When it was sent; epoch milliseconds. */
  readonly sentAtMs: number | null
  /** Milliseconds from sending to the headers, the first text and the end, measured in the browser. */
  readonly headersMs: number | null
  readonly firstTextMs: number | null
  readonly totalMs: number | null
  readonly failure: RunFailure | null
}

type Action =
  | { readonly type: "send"; readonly input: RunInput; readonly nowMs: number }
  | { readonly type: "event"; readonly event: RunEvent }
  | { readonly type: "stop"; readonly nowMs: number }
  | {
      readonly type: "fail"
      readonly failure: RunFailure
      readonly decisions: Decisions | null
      readonly nowMs: number
    }

const idle: RunState = {
  phase: "idle",
  input: null,
  text: "",
  reasoning: "",
  toolCalls: [],
  decisions: null,
  tokens: null,
  finishReason: null,
  sentAtMs: null,
  headersMs: null,
  firstTextMs: null,
  totalMs: null,
  failure: null
}

const reduce = (state: RunState, action: Action): RunState => {
  switch (action.type) {
    case "send":
      return { ...idle, phase: "waiting", input: action.input, sentAtMs: action.nowMs }
    case "event":
      return receive(state, action.event)
    case "stop":
      return isRunning(state) ? { ...state, phase: "stopped", totalMs: since(state, action.nowMs) } : state
    case "fail":
      return {
        ...state,
        phase: "failed",
        failure: action.failure,
        decisions: action.decisions ?? state.decisions,
        totalMs: since(state, action.nowMs)
      }
  }
}

const since = ({ sentAtMs }: RunState, nowMs: number): number | null => (sentAtMs === null ? null : nowMs - sentAtMs)

const receive = (state: RunState, event: RunEvent): RunState => {
  switch (event.type) {
    case "headers":
      return { ...state, decisions: event.decisions, headersMs: event.afterMs }
    case "text":
      return { ...began(state, event.afterMs), text: state.text + event.text }
    case "reasoning":
      return { ...began(state, event.afterMs), reasoning: state.reasoning + event.text }
    case "tools":
      return { ...began(state, event.afterMs), toolCalls: event.pieces.reduce(withPiece, state.toolCalls) }
    case "usage":
      return { ...state, tokens: event.tokens }
    case "end":
      return { ...state, phase: "done", finishReason: event.finishReason, totalMs: event.afterMs }
  }
}

const began = (state: RunState, afterMs: number): RunState => ({
  ...state,
  phase: "answering",
  firstTextMs: state.firstTextMs ?? afterMs
})

const withPiece = (calls: ReadonlyArray<ToolCall>, piece: ToolPiece): ReadonlyArray<ToolCall> => {
  const call = calls[piece.index]
  const next: ToolCall = {
    id: call?.id ?? piece.id ?? `call_${piece.index}`,
    type: "function",
    function: {
      name: (call?.function.name ?? "") + piece.name,
      arguments: (call?.function.arguments ?? "") + piece.arguments
    }
  }
  return call === undefined ? [...calls, next] : calls.with(piece.index, next)
}

export const isRunning = ({ phase }: RunState) => phase === "waiting" || phase === "answering"

/** One call at a time. */
export const useRun = () => {
  const [state, dispatch] = useReducer(reduce, idle)
  const controller = useRef<AbortController | null>(null)

  const send = async (input: RunInput) => {
    controller.current?.abort()
    const current = new AbortController()
    controller.current = current
    dispatch({ type: "send", input, nowMs: Date.now() })
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
        decisions: error instanceof CallFailed ? error.decisions : null,
        nowMs: Date.now()
      })
    }
  }

  const stop = () => {
    controller.current?.abort()
    dispatch({ type: "stop", nowMs: Date.now() })
  }

  return { state, send, stop }
}

const describe = (error: unknown): RunFailure => {
  if (error instanceof CallFailed) {
    const { code, fault, message, retryAfter, status } = error
    const details = [
      ...(status >= 400 ? [`HTTP ${status}`] : []),
      ...(code === null ? [] : [code]),
      ...(retryAfter === null ? [] : [`retry after ${retryAfter} s`])
    ]
    return {
      title: fault === null ? "The call failed" : faultSentences[fault],
      message: details.length === 0 ? message : `${message} (${details.join(", ")})`,
      fix: fixOf(code, fault)
    }
  }
  const failure = failureOf(error)
  if (failure.kind === "unauthorized") goToLogin()
  return { title: "The call failed", message: failure.message, fix: null }
}
