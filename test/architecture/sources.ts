/**
 * The source files of a folder and what each imports, parsed by oxc.
 *
 * Type-only imports count: they couple two files as much as a value does. Imports of packages are left out.
 */
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { parseSync } from "oxc-parser"

export const root = path.resolve(import.meta.dirname, "../..")

const outside = new Set(["node_modules", "dist", ".next", ".bench", ".artifacts", ".git"])

/** Every file below a folder, as paths relative to it with `/`; build output and dependencies are left out. */
export const filesOf = (folder: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const visit = (relative: string): void => {
    for (const entry of readdirSync(path.join(folder, relative), { withFileTypes: true })) {
      if (outside.has(entry.name)) continue
      const name = relative === "" ? entry.name : `${relative}/${entry.name}`
      if (entry.isDirectory()) visit(name)
      else if (entry.isFile()) found.push(name)
    }
  }
  visit("")
  return found.sort()
}

/** Files that a source file imports or re-exports by a relative path, as paths relative to `folder`. */
export const importsOf = (folder: string, file: string): ReadonlyArray<string> => {
  const source = readFileSync(path.join(folder, file), "utf8")
  const { errors, module } = parseSync(file, source)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`)
  const specifiers = [
    ...module.staticImports.map((entry) => entry.moduleRequest.value),
    ...module.staticExports.flatMap((entry) =>
      entry.entries.flatMap((item) => (item.moduleRequest === null ? [] : [item.moduleRequest.value]))
    ),
    // The request of a dynamic import is an expression; only a plain string names a file.
    ...module.dynamicImports.flatMap((entry) => {
      const text = source.slice(entry.moduleRequest.start, entry.moduleRequest.end)
      return /^["'][^"']*["']$/.test(text) ? [text.slice(1, -1)] : []
    })
  ]
  const resolved = specifiers
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier)))
  return [...new Set(resolved)]
}

/** A path of imports that leads back to its first file, or undefined. */
export const circleIn = (graph: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<string> | undefined => {
  const done = new Set<string>()
  const trail: Array<string> = []
  const visit = (file: string): ReadonlyArray<string> | undefined => {
    const at = trail.indexOf(file)
    if (at >= 0) return [...trail.slice(at), file]
    if (done.has(file)) return undefined
    trail.push(file)
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next)
      if (circle !== undefined) return circle
    }
    trail.pop()
    done.add(file)
    return undefined
  }
  for (const file of graph.keys()) {
    const circle = visit(file)
    if (circle !== undefined) return circle
  }
  return undefined
}
