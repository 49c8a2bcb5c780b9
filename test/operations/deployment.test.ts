/**
 * What an operator deploys: images, services, units and manifests. There is no container engine where the tests run, so
 * images are not built; what they would copy is run as it would lie in them, and the files are checked by the schemas and
 * linters of their formats.
 */
import { execFileSync, spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { DCLinter } from "dclint"
import { validate as lintDockerfile } from "dockerfile-utils"
import { Deployment } from "kubernetes-models/apps/v1/Deployment"
import { Service } from "kubernetes-models/v1/Service"
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount"
import { describe, expect, it } from "vitest"
import { parse, parseAllDocuments } from "yaml"
import { root } from "../architecture/sources.ts"
import { millrace } from "../support/cli.ts"

const text = (file: string): string => readFileSync(path.join(root, file), "utf8")

describe("Dockerfile", () => {
  const source = text("Dockerfile")

  it("has no finding of the linter", () => {
    expect(lintDockerfile(source)).toEqual([])
  })

  it("runs every image as a user without rights and with a health check", () => {
    const stages = source.split(/^FROM /m).slice(2)
    expect(stages.length).toBe(2)
    for (const stage of stages) {
      expect(stage).toMatch(/^USER node$/m)
      expect(stage).toMatch(/^HEALTHCHECK /m)
    }
  })

  it("copies all that the gateway needs: it serves from these files alone, and its health check passes", async () => {
    execFileSync(process.execPath, [path.join(root, "scripts/bundle.ts")])
    const app = mkdtempSync(path.join(tmpdir(), "millrace-image-"))
    const data = path.join(app, "data")
    mkdirSync(data)
    const copied = [...source.matchAll(/^COPY --from=build \/source\/(engine\/\S+) \.\/(\S+)$/gm)]
    expect(copied.length).toBe(2)
    for (const [, from, to] of copied) cpSync(path.join(root, from!), path.join(app, to!), { recursive: true })
    const child = spawn(process.execPath, [path.join(app, "bundle/main.js"), "serve", "--port", "0", "--json"], {
      cwd: data,
      env: { PATH: process.env["PATH"] ?? "" },
      stdio: ["ignore", "pipe", "inherit"]
    })
    const ended = new Promise((resolve) => child.once("exit", resolve))
    try {
      const url = await new Promise<string>((resolve, reject) => {
        let output = ""
        child.stdout.on("data", (chunk: Buffer) => {
          output += chunk.toString()
          const found = /"url":"([^"]+)"/.exec(output)
          if (found !== null) resolve(found[1]!)
        })
        void ended.then((code) => reject(new Error(`it ended with ${String(code)}`)))
      })
      const check = /CMD \["node", "-e", "([^"]*4000[^"]*)"\]/.exec(source)![1]!
      execFileSync(process.execPath, ["-e", check.replace("http://127.0.0.1:4000", url)])
      expect(existsSync(path.join(data, "millrace.db"))).toBe(true)
    } finally {
      child.kill("SIGTERM")
      expect(await ended).toBe(0)
      rmSync(app, { recursive: true, force: true })
    }
  }, 120_000)
})

describe("compose.yaml", () => {
  const compose = parse(text("compose.yaml")) as {
    readonly services: {
      readonly [name: string]: {
        readonly image: string
        readonly volumes?: ReadonlyArray<string>
        readonly ports?: ReadonlyArray<string>
      }
    }
  }

  it("is valid, and breaks no rule of the linter but those of taste", () => {
    const linter = new DCLinter({
      rules: {
        "services-alphabetical-order": 0,
        "service-keys-order": 0,
        "service-ports-alphabetical-order": 0,
        "service-dependencies-alphabetical-order": 0,
        "top-level-properties-order": 0,
        "require-quotes-in-ports": 0,
        // The images of the gateway and the dashboard are built here and named for those who push them.
        "no-build-and-image": 0,
        "require-project-name-field": 1
      },
      quiet: false,
      debug: false,
      exclude: []
    })
    const [result] = linter.lintFiles([path.join(root, "compose.yaml")], false)
    expect(result?.messages).toEqual([])
  })

  it("mounts files that are here, publishes on loopback alone and pins its images", () => {
    for (const [name, { image, ports = [], volumes = [] }] of Object.entries(compose.services)) {
      for (const volume of volumes) {
        const source = volume.split(":")[0]!
        if (source.startsWith("./")) expect(existsSync(path.join(root, source)), `${name}: ${source}`).toBe(true)
      }
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:/)
      if (!image.startsWith("millrace")) expect(image, name).toMatch(/:v?\d+\.\d+/)
    }
  })
})

describe("Kubernetes", () => {
  const documents = parseAllDocuments(text("docs/operations/deploy/kubernetes.yaml")).map(
    (document) => document.toJS() as { readonly kind: string; readonly spec: any }
  )
  const kinds = { Deployment, Service, ServiceAccount } as const

  it("is valid by the schemas of Kubernetes", () => {
    expect(documents.map(({ kind }) => kind)).toEqual(["ServiceAccount", "Service", "Deployment"])
    for (const document of documents) new kinds[document.kind as keyof typeof kinds](document as never).validate()
  })

  it("lets running calls finish: the pod lives longer than the drain, and readiness ends first", () => {
    const { spec } = documents[2]!.spec.template
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(30)
    const [gateway] = spec.containers
    expect(gateway.readinessProbe.httpGet.path).toBe("/health/ready")
    expect(gateway.livenessProbe.httpGet.path).toBe("/health/live")
    expect(spec.securityContext.runAsNonRoot).toBe(true)
  })
})

describe("systemd", () => {
  it.skipIf(!existsSync("/usr/bin/systemd-analyze"))("has no finding of systemd-analyze verify", () => {
    const unit = path.join(root, "docs/operations/deploy/millrace.service")
    expect(execFileSync("systemd-analyze", ["verify", "--man=no", unit], { encoding: "utf8", stdio: "pipe" })).toBe("")
  })
})

describe("the production configuration", () => {
  const file = path.join(root, "docs/operations/production.config.yaml")
  const secrets = {
    OPENAI_API_KEY: "sk-canary-openai-0123456789",
    ANTHROPIC_API_KEY: "sk-ant-canary-0123456789",
    MILLRACE_DATABASE_URL: "postgres://millrace:canary-password@127.0.0.1:5432/millrace",
    MILLRACE_ADMIN_TOKEN: "canary-admin-token-0123456789"
  }

  it("is right once its variables are set, and tells none of them", async () => {
    const { code, stderr, stdout } = await millrace(root, ["check", "--config", file], secrets).ended
    expect(stderr).toBe("")
    expect(code).toBe(0)
    expect(stdout).toMatch(/^keys +required$/m)
    expect(stdout).toMatch(/^budget +month: \$5000 a month of everybody$/m)
    expect(stdout).toMatch(/^budget +key-a-day: \$50 a day of each key$/m)
    expect(stdout).not.toMatch(/canary/)
  })

  it("names every variable that is missing", async () => {
    const { code, stderr } = await millrace(root, ["check", "--config", file]).ended
    expect(code).toBe(2)
    for (const name of Object.keys(secrets)) expect(stderr).toContain(name)
  })
})
