/**
 * One probe for each field of each inbound dialect: the smallest change of a body that uses the field.
 */
import type { Schema } from "effect"
import { chatDialect } from "../../engine/src/gateway/ChatAnswer.ts"
import { ChatBody } from "../../engine/src/gateway/ChatRequest.ts"
import type { InboundDialect } from "../../engine/src/gateway/Dialect.ts"
import { geminiDialect } from "../../engine/src/gateway/GeminiAnswer.ts"
import { GeminiBody } from "../../engine/src/gateway/GeminiBody.ts"
import { messagesDialect } from "../../engine/src/gateway/MessagesAnswer.ts"
import { MessagesBody } from "../../engine/src/gateway/MessagesRequest.ts"
import { ResponseMemory } from "../../engine/src/gateway/ResponseMemory.ts"
import { responsesDialect } from "../../engine/src/gateway/ResponsesAnswer.ts"
import { ResponsesBody } from "../../engine/src/gateway/ResponsesRequest.ts"

export type Body = { readonly [field: string]: unknown }

export interface DialectFields {
  readonly title: string
  readonly dialect: InboundDialect
  readonly schema: Schema.Top
  readonly base: Body
  /** By field: what is added to the base. */
  readonly probes: { readonly [field: string]: Body }
  /** By field: what the base holds besides, for fields that say something about another one. */
  readonly contexts: { readonly [field: string]: Body }
  /** Fields that the gateway itself acts on, or that ask for nothing from a provider. */
  readonly served: ReadonlyArray<string>
}

const schema = { type: "object", properties: { x: { type: "string" } } }
const image = "data:image/png;base64,aGk="
const pdf = "data:application/pdf;base64,aGk="

const chatTools = [{ type: "function", function: { name: "f", description: "d", parameters: schema } }]
const chatUser = (...content: ReadonlyArray<unknown>) => ({ messages: [{ role: "user", content }] })

const chatTurn = (turn: object) => ({
  messages: [
    { role: "user", content: "hi" },
    { role: "assistant", content: "a", ...turn }
  ]
})

const chat: DialectFields = {
  title: "Chat Completions (`POST /v1/chat/completions`)",
  dialect: chatDialect,
  schema: ChatBody,
  base: { messages: [{ role: "user", content: "hi" }] },
  contexts: {
    "messages (reasoning_content)": chatTurn({}),
    "messages (reasoning_details of Anthropic)": chatTurn({}),
    "messages (extra_content of Gemini)": chatTurn({
      tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }]
    }),
    "messages (file, filename)": chatUser({ type: "file", file: { file_data: pdf } }),
    top_logprobs: { logprobs: true },
    tool_choice: { tools: chatTools },
    parallel_tool_calls: { tools: chatTools }
  },
  served: ["model", "stream", "stream_options"],
  probes: {
    "messages (system, developer)": {
      messages: [
        { role: "system", content: "s" },
        { role: "user", content: "hi" }
      ]
    },
    "messages (assistant)": {
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: "a" },
        { role: "user", content: "b" }
      ]
    },
    "messages (image_url)": chatUser({ type: "image_url", image_url: { url: image } }),
    "messages (input_audio)": chatUser({ type: "input_audio", input_audio: { data: "aGk=", format: "wav" } }),
    "messages (file, file_data)": chatUser({ type: "file", file: { file_data: pdf } }),
    "messages (file, filename)": chatUser({ type: "file", file: { filename: "a.pdf", file_data: pdf } }),
    "messages (file, file_id)": chatUser({ type: "file", file: { file_id: "file-1" } }),
    "messages (tool_calls, tool)": {
      messages: [
        { role: "user", content: "hi" },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }]
        },
        { role: "tool", tool_call_id: "c", content: "r" }
      ]
    },
    "messages (reasoning_content)": chatTurn({ reasoning_content: "t" }),
    "messages (reasoning_details of Anthropic)": chatTurn({
      reasoning_details: [{ type: "reasoning.text", text: "t", signature: "c2ln", format: "anthropic-claude-v1" }]
    }),
    "messages (extra_content of Gemini)": chatTurn({
      tool_calls: [
        {
          id: "c",
          type: "function",
          function: { name: "f", arguments: "{}" },
          extra_content: { google: { thought_signature: "c2ln" } }
        }
      ]
    }),
    "messages[].name": { messages: [{ role: "user", content: "hi", name: "ann" }] },
    temperature: { temperature: 0.5 },
    top_p: { top_p: 0.5 },
    max_tokens: { max_tokens: 500 },
    max_completion_tokens: { max_completion_tokens: 500 },
    n: { n: 2 },
    stop: { stop: ["END"] },
    seed: { seed: 1 },
    top_k: { top_k: 5 },
    presence_penalty: { presence_penalty: 1 },
    frequency_penalty: { frequency_penalty: 1 },
    logit_bias: { logit_bias: { "1": 1 } },
    logprobs: { logprobs: true },
    top_logprobs: { top_logprobs: 2 },
    tools: { tools: chatTools },
    "tools (custom)": { tools: [{ type: "custom", custom: { name: "c" } }] },
    tool_choice: { tool_choice: "required" },
    parallel_tool_calls: { parallel_tool_calls: false },
    "response_format (json_object)": { response_format: { type: "json_object" } },
    response_format: { response_format: { type: "json_schema", json_schema: { name: "n", schema } } },
    reasoning_effort: { reasoning_effort: "low" },
    "reasoning (effort)": { reasoning: { effort: "low" } },
    "reasoning (max_tokens)": { reasoning: { max_tokens: 2000 } },
    functions: { functions: [{ name: "f" }] },
    function_call: { function_call: "auto" },
    modalities: { modalities: ["audio"] },
    audio: { audio: { voice: "v" } },
    prediction: { prediction: { type: "content" } },
    web_search_options: { web_search_options: {} },
    user: { user: "u" },
    "any other field": { brand_new: 1 }
  }
}

