/**
 * Lines of a log: for machines one JSON object a line, for people aligned columns, in colour where a terminal shows it.
 *
 * Field names are stable and documented in `docs/operations/logs.md`. Lines that come from elsewhere than the engine (a
 * library, Effect itself) have their text cut and lose the messages of their errors, which can hold anything.
 */
import { Cause, Logger } from "effect"
import { defectFields, LogEntry } from "./Log.ts"

interface LogLine {
  readonly time: Date
  readonly level: string
  readonly message: string
  /** The fields, the module first. */
  readonly entry: { readonly [name: string]: unknown }
}

export interface LogLinesOptions {
  readonly format: "pretty" | "json"
  readonly colour: boolean
  /** Takes lines without their line break. */
  readonly write: (line: string) => void
}

/** A logger that writes lines. */
export const logger = ({ colour, format, write }: LogLinesOptions): Logger.Logger<unknown, void> => {
  const render = format === "json" ? json : (line: LogLine) => pretty(line, colour)
  return Logger.make(({ cause, date, logLevel, message }) =>
    write(render(lineOf(date, logLevel.toLowerCase(), message, cause)))
  )
}

/** Whether a terminal shows colours, by what it is and what its user has asked for (no-color.org). */
export const showsColour = (stream: { readonly isTTY?: boolean | undefined }, env: NodeJS.ProcessEnv): boolean => {
  if ((env["NO_COLOR"] ?? "") !== "") return false
  if ((env["FORCE_COLOR"] ?? "") !== "") return env["FORCE_COLOR"] !== "0"
  return stream.isTTY === true && env["TERM"] !== "dumb"
}

const foreignMax = 1000

const lineOf = (time: Date, level: string, message: unknown, cause: Cause.Cause<unknown>): LogLine => {
  const parts = Array.isArray(message) ? (message as ReadonlyArray<unknown>) : [message]
  const [text, entry] = parts
  if (parts.length === 2 && entry instanceof LogEntry && typeof text === "string") {
    return { time, level, message: text, entry: entry as unknown as LogLine["entry"] }
  }
  const words = parts.filter((part) => typeof part === "string" || typeof part === "number").join(" ")
  return {
    time,
    level,
    message: words.length > foreignMax ? `${words.slice(0, foreignMax)}…` : words,
    entry: { module: "other", ...defectOf(cause) }
  }
}

const defectOf = (cause: Cause.Cause<unknown>): LogLine["entry"] => {
  const reason = cause.reasons.find((found) => Cause.isDieReason(found) || Cause.isFailReason(found))
  if (reason === undefined) return {}
  return { ...defectFields(Cause.isDieReason(reason) ? reason.defect : reason.error) }
}

/** The fields follow in the order in which they were said. */
const json = ({ entry, level, message, time }: LogLine): string =>
  `{"time":"${isoOf(time)}","level":"${level}","message":${JSON.stringify(message)},${JSON.stringify(entry).slice(1)}`

let lastMs = Number.NaN
let lastIso = ""

/** Many lines have the same millisecond. */
const isoOf = (time: Date): string => {
  const ms = time.getTime()
  if (ms !== lastMs) {
    lastMs = ms
    lastIso = time.toISOString()
  }
  return lastIso
}

const colours: { readonly [level: string]: string } = {
  trace: "90",
  debug: "90",
  info: "32",
  warn: "33",
  error: "31",
  fatal: "35"
}

const pretty = ({ entry: { module, ...fields }, level, message, time }: LogLine, colour: boolean): string => {
  const paint = (code: string, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const head = [
    paint("90", isoOf(time).slice(11, 23)),
    paint(colours[level] ?? "0", level.toUpperCase().padEnd(5)),
    paint("36", String(module).padEnd(11)),
    oneLine(message)
  ].join(" ")
  const said: Array<string> = []
  const below: Array<string> = []
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue
    if (Array.isArray(value) && name === "frames") for (const frame of value) below.push(`    ${String(frame)}`)
    else said.push(`${paint("90", `${name}=`)}${shown(value)}`)
  }
  return [said.length === 0 ? head : `${head}  ${said.join(" ")}`, ...below].join("\n")
}

const shown = (value: unknown): string => {
  if (typeof value !== "string") return JSON.stringify(value)
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}

const oneLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, " ")
