/**
 * How modules of the engine write to the log: a constant text, and fields of a closed list.
 *
 * What can be said here is safe to be read by whoever reads logs: a text that varies does not compile, fields hold names,
 * kinds, figures and ids, and a prompt, an answer or a provider's words fit into `content` alone, which is written only
 * where `logging.content` is on. Lines go to the loggers in the context, at the level that their module has. Defects are
 * told by their class and the places in the code they came from, never by their message.
 */
import { Context, Effect, References } from "effect"

/** The modules that write lines; `logging.levels` sets the level of each. */
export const logModules = [
  "Admin",
  "Breaker",
  "Budget",
  "Cache",
  "Call",
  "Config",
  "Fallback",
  "Gateway",
  "Keys",
  "RateLimiter",
  "RequestLog",
  "SharedLink",
  "Telemetry",
  "Tokenizer",
  "UsageLog"
] as const

export type LogModule = (typeof logModules)[number]

/** From the most to the least talkative. */
export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "none"] as const

export type LogLevel = (typeof logLevels)[number]

/** Why something of ours could not be read or written: a file, a database. Made by `reasonOf` alone. */
export type LogReason = string & { readonly LogReason: unique symbol }

/** The words of a file system or a database, without what they quote: that can be a value of a row. */
export const reasonOf = (text: string): LogReason =>
  tidy(text.replaceAll(/"(?:[^"\\]|\\.)*"?|'[^']*'?|`[^`]*`?/g, "…")) as LogReason

type Value = string | number | boolean | null | undefined

/** Everything that a line can say beside its text. Names are documented in `docs/operations/logs.md`. */
export interface LogFields {
  readonly requestId?: string | undefined
  readonly traceId?: string | undefined
  readonly spanId?: string | undefined
  readonly tenant?: string | undefined
  readonly keyId?: string | null | undefined
  readonly provider?: string | null | undefined
  readonly model?: string | null | undefined
  readonly modelRequested?: string | null | undefined
  /** How a request ended: `success`, `error` or `cancelled`, as in usage rows. */
  readonly status?: "success" | "error" | "cancelled" | undefined
  readonly fault?: string | null | undefined
  readonly errorKind?: string | null | undefined
  /** The status that the caller was told. */
  readonly httpStatus?: number | undefined
  readonly upstreamStatus?: number | undefined
  readonly retryAfterMs?: number | undefined
  readonly cache?: string | undefined
  readonly cacheAgeMs?: number | undefined
  readonly cacheSimilarity?: number | undefined
  readonly stream?: boolean | undefined
  readonly attempts?: number | undefined
  /** Number of an attempt, from 1. */
  readonly attempt?: number | undefined
  readonly latencyMs?: number | undefined
  readonly ttftMs?: number | null | undefined
  readonly queueMs?: number | undefined
  readonly promptTokens?: number | undefined
  readonly completionTokens?: number | undefined
  readonly cachedTokens?: number | undefined
  readonly reasoningTokens?: number | undefined
  readonly costUsd?: number | null | undefined
  readonly savedUsd?: number | undefined
  /** What the configuration, or an operator, calls something: a budget, a key. */
  readonly name?: string | undefined
  /** What was done. */
  readonly action?: string | undefined
  readonly scope?: string | undefined
  /** Whom a budget of a scope is of. */
  readonly of?: string | undefined
  readonly unit?: string | undefined
  readonly limit?: number | undefined
  readonly spent?: number | undefined
  /** 0 to 1. */
  readonly share?: number | undefined
  readonly resetsAt?: string | number | null | undefined
  readonly generation?: number | undefined
  /** Paths of the configuration. */
  readonly changed?: ReadonlyArray<string> | undefined
  readonly issues?: ReadonlyArray<{ readonly field: string; readonly detail: LogReason }> | undefined
  readonly count?: number | undefined
  readonly line?: number | undefined
  readonly port?: number | undefined
  /** A code such as `ECONNREFUSED` or `SQLITE_BUSY`. */
  readonly code?: string | undefined
  readonly reason?: LogReason | undefined
  /** The class of a defect. */
  readonly defect?: string | undefined
  /** Where a defect came from. */
  readonly frames?: ReadonlyArray<string> | undefined
  /** Prompts, answers and others' words: dropped unless `logging.content` is on. */
  readonly content?: LogContent | undefined
}

export interface LogContent {
  readonly prompt?: unknown
  readonly answer?: string | null | undefined
  /** An error in the words of who caused it. */
  readonly error?: string | undefined
}

