/**
 * The loggers of the engine's own doors, as `logging` says: lines to the console of a library's host, or to the standard
 * output of a server.
 *
 * A host application that brings its own loggers needs none of this.
 */
import { Effect, Layer, Logger, References } from "effect"
import { effectLevelOf, LogSettings, type LogLevel, type LogModule } from "./Log.ts"
import { logger, showsColour } from "./LogLines.ts"
import { LogSink } from "./LogSink.ts"

export interface LogConsoleOptions {
  readonly level: LogLevel
  readonly levels: { readonly [M in LogModule]?: LogLevel }
  readonly format: "pretty" | "json"
  readonly content: boolean
}

/** Levels of modules and whether there is content, for whatever loggers there are; `level: none` leaves those alone. */
export const settings = ({ content, level, levels }: LogConsoleOptions): Layer.Layer<never> =>
  Layer.succeed(LogSettings, { content, levels, off: level === "none" })

/** Lines by `console.log`, which a host may have put something else behind. */
export const layerConsole = (options: LogConsoleOptions): Layer.Layer<never> =>
  // oxlint-disable-next-line no-console
  loggers(options, (line) => console.log(line))

/** Lines to standard output, beside the requests; what waits is written before the process ends. */
export const layerStdout = (options: LogConsoleOptions): Layer.Layer<never> =>
  Layer.merge(
    loggers(options, (line) => stdout(options.format).line(line)),
    Layer.effectDiscard(Effect.addFinalizer(() => Effect.promise(() => flushed(stdout(options.format)))))
  )

const loggers = (options: LogConsoleOptions, write: (line: string) => void): Layer.Layer<never> => {
  const colour = showsColour(process.stdout, process.env)
  return Layer.merge(
    Logger.layer([logger({ format: options.format, colour, write })]),
    Layer.succeed(References.MinimumLogLevel, effectLevelOf(options.level))
  )
}

/** Milliseconds that the end of an engine waits for whoever reads its log. */
const flushMs = 1000

const flushed = (sink: LogSink): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, flushMs)
    void sink.flush().then(() => {
      clearTimeout(timer)
      resolve()
    })
  })

let sink: LogSink | undefined

/** One for the process: two that write at a time would mix their lines. */
const stdout = (format: "pretty" | "json"): LogSink => {
  if (sink === undefined) {
    const made = new LogSink({ fd: 1, dropped: (count) => droppedLine(format, count) })
    process.on("exit", () => made.end())
    sink = made
  }
  return sink
}

const droppedLine = (format: "pretty" | "json", count: number): string => {
  const message = "log lines were dropped: nobody read them"
  return format === "json"
    ? JSON.stringify({ time: new Date().toISOString(), level: "warn", message, module: "RequestLog", count })
    : `${message} (${count})`
}
