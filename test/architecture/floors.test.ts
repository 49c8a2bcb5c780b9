/**
 * The floors of the engine: imports go down, concerns don't know each other, and nothing goes in a circle.
 *
 * A new file takes its floor in the table below; a file that is in no row fails the test.
 */
import { readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, it } from "vitest"
import { circleIn, filesOf, importsOf, root } from "./sources.ts"

/** Files and folders (with a `/` at the end) of `engine/src`, by floor; the lowest first. */
const floors: ReadonlyArray<{ readonly floor: string; readonly files: ReadonlyArray<string> }> = [
  {
    // Types, pure functions and plain data structures: no services, no I/O.
    floor: "words",
    files: [
      "AdminAnswers.ts",
      "AdminConfigAnswers.ts",
      "AdminErrors.ts",
      "AdminKeysAnswers.ts",
      "AdminPriceAnswers.ts",
      "AdminQueries.ts",
      "AdminSemanticAnswers.ts",
      "AdminUsageAnswers.ts",
      "AnswerTokens.ts",
      "Attempt.ts",
      "AdminBudgetAnswers.ts",
      "BlockEvents.ts",
      "BudgetBook.ts",
      "BudgetBound.ts",
      "BudgetLedger.ts",
      "BudgetPeriod.ts",
      "BudgetReports.ts",
      "BudgetRule.ts",
      "BudgetSlot.ts",
      "BudgetStore.ts",
      "BudgetView.ts",
      "CacheAnswers.ts",
      "CacheContents.ts",
      "CacheDefaults.ts",
      "CacheFields.ts",
      "CacheGroup.ts",
      "CacheIndex.ts",
      "CacheKey.ts",
      "CacheKinds.ts",
      "CacheLookups.ts",
      "CacheOptions.ts",
      "CachePacing.ts",
      "CacheRecord.ts",
      "CacheRecordVersion.ts",
      "CacheRules.ts",
      "CacheScripts.ts",
      "CacheStart.ts",
      "CacheStore.ts",
      "CacheTable.ts",
      "Call.ts",
      "BreakerStore.ts",
      "Circuit.ts",
      "CircuitTable.ts",
      "CountExchange.ts",
      "EmbedRequest.ts",
      "Ending.ts",
      "ErrorGroups.ts",
      "Errors.ts",
      "FairQueue.ts",
      "FileTokens.ts",
      "Flight.ts",
      "FlightBuffer.ts",
      "FlightFailure.ts",
      "FlightFollower.ts",
      "FlightMember.ts",
      "FlightMessage.ts",
      "FlightPublisher.ts",
      "FlightScripts.ts",
      "ForeignAnswer.ts",
      "ForeignMetadata.ts",
      "ForeignPrompt.ts",
      "ForeignTurns.ts",
      "Gauges.ts",
      "GenAiNames.ts",
      "Grant.ts",
      "ImageTokens.ts",
      "Instruments.ts",
      "Issues.ts",
      "KeyRecord.ts",
      "KeyStore.ts",
      "LimiterStore.ts",
      "LearnedLimits.ts",
      "LearnedRate.ts",
      "Log.ts",
      "LogLines.ts",
      "LocalShare.ts",
      "MediaTypes.ts",
      "MetricDefinitions.ts",
      "MillraceOptions.ts",
      "ModelCatalog.ts",
      "ModelNames.ts",
      "Money.ts",
      "PriceLines.ts",
      "PriceOverrides.ts",
      "PriceRates.ts",
      "PriceSchedule.ts",
      "Prompt.ts",
      "PromptFraming.ts",
      "Provider.ts",
      "ProviderKeys.ts",
      "ProviderTotals.ts",
      "QueueFlow.ts",
      "QueueHeap.ts",
      "QueueParked.ts",
      "RateEstimate.ts",
      "RateKeys.ts",
      "RateTenants.ts",
      "RateWait.ts",
      "RateLane.ts",
      "RateQueue.ts",
      "RateReservation.ts",
      "RateScope.ts",
      "RateStatus.ts",
      "RateUsed.ts",
      "SharedBeat.ts",
      "SharedLedger.ts",
      "SharedLines.ts",
      "SharedRates.ts",
      "Reply.ts",
      "ReportedLimit.ts",
      "Request.ts",
      "RequestId.ts",
      "Response.ts",
      "RoutingStrategy.ts",
      "SchemaGuard.ts",
      "semantic/",
      "ServiceTier.ts",
      "SharedCache.ts",
      "SharedCircuits.ts",
      "SharedLink.ts",
      "SharedRecovery.ts",
      "SharedRetries.ts",
      "SlidingWindow.ts",
      "SourceParts.ts",
      "Stage.ts",
      "Tallies.ts",
      "TextCounter.ts",
      "TokenCalibration.ts",
      "TokenCount.ts",
      "TokenEstimate.ts",
      "ToolText.ts",
      "TraceContent.ts",
      "TraceContext.ts",
      "TraceEvents.ts",
      "Usage.ts",
      "UsageContent.ts",
      "UsageReplay.ts",
      "UsagePrice.ts",
      "UsageRecord.ts",
      "SemanticEmbedder.ts",
      "SemanticEntries.ts",
      "SemanticJudge.ts",
      "SemanticLookup.ts",
      "SemanticObserver.ts",
      "SemanticPairs.ts",
      "SemanticPartition.ts",
      "SemanticShadow.ts",
      "SemanticShared.ts",
      "SemanticVector.ts",
      "VectorIndex.ts",
      "VectorKernel.ts",
      "VectorStore.ts",
      "version.ts"
    ]
  },
  {
    // One stage each; they never import each other.
    floor: "concerns",
    files: [
      "Breaker.ts",
      "Budget.ts",
      "Cache.ts",
      "Deadline.ts",
      "Hedge.ts",
      "Keys.ts",
      "Metrics.ts",
      "Pricing.ts",
      "RateLimiter.ts",
      "RequestLog.ts",
      "Retry.ts",
      "Routing.ts",
      "SemanticCache.ts",
      "Settle.ts",
      "SharedLimits.ts",
      "SharedFlights.ts",
      "SingleFlight.ts",
      "Tokenizer.ts",
      "Tracing.ts",
      "UsageLog.ts"
    ]
  },
  {
    floor: "outside world",
    files: [
      "Fallback.ts",
      "FirstPart.ts",
      "HttpProvider.ts",
      "HttpTokenCount.ts",
      "protocols/",
      "LogConsole.ts",
      "LogSink.ts",
      "ProcessLoad.ts",
      "Providers.ts",
      "SimulatedEmbedding.ts",
      "SimulatedJson.ts",
      "SimulatedProvider.ts",
      "SpanQueue.ts",
      "stores/",
      "Telemetry.ts",
      "Transport.ts"
    ]
  },
  {
    floor: "composition",
    files: [
      "AdminSources.ts",
      "Config.ts",
      "ConfigBudgets.ts",
      "ConfigChanges.ts",
      "ConfigControl.ts",
      "ConfigEnvironment.ts",
      "ConfigFields.ts",
      "ConfigObservability.ts",
      "ConfigFile.ts",
      "ConfigParser.ts",
      "ConfigPricing.ts",
      "ConfigProvider.ts",
      "ConfigRedact.ts",
      "ConfigRules.ts",
      "ConfigSchema.ts",
      "ConfigShape.ts",
      "ConfigSources.ts",
      "ConfigUnsupported.ts",
      "Engine.ts",
      "Kept.ts",
      "Live.ts",
      "LiveFlow.ts",
      "LiveKeys.ts",
      "LiveBudgets.ts",
      "LiveProviders.ts",
      "LiveSemantic.ts",
      "LiveShared.ts",
      "LiveStatus.ts",
      "PriceLists.ts",
      "LiveTracing.ts",
      "Status.ts"
    ]
  },
  {
    floor: "doors",
    files: [
      "AdminBudgetApi.ts",
      "admin-api.ts",
      "AdminUsageApi.ts",
      "AdminKeysApi.ts",
      "ai-sdk.ts",
      "ai-sdk/",
      "AIEngine.ts",
      "AIEngineError.ts",
      "AnswerStream.ts",
      "cli/",
      "effect-ai.ts",
      "effect-ai/",
      "gateway/",
      "index.ts",

      "testing.ts"
    ]
  }
]