/** The fields that there are: whatever else is handed in, by a spread, is left out. Some have values that others choose. */
const known: { readonly [Name in keyof LogFields]-?: "ours" | "others" } = {
  requestId: "ours",
  traceId: "ours",
  spanId: "ours",
  tenant: "others",
  keyId: "others",
  provider: "others",
  model: "others",
  modelRequested: "others",
  status: "ours",
  fault: "ours",
  errorKind: "ours",
  httpStatus: "ours",
  upstreamStatus: "ours",
  retryAfterMs: "ours",
  cache: "ours",
  cacheAgeMs: "ours",
  cacheSimilarity: "ours",
  stream: "ours",
  attempts: "ours",
  attempt: "ours",
  latencyMs: "ours",
  ttftMs: "ours",
  queueMs: "ours",
  promptTokens: "ours",
  completionTokens: "ours",
  cachedTokens: "ours",
  reasoningTokens: "ours",
  costUsd: "ours",
  savedUsd: "ours",
  name: "others",
  action: "ours",
  scope: "ours",
  of: "others",
  unit: "ours",
  limit: "ours",
  spent: "ours",
  share: "ours",
  resetsAt: "others",
  generation: "ours",
  changed: "ours",
  issues: "ours",
  count: "ours",
  line: "ours",
  port: "ours",
  code: "others",
  reason: "ours",
  defect: "others",
  frames: "ours",
  content: "ours"
}

/** The fields of one line, as loggers are handed them. */
export class LogEntry {
  readonly module: LogModule

  constructor(module: LogModule, fields: LogFields | undefined, content: boolean) {
    this.module = module
    const target = this as unknown as { [field: string]: unknown }
    if (fields === undefined) return
    for (const field in fields) {
      const value = (fields as { readonly [field: string]: Value })[field]
      if (value === undefined || !Object.hasOwn(known, field)) continue
      if (field === "content") {
        if (content) Object.assign(target, value)
      } else target[field] = typeof value === "string" && known[field as "name"] === "others" ? tidy(value) : value
    }
  }

  /** The fields as JSON, for loggers that know texts alone. */
  toString(): string {
    return JSON.stringify(this)
  }
}

export interface LogSettings {
  /** Levels of modules; the others have the level of the loggers. */
  readonly levels: { readonly [M in LogModule]?: LogLevel }
  readonly content: boolean
  /** Only modules with a level of their own write. */
  readonly off: boolean
}

/** What `logging` says of lines; nothing is set by default, and no content is written. */
export const LogSettings = Context.Reference<LogSettings>("millrace/LogSettings", {
  defaultValue: () => ({ levels: {}, content: false, off: false })
})

/** A text that is written in the code as it is; anything else is `never`. */
export type Constant<Text extends string> = {} extends Record<Text, 1> ? never : Text

type Write = <const Text extends string>(message: Constant<Text>, fields?: LogFields) => Effect.Effect<void>

export interface Log {
  readonly debug: Write
  readonly info: Write
  readonly warn: Write
  readonly error: Write
}

/** Lines of a module. */
export const logOf = (module: LogModule): Log => ({
  debug: writer(module, "debug"),
  info: writer(module, "info"),
  warn: writer(module, "warn"),
  error: writer(module, "error")
})

/** Whether a module's lines of a level are written, where the loggers take those of `general` and above. */
export const writes = (
  settings: LogSettings["levels"],
  general: LogLevel,
  module: LogModule,
  level: LogLevel
): boolean => logLevels.indexOf(level) >= logLevels.indexOf(settings[module] ?? general)

/** A defect without its message, which can quote what was being read. */
export const defectFields = (defect: unknown): LogFields => ({
  defect: defect instanceof Error ? defect.name : typeof defect,
  frames: framesOf(defect)
})

/** The places in the code that an error came through, the innermost first; at most eight. */
export const framesOf = (error: unknown): ReadonlyArray<string> =>
  error instanceof Error && error.stack !== undefined
    ? error.stack
        .split("\n")
        .filter((line) => /^\s+at /.test(line))
        .map((line) => line.trim())
        .slice(0, 8)
    : []

const effectLevels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
} as const

/** The level as Effect's loggers know it. */
export const effectLevelOf = (level: LogLevel) => effectLevels[level]

const writer = (module: LogModule, level: "debug" | "info" | "warn" | "error"): Write => {
  const rank = logLevels.indexOf(level)
  const log = Effect.logWithLevel(effectLevels[level])
  return (message, fields) =>
    Effect.withFiber((fiber) => {
      const { content, levels, off } = fiber.getRef(LogSettings)
      const own = levels[module]
      if (own === undefined) return off ? Effect.void : log(message, new LogEntry(module, fields, content))
      if (rank < logLevels.indexOf(own)) return Effect.void
      const line = log(message, new LogEntry(module, fields, content))
      return Effect.provideService(line, References.MinimumLogLevel, effectLevels[own])
    })
}

const lengthMax = 256
const untidy = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]|(?:sk|pk|rk|mr|gsk|xai|key)-[\w-]{12,}|AIza[\w-]{20,}|Bearer /i

/** One line of bounded length, without control characters; what looks like a key was put where a name belongs. */
const tidy = (value: string): string => {
  const text = value.length > lengthMax ? `${value.slice(0, lengthMax)}…` : value
  if (!untidy.test(text)) return text
  return text
    .replaceAll(/(?:Bearer +\S+|(?:sk|pk|rk|mr|gsk|xai|key)-[\w-]{12,}|AIza[\w-]{20,})/gi, "<key>")
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ")
}
