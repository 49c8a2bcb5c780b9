import { expect, it } from "vitest"
import { withoutCredentials } from "../../engine/src/ConfigRedact.ts"

it.each([
  ["postgres://millrace:pass@db:5432/millrace", "postgres://<redacted>@db:5432/millrace"],
  ["postgres://millrace:p/a@s:s@db:5432/millrace", "postgres://<redacted>@db:5432/millrace"],
  ["postgresql://millrace:pa/ss@db/millrace?sslmode=require", "postgresql://<redacted>@db/millrace?sslmode=require"],
  ["rediss://:t/o@k@cache:6380/0", "rediss://<redacted>@cache:6380/0"],
  ["https://user:pass@host/v1", "https://<redacted>@host/v1"],
  ["https://host/v1/models/a@b", "https://host/v1/models/a@b"],
  ["sqlite:./millrace.db", "sqlite:./millrace.db"]
])("%s is shown as %s", (text, shown) => {
  expect(withoutCredentials(text)).toBe(shown)
})
