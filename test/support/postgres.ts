/**
 * A real Postgres of a test's own: started from the installed binary on a free port, with a password, in a folder that goes
 * when it stops. It can be stalled (no process of it runs, nothing of it answers) and resumed.
 */
import { execFileSync, spawn } from "node:child_process"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { freePort } from "./processes.ts"

export interface Postgres {
  /** The URL of a new, empty database. */
  readonly newDatabase: () => string
  /** Makes a user who may log in, and nothing else. */
  readonly newRole: (name: string, password: string) => void
  readonly password: string
  readonly port: number
  /** Stops all of its processes where they are (SIGSTOP). */
  readonly stall: () => void
  readonly resume: () => void
  readonly stop: () => Promise<void>
}

/** Folder of the newest installed Postgres; undefined where there is none. */
export const postgresBinaries: string | undefined = ((): string | undefined => {
  const versions = "/usr/lib/postgresql"
  const installed = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...installed.map((version) => path.join(versions, version, "bin")),
    ...(process.env.PATH ?? "").split(":")
  ]
  return folders.find((folder) => existsSync(path.join(folder, "initdb")) && existsSync(path.join(folder, "createdb")))
})()

/** Why a test of Postgres is skipped. */
export const noPostgres = "Postgres is not installed (initdb, postgres and createdb were looked for)"

/** True where the installed Postgres has the extension pgvector. */
export const hasPgvector: boolean =
  postgresBinaries !== undefined &&
  [path.join(postgresBinaries, "../share"), path.dirname(postgresBinaries).replace("/lib/", "/share/")].some((folder) =>
    existsSync(path.join(folder, "extension/vector.control"))
  )

/** Why a test of it is skipped. */
export const noPgvector = "the installed Postgres has no pgvector (Debian 12 has no package of it)"

export const startPostgres = async (): Promise<Postgres> => {
  if (postgresBinaries === undefined) throw new Error(noPostgres)
  const binaries = postgresBinaries
  const folder = mkdtempSync(path.join(tmpdir(), "millrace-postgres-"))
  const owner = ownerOf()
  const password = "canary-password-of-postgres"
  const passwordFile = path.join(folder, "password")
  const data = path.join(folder, "data")
  writeFileSync(passwordFile, password)
  if (owner !== undefined) for (const file of [folder, passwordFile]) chownSync(file, owner.uid, owner.gid)
  chmodSync(folder, 0o755)
  execFileSync(
    path.join(binaries, "initdb"),
    ["-D", data, "-U", "millrace", "-A", "scram-sha-256", "--pwfile", passwordFile, "-E", "UTF8", "--no-sync"],
    { ...owner, cwd: folder, stdio: "ignore" }
  )
  const port = await freePort()
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=60"]
  const child = spawn(
    path.join(binaries, "postgres"),
    ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])],
    { ...owner, cwd: folder, stdio: "ignore" }
  )
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const env = { PGHOST: "127.0.0.1", PGPORT: String(port), PGUSER: "millrace", PGPASSWORD: password }
  while (!(await accepts(port)) || !(await isReady(path.join(binaries, "pg_isready"), env))) {
    if (child.exitCode !== null) throw new Error("Postgres ended before it was ready")
  }
  let databases = 0
  const signal = (name: NodeJS.Signals) => {
    for (const pid of [child.pid!, ...childrenOf(child.pid!)]) {
      try {
        process.kill(pid, name)
      } catch (error) {
        // One that has just ended needs no signal.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
      }
    }
  }
  return {
    port,
    password,
    newDatabase: () => {
      const name = `test_${++databases}`
      execFileSync(path.join(binaries, "createdb"), [name], { env, stdio: "ignore" })
      return `postgres://millrace:${password}@127.0.0.1:${port}/${name}`
    },
    newRole: (name, secret) => {
      const sql = `CREATE ROLE ${name} LOGIN PASSWORD '${secret}'`
      execFileSync(path.join(binaries, "psql"), ["-d", "postgres", "-c", sql], { env, stdio: "ignore" })
    },
    stall: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
    stop: async () => {
      signal("SIGCONT")
      child.kill("SIGQUIT")
      await ended
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** Postgres refuses to run as root: then it is the user that its package made. */
const ownerOf = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const [, , uid, gid] = /^postgres:.*$/m.exec(readFileSync("/etc/passwd", "utf8"))![0].split(":")
  return { uid: Number(uid), gid: Number(gid) }
}

const childrenOf = (parent: number): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // "pid (name) state parent …": the name may hold anything but ends at the last parenthesis.
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent
      } catch {
        return false
      }
    })

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", () => setTimeout(() => resolve(false), 20))
  })

const isReady = (binary: string, env: { readonly [name: string]: string }): Promise<boolean> =>
  new Promise((resolve) => {
    const check = spawn(binary, [], { env, stdio: "ignore" })
    check.once("exit", (code) => resolve(code === 0))
    check.once("error", () => resolve(true))
  })
