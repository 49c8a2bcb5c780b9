/**
 * The version of the package, read from its own package.json, which lies beside `src` and `dist` alike.
 */
import { createRequire } from "node:module"

const packageJson = createRequire(import.meta.url)("../package.json") as { readonly version: string }

export const version: string = packageJson.version
