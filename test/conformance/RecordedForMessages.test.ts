/**
 * Recorded answers of every provider, asked for in the dialect of `anthropic-messages` and read by that vendor's own SDK.
 */
import { recordedSuite } from "./RecordedSuite.ts"
import { messagesReader } from "./SdkReaders.ts"

recordedSuite("anthropic-messages", (url) => messagesReader(`${url}`))
