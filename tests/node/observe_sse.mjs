// Does with the official TypeScript client of 2024-11-05's transport what agents do, and prints one line of JSON.
// node observe_sse.mjs '{"modules", "url", "headers"}'
import { createRequire } from "node:module";

const { modules, url, headers } = JSON.parse(process.argv[2]);
const require = createRequire(`${modules}/`);
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");

const client = new Client({ name: "observer", version: "1" });
await client.connect(new SSEClientTransport(new URL(url), { requestInit: { headers } }));
const refusal = (asked) => asked.then(() => null, ({ code, message }) => ({ code, message }));
const seen = {
  tools: (await client.listTools()).tools.map((tool) => tool.name),
  good: (await client.callTool({ name: "good", arguments: { text: "x" } })).content[0].text,
  bad: await refusal(client.callTool({ name: "bad", arguments: { text: "x" } })),
  note: (await client.readResource({ uri: "note://public" })).contents[0].text,
  secret: await refusal(client.readResource({ uri: "note://secret" })),
};
await client.close();
process.stdout.write(`${JSON.stringify(seen)}\n`);
process.exit(0);