const claudeTools = [{ name: "f", description: "d", input_schema: schema }]
const claudeUser = (...content: ReadonlyArray<unknown>) => ({ messages: [{ role: "user", content }] })

const messages: DialectFields = {
  title: "Messages (`POST /v1/messages`)",
  dialect: messagesDialect,
  schema: MessagesBody,
  base: { max_tokens: 20_000, messages: [{ role: "user", content: "hi" }] },
  contexts: {
    "messages (text with citations)": {
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: [{ type: "text", text: "a" }] }
      ]
    },
    tool_choice: { tools: claudeTools },
    "tool_choice.disable_parallel_tool_use": { tools: claudeTools, tool_choice: { type: "auto" } }
  },
  served: ["model", "stream"],
  probes: {
    "messages (assistant)": {
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: "a" },
        { role: "user", content: "b" }
      ]
    },
    "messages (image)": claudeUser({
      type: "image",
      source: { type: "base64", media_type: "image/png", data: "aGk=" }
    }),
    "messages (document)": claudeUser({
      type: "document",
      source: { type: "base64", media_type: "application/pdf", data: "aGk=" }
    }),
    "messages (file ids)": claudeUser({ type: "image", source: { type: "file", file_id: "f" } }),
    "messages (tool_use, tool_result)": {
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: [{ type: "tool_use", id: "t", name: "f", input: {} }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "r" }] }
      ]
    },
    "messages (thinking of Anthropic)": {
      messages: [
        { role: "user", content: "hi" },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "t", signature: "s" },
            { type: "text", text: "a" }
          ]
        },
        { role: "user", content: "b" }
      ]
    },
    "messages (text with citations)": {
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: [{ type: "text", text: "a", citations: [{ type: "char_location" }] }] }
      ]
    },
    "messages (documents with citations)": claudeUser({
      type: "document",
      citations: { enabled: true },
      source: { type: "text", data: "t" }
    }),
    "messages (other blocks)": claudeUser({ type: "search_result" }),
    cache_control: claudeUser({ type: "text", text: "hi", cache_control: { type: "ephemeral" } }),
    system: { system: "s" },
    max_tokens: { max_tokens: 500 },
    temperature: { temperature: 0.5 },
    top_p: { top_p: 0.5 },
    top_k: { top_k: 5 },
    stop_sequences: { stop_sequences: ["END"] },
    tools: { tools: claudeTools },
    "tools (of Anthropic's own)": { tools: [{ type: "web_search_20250305", name: "w" }] },
    tool_choice: { tool_choice: { type: "any" } },
    "tool_choice.disable_parallel_tool_use": { tool_choice: { type: "auto", disable_parallel_tool_use: true } },
    thinking: { thinking: { type: "adaptive" } },
    "thinking.budget_tokens": { thinking: { type: "enabled", budget_tokens: 2048 } },
    "output_config.effort": { output_config: { effort: "low" } },
    "output_config.format": { output_config: { format: { type: "json_schema", schema } } },
    output_format: { output_format: { type: "json_schema", schema } },
    metadata: { metadata: { user_id: "u" } },
    service_tier: { service_tier: "auto" },
    container: { container: "c" },
    context_management: { context_management: { edits: [] } },
    mcp_servers: { mcp_servers: [{ type: "url", url: "https://example.com", name: "m" }] },
    thread: { thread: { type: "create" } },
    "any other field": { brand_new: 1 }
  }
}

