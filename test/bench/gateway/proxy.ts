/**
 * The least that a gateway in Node can be: `node:http` in, undici's dispatch out, bytes passed through untouched.
 * Arguments: the port to listen on, the port of the upstream. Prints `ready`.
 */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import { Pool, type Dispatcher } from "undici"

const pool = new Pool(`http://127.0.0.1:${process.argv[3]}`, { headersTimeout: 60_000, bodyTimeout: 60_000 })

class Relay implements Dispatcher.DispatchHandler {
  private readonly response: ServerResponse
  constructor(response: ServerResponse) {
    this.response = response
  }
  onRequestStart(): void {}
  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    const { connection: _connection, "keep-alive": _keepAlive, "transfer-encoding": _encoding, ...kept } = headers
    this.response.writeHead(status, kept as Record<string, string>)
  }
  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.response.write(chunk)
  }
  onResponseEnd(): void {
    this.response.end()
  }
  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.response.destroy(error)
  }
}

const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.end("ok")
    return
  }
  const received: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => received.push(chunk))
  request.on("end", () => {
    pool.dispatch(
      {
        path: request.url!,
        method: "POST",
        headers: { "content-type": "application/json", authorization: request.headers.authorization ?? "" },
        body: received.length === 1 ? received[0]! : Buffer.concat(received)
      },
      new Relay(response)
    )
  })
})

server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"))