/** Files that may be longer than 350 lines, each with the reason. */
const longFiles: Readonly<Record<string, string>> = {
  "engine/src/Errors.ts": "one closed union: every error, its fault, status and message side by side"
}

const maxLines = 350

const engine = path.join(root, "engine/src")
const files = filesOf(engine).filter((file) => file.endsWith(".ts"))
const graph = new Map(files.map((file) => [file, importsOf(engine, file)]))

const floorOf = (file: string): number =>
  floors.findIndex((entry) => entry.files.some((name) => (name.endsWith("/") ? file.startsWith(name) : file === name)))

const nameOf = (floor: number): string => floors[floor]?.floor ?? "no floor"

describe("floors", () => {
  it("gives every file of the engine a floor", () => {
    expect(files.filter((file) => floorOf(file) < 0)).toEqual([])
  })

  it("imports nothing from a higher floor", () => {
    const upward = files.flatMap((file) =>
      graph
        .get(file)!
        .filter((target) => floorOf(target) > floorOf(file))
        .map((target) => `${file} (${nameOf(floorOf(file))}) imports ${target} (${nameOf(floorOf(target))})`)
    )
    expect(upward).toEqual([])
  })

  it("keeps the concerns apart", () => {
    const concerns = floors.findIndex((entry) => entry.floor === "concerns")
    const sideways = files
      .filter((file) => floorOf(file) === concerns)
      .flatMap((file) =>
        graph
          .get(file)!
          .filter((target) => floorOf(target) === concerns)
          .map((target) => `${file} imports ${target}`)
      )
    expect(sideways).toEqual([])
  })

  it("imports only files that exist", () => {
    const missing = files.flatMap((file) =>
      graph
        .get(file)!
        .filter((target) => !graph.has(target) && target.endsWith(".ts"))
        .map((target) => `${file} imports ${target}`)
    )
    expect(missing).toEqual([])
  })

  it("has no circle of imports", () => {
    expect(circleIn(graph)).toBeUndefined()
  })
})