const flatTools = [{ type: "function", name: "f", description: "d", parameters: schema, strict: false }]
const input = (...content: ReadonlyArray<unknown>) => ({ input: [{ role: "user", content }] })

const responses: DialectFields = {
  title: "Responses (`POST /v1/responses`)",
  dialect: responsesDialect(new ResponseMemory(() => 0)),
  schema: ResponsesBody,
  base: { input: "hi" },
  contexts: {
    "input (input_file, filename)": input({ type: "input_file", file_data: pdf }),
    tool_choice: { tools: flatTools },
    parallel_tool_calls: { tools: flatTools }
  },
  served: ["model", "stream", "stream_options", "include", "store"],
  probes: {
    "input (input_image)": input({ type: "input_image", image_url: image }),
    "input (input_file)": input({ type: "input_file", file_data: pdf }),
    "input (input_file, filename)": input({ type: "input_file", filename: "a.pdf", file_data: pdf }),
    "input (file ids)": input({ type: "input_file", file_id: "file-1" }),
    "input (function_call, function_call_output)": {
      input: [
        { role: "user", content: "hi" },
        { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
        { type: "function_call_output", call_id: "c", output: "r" }
      ]
    },
    "input (reasoning of OpenAI)": {
      input: [
        { role: "user", content: "hi" },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "e" },
        { role: "user", content: "b" }
      ]
    },
    "input (other items)": { input: [{ type: "web_search_call", id: "w" }] },
    instructions: { instructions: "s" },
    temperature: { temperature: 0.5 },
    top_p: { top_p: 0.5 },
    max_output_tokens: { max_output_tokens: 500 },
    tools: { tools: flatTools },
    "tools (of OpenAI's own)": { tools: [{ type: "web_search" }] },
    tool_choice: { tool_choice: "required" },
    parallel_tool_calls: { parallel_tool_calls: false },
    "text.format": { text: { format: { type: "json_schema", name: "n", schema } } },
    "text.format (json_object)": { text: { format: { type: "json_object" } } },
    "text.verbosity": { text: { verbosity: "low" } },
    "reasoning.effort": { reasoning: { effort: "low" } },
    "reasoning.summary": { reasoning: { summary: "auto" } },
    max_tool_calls: { max_tool_calls: 3 },
    top_logprobs: { top_logprobs: 2 },
    truncation: { truncation: "auto" },
    "previous_response_id (not remembered here)": { previous_response_id: "resp_1" },
    conversation: { conversation: "c" },
    prompt: { prompt: { id: "p" } },
    background: { background: true },
    metadata: { metadata: { a: "b" } },
    user: { user: "u" },
    service_tier: { service_tier: "flex" },
    "any other field": { brand_new: 1 }
  }
}

const googleTools = [{ functionDeclarations: [{ name: "f", description: "d", parameters: { type: "OBJECT" } }] }]
const contents = (...parts: ReadonlyArray<unknown>) => ({ contents: [{ role: "user", parts }] })
const config = (fields: Body) => ({ generationConfig: fields })

