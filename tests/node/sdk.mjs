// Enters an official TypeScript client: "v1" is @modelcontextprotocol/sdk, "v2" is @modelcontextprotocol/client.
// What the two lines spell differently is spelled here, and nowhere else.
import { createRequire } from "node:module";

const LOG_LEVEL = "io.modelcontextprotocol/logLevel";

function load(modules, line) {
  const require = createRequire(`${modules}/`);
  if (line === "v2") {
    return { ...require("@modelcontextprotocol/client"), named: (method) => method };
  }
  const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");
  const types = require("@modelcontextprotocol/sdk/types.js");
  const schemas = {
    "elicitation/create": types.ElicitRequestSchema,
    "sampling/createMessage": types.CreateMessageRequestSchema,
    "roots/list": types.ListRootsRequestSchema,
    "notifications/message": types.LoggingMessageNotificationSchema,
    "notifications/resources/updated": types.ResourceUpdatedNotificationSchema,
    "notifications/tools/list_changed": types.ToolListChangedNotificationSchema,
    "notifications/prompts/list_changed": types.PromptListChangedNotificationSchema,
    "notifications/resources/list_changed": types.ResourceListChangedNotificationSchema,
  };
  return { Client, StreamableHTTPClientTransport, SSEClientTransport, named: (method) => schemas[method] };
}

/** Connect, `old` by the transport of 2024-11-05. `answers` holds a result per request that the server may send, `told` is called with each notification, `failed` with what the client could not use. */
export async function connect({ modules, line, version, old, url, headers, answers, told, name, failed }) {
  const { Client, StreamableHTTPClientTransport, SSEClientTransport, named } = load(modules, line);
  const Transport = old ? SSEClientTransport : StreamableHTTPClientTransport;
  const modern = version !== undefined;
  const client = new Client(
    { name: name ?? `typescript-${line}`, version: "1" },
    {
      capabilities: { elicitation: {}, sampling: {}, roots: { listChanged: true } },
      ...(modern ? { versionNegotiation: { mode: version === "auto" ? "auto" : { pin: version } } } : {}),
    },
  );
  client.onerror = failed;
  for (const [method, answer] of Object.entries(answers)) client.setRequestHandler(named(method), async () => answer);
  for (const method of ["message", "resources/updated", "tools/list_changed", "prompts/list_changed", "resources/list_changed"]) {
    client.setNotificationHandler(named(`notifications/${method}`), (notification) => told(method, notification.params));
  }
  // The clients do not tell when their GET stream is open: the answer to the GET does.
  let opened;
  const listening = new Promise((resolve) => (opened = resolve));
  const watched = async (target, init) => {
    const answer = await fetch(target, init);
    if ((init?.method ?? "GET") === "GET" && answer.ok) opened();
    return answer;
  };
  await client.connect(new Transport(new URL(url), { requestInit: { headers }, fetch: watched }));
  return {
    client,
    modern,
    listening,
    /** Call a tool and give the text of its answer. `logLevel` is the modern era's way to ask for log messages. */
    async call(name, args = {}, options = {}, logLevel = undefined) {
      const params = { name, arguments: args, ...(logLevel && modern ? { _meta: { [LOG_LEVEL]: logLevel } } : {}) };
      const result = await (line === "v1" ? client.callTool(params, undefined, options) : client.callTool(params, options));
      return result.content[0].text;
    },
  };
}
