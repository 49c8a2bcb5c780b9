/**
 * The dashboard to look at first: is Millrace doing what it promises?
 */
import { burnRates, errorBudget, failureRatio, kpis } from "./operations-objectives.ts"
import {
  below,
  chosen,
  dashboard,
  doubtful,
  kpiPanel,
  lines,
  other,
  perSecond,
  rateWindow,
  stacked,
  stat
} from "./operations-panels.ts"

/** Quantiles of one histogram, in percent. */
const quantiles = (
  name: "ai_response_duration_seconds" | "ai_time_to_first_token_seconds" | "ai_overhead_seconds",
  percents: ReadonlyArray<number>
) => percents.map((percent) => ({ expr: chosen.quantile(percent / 100, name, rateWindow), legend: `p${percent}` }))

export const overview = dashboard(
  "millrace-overview",
  "Millrace / Overview",
  "Is it doing what it promises? The plan's figures, traffic, latency, failures and the process.",
  [
    { title: "The plan's figures", panels: Object.values(kpis).map(kpiPanel) },
    {
      title: "Objective",
      panels: [
        {
          title: "Burn of the error budget",
          description:
            "Failures as a multiple of what 99.9 % success over 30 days allows. Alerts: 14.4 over 1 h, 6 over 6 h, 3 over 1 d, 1 over 3 d, each confirmed by a shorter window.",
          unit: "short",
          width: 12,
          make: lines,
          thresholds: doubtful(1, burnRates.fast[0].factor),
          queries: ["5m", "1h", "6h", "1d", "3d"].map((window) => ({
            expr: `${other(failureRatio(window))} / ${errorBudget}`,
            legend: `{{job}} ${window}`
          }))
        },
        {
          title: "Alerts",
          description: "Alerts of docs/operations/alerts.yml that are pending or firing.",
          unit: "short",
          width: 12,
          make: stacked,
          queries: [
            {
              expr: `count by (alertname, severity, alertstate) (ALERTS{alertname=~"Millrace.*",job=~"$job"})`,
              legend: "{{alertname}} ({{severity}}, {{alertstate}})"
            }
          ]
        }
      ]
    },
    {
      title: "Traffic",
      panels: [
        {
          title: "Requests by outcome",
          description: "Settled requests a second, cached ones included.",
          unit: perSecond,
          make: stacked,
          queries: [{ expr: chosen.rate("ai_requests_total", rateWindow, { by: ["status"] }), legend: "{{status}}" }]
        },
        {
          title: "Requests by provider and model",
          description: "By who answered or failed last.",
          unit: perSecond,
          make: stacked,
          queries: [
            {
              expr: chosen.rate("ai_requests_total", rateWindow, { by: ["provider", "model"] }),
              legend: "{{provider}}/{{model}}"
            }
          ]
        },
        {
          title: "Failures",
          description: "Failed and cancelled requests a second, by kind and whose fault it is.",
          unit: perSecond,
          make: stacked,
          queries: [
            {
              expr: `${chosen.rate("ai_errors_total", rateWindow, { by: ["fault", "kind"] })} > 0`,
              legend: "{{fault}}: {{kind}}"
            },
            {
              expr: `${chosen.rate("ai_refused_total", rateWindow, { by: ["fault", "kind"] })} > 0`,
              legend: "refused at the door, {{fault}}: {{kind}}"
            }
          ]
        },
        {
          title: "Being served",
          description: "Requests that providers are answering now.",
          unit: "short",
          make: lines,
          queries: [{ expr: chosen.gauge("ai_active_requests", "sum", { by: ["provider"] }), legend: "{{provider}}" }]
        },
        {
          title: "Waiting",
          description: "Requests that wait for a provider's limits now.",
          unit: "short",
          make: lines,
          queries: [{ expr: chosen.gauge("ai_queue_depth", "sum", { by: ["provider"] }), legend: "{{provider}}" }]
        },
        {
          title: "Cache lookups",
          description: "By result, a second.",
          unit: perSecond,
          make: stacked,
          queries: [{ expr: chosen.rate("ai_cache_hits_total", rateWindow, { by: ["type"] }), legend: "{{type}}" }]
        }
      ]
    },
    {
      title: "Latency",
      panels: [
        {
          title: "Response time",
          description:
            "From a request to the last part of its answer, cached and failed ones included. Target: p95 under 2 s.",
          unit: "s",
          make: lines,
          thresholds: below(kpis.latency.target),
          queries: quantiles("ai_response_duration_seconds", [50, 95, 99])
        },
        {
          title: "Time to the first token",
          description: "From a request to the first part of its answer.",
          unit: "s",
          make: lines,
          queries: quantiles("ai_time_to_first_token_seconds", [50, 95, 99])
        },
        {
          title: "Overhead",
          description: "Time spent in Millrace itself before the first attempt; waiting for limits is not in it.",
          unit: "s",
          make: lines,
          queries: quantiles("ai_overhead_seconds", [50, 99])
        }
      ]
    },
    {
      title: "Process",
      panels: [
        {
          title: "CPU",
          description: "Cores in use, by instance.",
          unit: "short",
          make: lines,
          queries: [{ expr: `rate(${other("process_cpu_seconds_total")}[${rateWindow}])`, legend: "{{instance}}" }]
        },
        {
          title: "Memory",
          description: "Resident memory, by instance.",
          unit: "bytes",
          make: lines,
          queries: [{ expr: other("process_resident_memory_bytes"), legend: "{{instance}}" }]
        },
        {
          title: "Event loop lag",
          description: "p99 since the scrape before: over 100 ms every answer is late.",
          unit: "s",
          make: lines,
          thresholds: doubtful(0.05, 0.1),
          queries: [{ expr: other("nodejs_eventloop_lag_p99_seconds"), legend: "{{instance}}" }]
        },
        {
          title: "Configuration changes",
          description: "Times that the configuration was read again, by what came of it.",
          unit: "short",
          make: lines,
          queries: [
            {
              expr: chosen.increase("ai_config_reloads_total", rateWindow, { by: ["outcome"] }),
              legend: "{{outcome}}"
            }
          ]
        },
        {
          title: "Version",
          description: "Instances by version of Millrace.",
          unit: "short",
          width: 4,
          make: stat,
          queries: [{ expr: chosen.gauge("ai_build_info", "sum", { by: ["version"] }), legend: "{{version}}" }]
        },
        {
          title: "Up for",
          description: "Time since the youngest instance started.",
          unit: "s",
          width: 4,
          make: stat,
          queries: [{ expr: `time() - max(${other("process_start_time_seconds")})`, legend: "youngest" }]
        }
      ]
    }
  ]
)
