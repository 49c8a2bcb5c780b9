/**
 * Whole answers as the providers of each dialect write them, with a field that only their own dialect has.
 */

export const messageAnswer = {
  id: "msg_up",
  type: "message",
  role: "assistant",
  model: "claude-up",
  content: [{ type: "text", text: "Hello." }],
  stop_reason: "end_turn",
  stop_sequence: null,
  container: { id: "c_1", expires_at: "2026-01-01T00:00:00Z" },
  usage: { input_tokens: 9, cache_read_input_tokens: 4, cache_creation_input_tokens: 2, output_tokens: 3 }
}

export const responseAnswer = {
  id: "resp_up",
  object: "response",
  status: "completed",
  model: "gpt-up",
  output: [
    { type: "web_search_call", id: "ws_1", status: "completed" },
    {
      type: "message",
      id: "msg_1",
      role: "assistant",
      content: [{ type: "output_text", text: "Hello.", annotations: [] }]
    }
  ],
  usage: { input_tokens: 9, output_tokens: 3, total_tokens: 12 },
  brand_new: { deep: [1] }
}

export const geminiAnswer = {
  candidates: [
    { content: { parts: [{ text: "Hello." }], role: "model" }, finishReason: "STOP", groundingMetadata: {} }
  ],
  usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 },
  modelVersion: "gemini-up",
  brand_new: { deep: [1] }
}

/** Thoughts that Anthropic has signed, one of them hidden, before a call. */
export const signedThoughts = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-up",
  content: [
    { type: "thinking", thinking: "Look.", signature: "EqQB" },
    { type: "redacted_thinking", data: "hidden" },
    { type: "tool_use", id: "t1", name: "f", input: { q: 1 } }
  ],
  stop_reason: "tool_use",
  usage: { input_tokens: 9, output_tokens: 3 }
}
