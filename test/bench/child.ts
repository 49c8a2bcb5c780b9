/**
 * The process of one suite: receives its name and options, sends back its tables, and ends.
 */
import type { Options, Suite } from "./report.ts"

process.once("message", (message: { readonly suite: string; readonly options: Options }) => {
  void (async () => {
    const suite = (await import(`./${message.suite}.ts`)) as Suite
    const tables = await suite.run(message.options)
    process.send!({ tables }, () => process.exit(0))
  })()
})
