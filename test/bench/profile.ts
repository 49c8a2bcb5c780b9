/**
 * CPU profiles: recorded while the rounds of a suite run, without start-up and warm-up, and summed up by function.
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs"
import { Session } from "node:inspector/promises"
import path from "node:path"

/** Starts a profile; the returned function ends it and writes it into the folder. */
export const record = async (folder: string): Promise<() => Promise<void>> => {
  const session = new Session()
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: 200 })
  await session.post("Profiler.start")
  return async () => {
    const { profile } = await session.post("Profiler.stop")
    session.disconnect()
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, `${process.pid}-${Date.now()}.cpuprofile`), JSON.stringify(profile))
  }
}

interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly children?: ReadonlyArray<number>
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

/** The package a function belongs to; files of the engine by themselves. */
const ownerOf = (name: string): string => {
  const place = name.slice(name.indexOf("  ") + 2)
  if (place.startsWith("engine/")) return place.replace(/:\d+$/, "")
  if (place.startsWith("node:") || place === "native") return "node and V8"
  return place.startsWith("@") ? place.split("/", 2).join("/") : place.split("/", 1)[0]!
}

/** Not work: waiting, and what the profiler itself does. */
const isIdle = (name: string): boolean => /^(\(idle\)|\(program\)|post  node:inspector|runInAsyncScope)/.test(name)

/**
 * Where the time goes, in percent of what was not idle: self time by package and by function, and the functions of the
 * engine with the most time in all that they call.
 */
export const summarize = (folder: string, top = 25): string => {
  const self = new Map<string, number>()
  const within = new Map<string, number>()
  const owners = new Map<string, number>()
  let total = 0
  const add = (times: Map<string, number>, name: string, us: number) => times.set(name, (times.get(name) ?? 0) + us)
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"))) {
    const profile = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as Profile
    const names = new Map<number, string>()
    const parents = new Map<number, number>()
    for (const { callFrame, children, id } of profile.nodes) {
      names.set(id, `${callFrame.functionName || "(anonymous)"}  ${placeOf(callFrame.url, callFrame.lineNumber)}`)
      for (const child of children ?? []) parents.set(child, id)
    }
    profile.samples.forEach((id, index) => {
      const us = profile.timeDeltas[index]!
      const name = names.get(id)!
      if (isIdle(name)) return
      total += us
      add(self, name, us)
      add(owners, ownerOf(name), us)
      const engine = new Set<string>()
      for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
        const ancestor = names.get(at)!
        if (ancestor.includes("  engine/src/")) engine.add(ancestor)
      }
      for (const ancestor of engine) add(within, ancestor, us)
    })
  }
  const list = (times: Map<string, number>) =>
    [...times]
      .sort((a, b) => b[1] - a[1])
      .slice(0, top)
      .map(([name, us]) => `${((us / total) * 100).toFixed(1).padStart(5)} %  ${name}`)
  return [
    "By package or file:",
    ...list(owners),
    "Self time:",
    ...list(self),
    "With all that they call:",
    ...list(within),
    ""
  ].join("\n")
}

if (import.meta.main) console.log(summarize(process.argv[2]!, Number(process.argv[3] ?? 25)))
