/**
 * The `millrace` command: parses the command line, runs a command, and turns its end into an exit code.
 *
 * 0 is success, 1 a failure, 2 bad usage or a bad configuration, 130 an interruption. Results go to stdout; errors go
 * to stderr, one a line. Nothing but this file decides how an error is shown or which code it ends with.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect, Exit, Layer, Predicate } from "effect"
import { CliError, CliOutput, Command } from "effect/cli"
import { ConfigError } from "../Config.ts"
import { version } from "../version.ts"
import { cache } from "./cache.ts"
import { check } from "./check.ts"
import { keys } from "./keys.ts"
import { serve } from "./serve.ts"
import { usage } from "./usage.ts"

const millrace = Command.make("millrace").pipe(
  Command.withDescription(
    "One pipeline for every LLM call: cache, limits, retries, fallback, token and cost accounting"
  ),
  Command.withSubcommands([serve, keys, usage, cache, check])
)

const printErrors = (text: string): Effect.Effect<void> =>
  Effect.forEach(
    text.split("\n").filter((line) => line.trim() !== ""),
    (line) => Console.error(line),
    { discard: true }
  )

/** Bad usage says what is wrong and where help is, on stderr alone. */
const presenter = CliOutput.layerPresenter({
  present: (event) => {
    switch (event._tag) {
      case "Version":
        return Console.log(`${event.name} ${event.version}`)
      case "InvalidInvocation": {
        const lines = event.errors.map((error) => error.message.replaceAll(/\s*\n\s*/g, " "))
        return printErrors([...lines, `see ${event.commandPath.join(" ")} --help`].join("\n"))
      }
      default:
        return event.reason === "Requested"
          ? CliOutput.defaultPresenter.present(event)
          : Effect.flatMap(CliOutput.Formatter, (formatter) => Console.error(formatter.formatHelpDoc(event.helpDoc)))
    }
  }
})

/** Usage errors have been presented when they arrive here. */
const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  const error = Cause.squash(cause)
  if (CliError.isCliError(error)) return Effect.void
  const text = Predicate.isError(error) ? error.message : String(error)
  return printErrors(Cause.hasDies(cause) ? `internal error: ${text}` : text)
}

/** Milliseconds that open handles may keep a process whose command has ended. */
const lingerMs = 2000

const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return 130
  const error = Cause.squash(exit.cause)
  return error instanceof ConfigError || CliError.isCliError(error) ? 2 : 1
}

Command.run(millrace, { version }).pipe(
  Effect.tapCause(report),
  Effect.provide(Layer.mergeAll(NodeServices.layer, presenter)),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      const code = exitCodeOf(exit)
      // All is settled and flushed: a connection that a stalled server holds open keeps the process no longer than this.
      setTimeout(() => process.exit(code), lingerMs).unref()
      onExit(code)
    }
  })
)
