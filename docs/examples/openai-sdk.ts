/**
 * Any OpenAI client against the gateway: change the base URL, nothing else.
 *
 * Start the gateway first (`npm start`, or `millrace serve`); MILLRACE_URL says where it is.
 */
import OpenAI from "openai"

const client = new OpenAI({ baseURL: `${process.env["MILLRACE_URL"] ?? "http://127.0.0.1:4000"}/v1`, apiKey: "unused" })

const { data, response } = await client.chat.completions
  .create({ model: "simulated/simulated", messages: [{ role: "user", content: "Say hello" }] })
  .withResponse()
console.log(data.choices[0]?.message.content, response.headers.get("x-millrace-cache"))

const stream = await client.chat.completions.create({
  model: "simulated/simulated",
  messages: [{ role: "user", content: "Say hello, slowly" }],
  stream: true
})
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "")
console.log()
