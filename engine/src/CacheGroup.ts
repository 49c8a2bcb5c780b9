/**
 * What entries of the exact cache have in common, and what purges, lists and stores choose them by.
 */
import type { Target } from "./Call.ts"

export interface Group {
  readonly target: Target
  readonly tenant: string
  readonly namespace: string | undefined
}

/** Values that a group must have; absent ones are not asked for. */
export interface GroupFilter {
  readonly provider?: string | undefined
  readonly model?: string | undefined
  readonly tenant?: string | undefined
  readonly namespace?: string | undefined
}

export const matches = (filter: GroupFilter, { namespace, target, tenant }: Group): boolean =>
  (filter.provider === undefined || filter.provider === target.provider) &&
  (filter.model === undefined || filter.model === target.model) &&
  (filter.tenant === undefined || filter.tenant === tenant) &&
  (filter.namespace === undefined || filter.namespace === namespace)
