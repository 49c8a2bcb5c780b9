/**
 * The tests of one inbound dialect: every recording of every endpoint, asked for as it was recorded and the other way, and
 * cut into pieces.
 *
 * Every case is asked for as it was recorded; of the other way, and of pieces of 7 bytes and of 1 byte, every tenth or so,
 * always the same ones. `MILLRACE_LONG=1` takes all of them. A table says what was compared.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Inbound, type Row, runCases, type Stage, startStage, textEndpoints } from "./Matrix.ts"
import { artefacts, casesOf, hasCorpus, type RecordedCase } from "./Recorded.ts"
import type { Reader } from "./SdkReaders.ts"

const everything = process.env["MILLRACE_LONG"] === "1"

/** Every `n`th of these cases, and all with mutated framing or made by hand. */
const sample = (cases: ReadonlyArray<RecordedCase>, n: number): ReadonlyArray<RecordedCase> =>
  cases.filter(({ id }, index) => everything || index % n === 0 || /^(?:mut|syn)/.test(id))

export const recordedSuite = (inbound: Inbound, readerAt: (url: string) => Reader): void => {
  const where = hasCorpus ? "" : " (skipped: ../shared/fixtures is not here)"
  describe.skipIf(!hasCorpus)(`recorded answers for ${inbound}${where}`, () => {
    const cases = hasCorpus ? textEndpoints.flatMap(casesOf).filter(({ id }) => !(id in artefacts)) : []
    const table: Array<Row> = []
    let stage: Stage
    let readers: { readonly gateway: Reader; readonly provider: Reader }
    beforeAll(async () => {
      stage = await startStage()
      readers = { gateway: readerAt(stage.gateway.url), provider: readerAt(stage.upstream.url) }
    })
    afterAll(async () => {
      console.table(table.map(({ wrong: _, ...row }) => ({ inbound, ...row })))
      await stage.close()
    })

    const run = async (
      concerned: ReadonlyArray<RecordedCase>,
      asked: "as recorded" | "the other way",
      name: string = asked
    ): Promise<ReadonlyArray<string>> => {
      expect(concerned.length).toBeGreaterThan(0)
      const rows = await runCases(stage, inbound, readers, concerned, asked)
      table.push(...rows.map((row) => ({ ...row, asked: name })))
      return rows.flatMap((row) => row.wrong)
    }

    it("asked as recorded, the SDK hears what the references read", { timeout: 300_000 }, async () => {
      expect(await run(cases, "as recorded")).toEqual([])
    })

    it("streams are collected and whole answers streamed", { timeout: 300_000 }, async () => {
      expect(await run(sample(cases, 4), "the other way")).toEqual([])
    })

    it.each([7, 1])("pieces of %i bytes change nothing", { timeout: 600_000 }, async (bytes) => {
      const streams = cases.filter(({ response, streaming }) => streaming && response.body.length < 100_000)
      const small = everything ? streams : streams.filter(({ response }) => response.body.length < 4000)
      stage.pieceBytes = bytes
      try {
        expect(await run(sample(small, 12), "as recorded", `${bytes} bytes`)).toEqual([])
      } finally {
        stage.pieceBytes = 0
      }
    })
  })
}