describe("the circle finder", () => {
  it("finds a circle and leaves a diamond alone", () => {
    const diamond: ReadonlyArray<[string, Array<string>]> = [
      ["a", ["b", "c"]],
      ["b", ["d"]],
      ["c", ["d"]],
      ["d", []]
    ]
    expect(circleIn(new Map(diamond))).toBeUndefined()
    expect(circleIn(new Map([...diamond, ["d", ["b"]]]))).toEqual(["b", "d", "b"])
  })
})

describe("files", () => {
  const sources = ["engine/src", "dashboard", "scripts"].flatMap((folder) =>
    filesOf(path.join(root, folder))
      .filter((file) => /\.tsx?$/.test(file))
      .map((file) => `${folder}/${file}`)
  )

  it(`are at most ${maxLines} lines long, but for those listed with a reason`, () => {
    const long = sources.filter(
      (file) => !(file in longFiles) && readFileSync(path.join(root, file), "utf8").split("\n").length - 1 > maxLines
    )
    expect(long).toEqual([])
  })

  it("are named for what they are, never utils, helpers, common, manager or misc", () => {
    const vague = /(^|[^a-z])(utils?|utilit(y|ies)|helpers?|commons?|managers?|misc)([^a-z]|$)/i
    const folders = ["engine", "dashboard", "test", "scripts", "docs"]
    const named = folders.flatMap((folder) =>
      filesOf(path.join(root, folder))
        .map((file) => `${folder}/${file}`)
        .filter((file) => file.split("/").some((part) => vague.test(part.replace(/([a-z])([A-Z])/g, "$1-$2"))))
    )
    expect(named).toEqual([])
  })
})
