/**
 * What a bundle was made from: a hash over the engine's sources and the lockfile. Times of files play no part, so a
 * checkout makes no bundle stale. Plain JavaScript, as it runs before anything is loaded.
 */
import { hash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"

const engine = new URL("../", import.meta.url)

/** The folder of the bundle, and the file in it that says what it was made from. */
export const bundle = new URL("bundle/", engine)
export const stamp = new URL("sources.sha256", bundle)

/** SHA-256, hex. */
export const fingerprint = () => {
  const files = readdirSync(new URL("src/", engine), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts")
  )
  const contents = files.sort().map((file) => `${file}\0${readFileSync(new URL(`src/${file}`, engine), "utf8")}`)
  contents.push(readFileSync(new URL("../pnpm-lock.yaml", engine), "utf8"))
  return hash("sha256", contents.join("\0"), "hex")
}

/** Whether there is a bundle, made from the sources as they are now. */
export const isFresh = () => {
  try {
    return readFileSync(stamp, "utf8") === fingerprint()
  } catch {
    return false
  }
}
