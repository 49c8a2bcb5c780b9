/**
 * Bundles the `millrace` command into `engine/bundle`, when that was made from other sources.
 *
 * Loading Effect and the engine file by file takes most of a start, and their unused parts most of its memory; one file
 * without them starts in a fraction. Threads are entries of their own, as they are loaded by name. Runs after every
 * install (`prepare`), before `npm start`, and when the package is packed.
 */
import { readdirSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { rolldown } from "rolldown"
import { bundle as bundleUrl, fingerprint, isFresh, stamp } from "../engine/bin/fingerprint.js"

const engine = path.resolve(import.meta.dirname, "../engine")

const threads = readdirSync(path.join(engine, "src/stores")).filter((file) => file.endsWith("Worker.ts"))

export const bundle = async (): Promise<void> => {
  const sources = fingerprint()
  rmSync(bundleUrl, { recursive: true, force: true })
  const build = await rolldown({
    cwd: engine,
    input: {
      main: "src/cli/main.ts",
      ...Object.fromEntries(threads.map((file) => [file.slice(0, -".ts".length), `src/stores/${file}`]))
    },
    platform: "node",
    // Optional parts of a WebSocket client that nothing here uses.
    external: [/^bufferutil$/, /^utf-8-validate$/]
  })
  await build.write({ dir: path.join(engine, "bundle"), format: "esm", entryFileNames: "[name].js" })
  await build.close()
  writeFileSync(stamp, sources)
}

if (import.meta.main && !isFresh()) await bundle()
