import type { PriceLine, RequestDetail } from "millrace/admin-api"
import type { ReactNode } from "react"
import { exactCount, text, usd } from "@/lib/format"

const lineLabels: Record<PriceLine["kind"], string> = {
  uncachedInput: "Prompt",
  cacheReadInput: "Prompt, read from the provider's cache",
  cacheWriteInput: "Prompt, written to the provider's cache",
  output: "Completion",
  reasoning: "Reasoning",
  fees: "Fees beside tokens",
  lostAttempts: "Answers that nobody read"
}

/** Tokens and cost line by line, with the price table that they were priced with. */
export function PriceLines({ request }: { readonly request: RequestDetail }) {
  return (
    <>
      <dl className="grid grid-cols-[1fr_auto] gap-x-4 gap-y-2 text-[13px] tabular-nums">
        {priceLines(request).map((line) => (
          <Sum key={line.kind} name={lineLabels[line.kind]}>
            {lineText(line)}
          </Sum>
        ))}
        {request.savedTokens === 0 ? null : (
          <Sum name="Saved by the cache">{exactCount(request.savedTokens)} tokens</Sum>
        )}
        <div className="col-span-2 my-1 border-t" />
        <Sum name="Cost" strong>
          {request.price.usd === null ? "No price" : text(usd(request.price.usd))}
        </Sum>
        {request.savedUsd === null ? null : <Sum name="Saved by the cache">{text(usd(request.savedUsd))}</Sum>}
        {request.providerCacheSavedUsd === null || request.providerCacheSavedUsd === 0 ? null : (
          <Sum name="Saved by the provider's cache">{text(usd(request.providerCacheSavedUsd))}</Sum>
        )}
      </dl>
      <p className="mt-3 text-xs text-muted">
        {request.price.usd === null
          ? `There is no price: ${request.price.unpricedReason ?? "the model has none"}.`
          : request.price.table === null
            ? null
            : `Priced with ${request.price.table}.`}
        {request.estimated ? " The provider reported no usage: the tokens are our own count." : null}
      </p>
    </>
  )
}

/** The lines that hold tokens; where nothing was priced, what the request itself says. */
const priceLines = ({ price, promptTokens, completionTokens }: RequestDetail): ReadonlyArray<PriceLine> =>
  price.lines.length === 0
    ? [
        { kind: "uncachedInput", tokens: promptTokens, usd: null, usdPerMillion: null },
        { kind: "output", tokens: completionTokens, usd: null, usdPerMillion: null }
      ]
    : price.lines.filter(
        ({ kind, tokens, usd: dollars }) =>
          tokens > 0 || (dollars ?? 0) !== 0 || kind === "uncachedInput" || kind === "output"
      )

/** Tokens, the rate and what they cost; fees have dollars alone. */
const lineText = ({ kind, tokens, usd: dollars, usdPerMillion }: PriceLine): string => {
  if (kind === "fees" || kind === "lostAttempts") return text(usd(dollars))
  const counted = `${exactCount(tokens)} tokens`
  if (dollars === null || usdPerMillion === null) return counted
  return `${counted} at ${text(usd(usdPerMillion))} a million: ${text(usd(dollars))}`
}

interface SumProps {
  readonly name: string
  readonly strong?: boolean
  readonly children: ReactNode
}

function Sum({ name, strong = false, children }: SumProps) {
  return (
    <>
      <dt className={strong ? "font-medium" : "text-muted"}>{name}</dt>
      <dd className={strong ? "text-right font-medium" : "text-right"}>{children}</dd>
    </>
  )
}
