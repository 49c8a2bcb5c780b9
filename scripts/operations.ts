/**
 * `pnpm operations`: writes what `docs/operations` has for Prometheus and Grafana, all made of the engine's metric definitions.
 *
 * Nothing of it is edited by hand; `test/operations` fails while a file is not what is written here.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import { cacheAndCost } from "./operations-cache-cost.ts"
import { metricsPage } from "./operations-metrics.ts"
import { overview } from "./operations-overview.ts"
import { providers } from "./operations-providers.ts"
import { alertsYaml, recordingYaml } from "./operations-rules.ts"

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** Every file by its path in `docs/operations`. */
export const operationsFiles = (): { readonly [file: string]: string } => ({
  "metrics.md": metricsPage(),
  "recording.yml": recordingYaml(),
  "alerts.yml": alertsYaml(),
  "grafana/overview.json": json(overview),
  "grafana/providers.json": json(providers),
  "grafana/cache-cost.json": json(cacheAndCost)
})

export const operationsFolder = path.resolve(import.meta.dirname, "../docs/operations")

if (import.meta.main) {
  for (const [file, text] of Object.entries(operationsFiles())) {
    const target = path.join(operationsFolder, file)
    mkdirSync(path.dirname(target), { recursive: true })
    writeFileSync(target, text)
    console.log(`docs/operations/${file}`)
  }
}
