"use client"

import { PageHeader } from "@/components/page-header"
import { ChangeConfig } from "@/features/settings/change-config"
import { EffectiveConfig } from "@/features/settings/effective-config"
import { HealthCard } from "@/features/settings/health-card"
import { SampleButton } from "@/features/settings/sample-button"
import { useUrlState } from "@/lib/url-state"
import { settingsParams } from "./search-params"

export function SettingsClient({ gateway }: { readonly gateway: string }) {
  const [{ search, source }, setParams] = useUrlState(settingsParams)
  return (
    <>
      <PageHeader title="Settings" note="How the gateway is configured, and how it is doing.">
        <SampleButton />
      </PageHeader>
      <div className="space-y-6">
        <HealthCard gateway={gateway} />
        <EffectiveConfig search={search} source={source} onChange={setParams} />
        <ChangeConfig />
      </div>
    </>
  )
}
