import { describe, expect, it } from "@effect/vitest"
import { Registry } from "prom-client"
import { type GaugeSources, observeGauges } from "../../engine/src/Gauges.ts"

const engine = (name: string, active: number, circuit: number): GaugeSources => ({
  providers: () => [
    {
      name,
      active,
      circuit,
      queued: 2 * active,
      queueMax: 100,
      oldestWaitMs: 500 * active,
      waitMsMax: 60_000,
      limits: [
        { limit: "requests_per_minute", value: 60, available: 10 * active },
        { limit: "tokens_per_minute", value: null, available: null }
      ]
    }
  ],
  cacheEvictions: () => active,
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
    expect(all).toContain("ai_cache_evictions_total 9")
    expect(all).toContain('ai_queue_limit{provider="openai"} 200')
    expect(all).toContain('ai_queue_oldest_wait_seconds{provider="openai"} 1.5')
    expect(all).toContain('ai_queue_wait_limit_seconds{provider="openai"} 60')
    expect(all).toContain('ai_rate_limit{provider="openai",limit="requests_per_minute"} 60')
    expect(all).toContain('ai_rate_limit_available{provider="openai",limit="requests_per_minute"} 30')
    expect(all).not.toContain("tokens_per_minute")
    stop()
    const left = await registry.metrics()
    expect(left).toContain('ai_active_requests{provider="openai"} 1')
    expect(left).toContain('ai_circuit_state{provider="openai"} 0')
  })

  it("take the sources of one concern alone; of a budget the largest share is shown", async () => {
    const registry = new Registry()
    const spent = (usedRatio: number) => ({ budgets: () => [{ budget: "monthly", scope: "tenant", usedRatio }] })
    observeGauges(registry, spent(0.25))
    observeGauges(registry, spent(0.75))
    const all = await registry.metrics()
    expect(all).toContain('ai_budget_used_ratio{budget="monthly",scope="tenant"} 0.75')
    expect(all).not.toContain("ai_active_requests{")
    expect(all).toContain("ai_usage_rows_dropped_total 0")
  })
})
