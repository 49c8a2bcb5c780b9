import { describe, expect, it } from "@effect/vitest"
import { Registry } from "prom-client"
import { type GaugeSources, observeGauges } from "../../engine/src/Gauges.ts"

const engine = (name: string, active: number, circuit: number): GaugeSources => ({
  providers: () => [{ name, active, queued: 2 * active, circuit }],
  cacheEntries: () => [{ kind: "exact", entries: 10 }],
  rowsDropped: () => 1
})

describe("the gauges of a registry", () => {
  it("add up the engines in it, show the worst circuit, and forget an engine that has closed", async () => {
    const registry = new Registry()
    observeGauges(registry, engine("openai", 1, 0))
    const stop = observeGauges(registry, engine("openai", 3, 2))
    observeGauges(registry, engine("anthropic", 5, 1))
    const all = await registry.metrics()
    expect(all).toContain('ai_active_requests{provider="openai"} 4')
    expect(all).toContain('ai_queue_depth{provider="openai"} 8')
    expect(all).toContain('ai_circuit_state{provider="openai"} 2')
    expect(all).toContain('ai_active_requests{provider="anthropic"} 5')
    expect(all).toContain('ai_cache_entries{kind="exact"} 30')
    expect(all).toContain("ai_usage_rows_dropped_total 3")
    stop()
    const left = await registry.metrics()
    expect(left).toContain('ai_active_requests{provider="openai"} 1')
    expect(left).toContain('ai_circuit_state{provider="openai"} 0')
  })
})
