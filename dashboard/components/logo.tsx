/** A wheel in its channel. */
export function Logo({ className }: { readonly className?: string }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden className={className} fill="none" strokeWidth="2" strokeLinecap="round">
      <g stroke="currentColor">
        <circle cx="12" cy="9.5" r="6.5" />
        <path d="M12 3v13M6.37 6.25l11.26 6.5M17.63 6.25l-11.26 6.5" strokeWidth="1.4" />
      </g>
      <path
        d="M2 20.5c1.67 0 1.67-1.2 3.33-1.2s1.67 1.2 3.34 1.2 1.66-1.2 3.33-1.2 1.67 1.2 3.33 1.2 1.67-1.2 3.34-1.2 1.66 1.2 3.33 1.2"
        stroke="var(--answered)"
      />
    </svg>
  )
}
