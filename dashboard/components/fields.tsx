/** Names of fields, as they are written in a request. */
export function Fields({ names }: { readonly names: ReadonlyArray<string> }) {
  return (
    <ul className="flex flex-wrap gap-1.5">
      {names.map((name) => (
        <li key={name} className="max-w-full">
          <code className="inline-block max-w-full truncate rounded-md border bg-subtle px-1.5 py-0.5 align-top font-mono text-xs">
            {name}
          </code>
        </li>
      ))}
    </ul>
  )
}
