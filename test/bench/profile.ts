/**
 * The functions with the most self time in V8 CPU profiles.
 */
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"

interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

/** Where a function stands, without the folders that all share. */
const placeOf = (url: string, line: number): string => {
  if (url === "") return "native"
  const file = url
    .replace(/^file:\/\//, "")
    .replace(/^.*\/node_modules\//, "")
    .replace(/^.*\/(engine|test)\//, "$1/")
  return `${file}:${line + 1}`
}

/** One line a function, heaviest first; idle time is left out of the total. */
export const summarize = (folder: string, top = 30): string => {
  const self = new Map<string, number>()
  let total = 0
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"))) {
    const profile = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as Profile
    const names = new Map(
      profile.nodes.map(({ id, callFrame }) => [
        id,
        `${callFrame.functionName || "(anonymous)"}  ${placeOf(callFrame.url, callFrame.lineNumber)}`
      ])
    )
    profile.samples.forEach((id, index) => {
      const name = names.get(id)!
      if (name.startsWith("(idle)") || name.startsWith("(program)")) return
      const us = profile.timeDeltas[index]!
      total += us
      self.set(name, (self.get(name) ?? 0) + us)
    })
  }
  const heaviest = [...self].sort((a, b) => b[1] - a[1]).slice(0, top)
  return heaviest.map(([name, us]) => `${((us / total) * 100).toFixed(1).padStart(5)} %  ${name}`).join("\n")
}

if (import.meta.main) console.log(summarize(process.argv[2]!, Number(process.argv[3] ?? 40)))
