/** A wheel in its channel. */
export function Logo({ className }: { readonly className?: string }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden className={className} fill="none" stroke="currentColor" strokeWidth="1.8">
      <circle cx="12" cy="10" r="6.2" />
      <circle cx="12" cy="10" r="1.4" fill="currentColor" stroke="none" />
      <path d="M12 1.8v4.4M12 13.8v4.4M3.8 10h4.4M15.8 10h4.4M6.2 4.2l3.1 3.1M14.7 12.7l3.1 3.1M17.8 4.2l-3.1 3.1M9.3 12.7l-3.1 3.1" />
      <path
        d="M1.5 21c1.75 0 1.75-1 3.5-1s1.75 1 3.5 1 1.75-1 3.5-1 1.75 1 3.5 1 1.75-1 3.5-1 1.75 1 3.5 1"
        stroke="var(--answered)"
        strokeLinecap="round"
      />
    </svg>
  )
}
