/**
 * A proxy of TCP between a client and a server of a test: it passes bytes on, late, or not at all, as it is told.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

export interface Proxy {
  readonly port: number
  /** Milliseconds by which bytes in both directions are late from now on; Infinity: they never come. */
  delay: (ms: number) => void
  /** Closes every connection; new ones are accepted. */
  readonly cut: () => void
  readonly stop: () => Promise<void>
}

export const startProxy = (targetPort: number): Promise<Proxy> =>
  new Promise((resolve, reject) => {
    let delayMs = 0
    const sockets = new Set<Socket>()
    const pass = (from: Socket, to: Socket) => {
      sockets.add(from)
      // What came earlier is not overtaken by what comes later with a shorter delay.
      let queue: Promise<void> = Promise.resolve()
      const later = (then: () => void) => {
        const wait =
          delayMs === 0
            ? undefined
            : new Promise<void>((done) => {
                if (delayMs !== Number.POSITIVE_INFINITY) setTimeout(done, delayMs).unref()
              })
        queue = queue.then(() => wait).then(then)
      }
      from.on("data", (chunk) => later(() => void (to.writable && to.write(chunk))))
      from.on("end", () => later(() => void to.end()))
      from.on("error", () => to.destroy())
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
    }
    const server = createServer((client) => {
      const upstream = connect(targetPort, "127.0.0.1")
      pass(client, upstream)
      pass(upstream, client)
    })
    const cut = () => {
      for (const socket of sockets) socket.destroy()
    }
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        delay: (ms) => {
          delayMs = ms
        },
        cut,
        stop: () =>
          new Promise((stopped) => {
            server.close(() => stopped())
            cut()
          })
      })
    })
  })
