/**
 * Documents lead where they say: every relative link of the README and of `docs` names a file that is there, and every
 * anchor a heading of it; every alert has its section of the runbook.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import path from "node:path"
import { expect, it } from "vitest"
import { root } from "../architecture/sources.ts"

const documents = ["README.md", "AGENTS.md", "dashboard/README.md", ...filesIn("docs")].filter((file) =>
  file.endsWith(".md")
)

function filesIn(folder: string): ReadonlyArray<string> {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .filter(({ name }) => name !== "node_modules")
    .flatMap((entry) => {
      const file = path.join(folder, entry.name)
      return entry.isDirectory() ? filesIn(file) : [file]
    })
}

/** Anchors of a document, as GitHub makes them of headings. */
const anchorsOf = (file: string): ReadonlySet<string> =>
  new Set(
    [...readFileSync(file, "utf8").matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")
    )
  )

it("every relative link leads to a file, every anchor to a heading", () => {
  const broken = documents.flatMap((document) => {
    const text = readFileSync(path.join(root, document), "utf8").replaceAll(/```[\s\S]*?```/g, "")
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [file = "", anchor] = target.split("#")
        const found = file === "" ? path.join(root, document) : path.resolve(root, path.dirname(document), file)
        if (!existsSync(found)) return true
        return anchor !== undefined && statSync(found).isFile() && !anchorsOf(found).has(anchor)
      })
      .map((target) => `${document}: ${target}`)
  })
  expect(broken).toEqual([])
})

it("every alert has a section of the runbook, and every section an alert", () => {
  const alerts = readFileSync(path.join(root, "docs/operations/alerts.yml"), "utf8")
  const named = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!)
  const sections = [...readFileSync(path.join(root, "docs/operations/runbook.md"), "utf8").matchAll(/^## (\w+)$/gm)]
  expect(sections.map(([, name]) => name)).toEqual(named)
})
