/** The colour of a series. */
export function Swatch({ color }: { readonly color: string }) {
  return (
    <svg aria-hidden viewBox="0 0 8 8" className="size-2 shrink-0">
      <rect width="8" height="8" rx="2" fill={color} />
    </svg>
  )
}