const gemini: DialectFields = {
  title: "Gemini (`POST /v1beta/models/{model}:generateContent`)",
  dialect: geminiDialect({ model: "m", stream: false, sse: false }),
  schema: GeminiBody,
  base: { contents: [{ role: "user", parts: [{ text: "hi" }] }] },
  contexts: {
    toolConfig: { tools: googleTools },
    "generationConfig.logprobs": config({ responseLogprobs: true }),
    "generationConfig.responseSchema": config({ responseMimeType: "application/json" }),
    "generationConfig.responseJsonSchema": config({ responseMimeType: "application/json" })
  },
  served: [],
  probes: {
    "contents (inlineData)": contents({ inlineData: { mimeType: "image/png", data: "aGk=" } }),
    "contents (fileData by URL)": contents({
      fileData: { mimeType: "image/png", fileUri: "https://example.com/a.png" }
    }),
    "contents (fileData, uploaded)": contents({ fileData: { mimeType: "image/png", fileUri: "gs://b/a.png" } }),
    "contents (functionCall, functionResponse)": {
      contents: [
        { role: "user", parts: [{ text: "hi" }] },
        { role: "model", parts: [{ functionCall: { name: "f", args: {} } }] },
        { role: "user", parts: [{ functionResponse: { name: "f", response: { output: "r" } } }] }
      ]
    },
    "contents (thoughts of Gemini)": {
      contents: [
        { role: "user", parts: [{ text: "hi" }] },
        { role: "model", parts: [{ text: "a", thoughtSignature: "CiQB" }] },
        { role: "user", parts: [{ text: "b" }] }
      ]
    },
    "contents (executableCode, videoMetadata …)": contents({ executableCode: { code: "1" } }),
    systemInstruction: { systemInstruction: { parts: [{ text: "s" }] } },
    tools: { tools: googleTools },
    "tools (of Google's own)": { tools: [{ googleSearch: {} }] },
    toolConfig: { toolConfig: { functionCallingConfig: { mode: "ANY" } } },
    "generationConfig.temperature": config({ temperature: 0.5 }),
    "generationConfig.topP": config({ topP: 0.5 }),
    "generationConfig.topK": config({ topK: 5 }),
    "generationConfig.candidateCount": config({ candidateCount: 2 }),
    "generationConfig.maxOutputTokens": config({ maxOutputTokens: 500 }),
    "generationConfig.stopSequences": config({ stopSequences: ["END"] }),
    "generationConfig.seed": config({ seed: 1 }),
    "generationConfig.presencePenalty": config({ presencePenalty: 1 }),
    "generationConfig.frequencyPenalty": config({ frequencyPenalty: 1 }),
    "generationConfig.responseMimeType": config({ responseMimeType: "application/json" }),
    "generationConfig.responseSchema": config({
      responseMimeType: "application/json",
      responseSchema: { type: "OBJECT" }
    }),
    "generationConfig.responseJsonSchema": config({ responseMimeType: "application/json", responseJsonSchema: schema }),
    "generationConfig.responseLogprobs": config({ responseLogprobs: true }),
    "generationConfig.logprobs": config({ responseLogprobs: true, logprobs: 2 }),
    "generationConfig.responseModalities": config({ responseModalities: ["AUDIO"] }),
    "generationConfig.speechConfig": config({ speechConfig: {} }),
    "generationConfig.imageConfig": config({ imageConfig: {} }),
    "generationConfig.thinkingConfig.thinkingLevel": config({ thinkingConfig: { thinkingLevel: "LOW" } }),
    "generationConfig.thinkingConfig.thinkingBudget": config({ thinkingConfig: { thinkingBudget: 2048 } }),
    "generationConfig.thinkingConfig.includeThoughts": config({ thinkingConfig: { includeThoughts: true } }),
    cachedContent: { cachedContent: "cachedContents/1" },
    safetySettings: { safetySettings: [{ category: "c" }] },
    labels: { labels: { a: "b" } },
    "any other field": { brand_new: 1 }
  }
}

export const dialectFields: ReadonlyArray<DialectFields> = [chat, responses, messages, gemini]
