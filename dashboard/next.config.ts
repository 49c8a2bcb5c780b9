import path from "node:path"
import type { NextConfig } from "next"

const workspace = path.join(import.meta.dirname, "..")

const config: NextConfig = {
  output: "standalone",
  outputFileTracingRoot: workspace,
  turbopack: { root: workspace, resolveAlias: { "victory-vendor/d3-scale": "./components/chart/scales.ts" } },
  transpilePackages: ["millrace"],
  poweredByHeader: false,
  agentRules: false,
  devIndicators: false,
  experimental: { cpus: 2 },
  headers: async () => [
    {
      source: "/:path*",
      headers: [
        { key: "X-Frame-Options", value: "DENY" },
        { key: "X-Content-Type-Options", value: "nosniff" },
        { key: "Referrer-Policy", value: "no-referrer" },
        { key: "Cross-Origin-Opener-Policy", value: "same-origin" },
        { key: "Cross-Origin-Resource-Policy", value: "same-origin" },
        { key: "Permissions-Policy", value: "camera=(), microphone=(), geolocation=(), browsing-topics=()" }
      ]
    }
  ]
}

export default config
