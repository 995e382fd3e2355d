// The TypeScript SDK's reading of bodies: one question a line on stdin, one answer a line on stdout.
// node read.mjs MODULES
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.argv[2]}/`);
const { createParser } = require('eventsource-parser');
const types = require('@modelcontextprotocol/sdk/types.js');

const requests = [
  types.InitializeRequestSchema,
  types.PingRequestSchema,
  types.CallToolRequestSchema,
  types.ListToolsRequestSchema,
  types.GetPromptRequestSchema,
  types.ListPromptsRequestSchema,
  types.ReadResourceRequestSchema,
  types.SubscribeRequestSchema,
  types.UnsubscribeRequestSchema,
  types.ListResourcesRequestSchema,
  types.ListResourceTemplatesRequestSchema,
  types.CompleteRequestSchema,
  types.SetLevelRequestSchema,
  types.GetTaskRequestSchema,
  types.GetTaskPayloadRequestSchema,
  types.ListTasksRequestSchema,
  types.CancelTaskRequestSchema,
];
const lists = [
  ['tools', 'name', types.ListToolsResultSchema],
  ['prompts', 'name', types.ListPromptsResultSchema],
  ['resources', 'uri', types.ListResourcesResultSchema],
  ['resourceTemplates', 'uriTemplate', types.ListResourceTemplatesResultSchema],
];

function parse(text) {
  const value = JSON.parse(text);
  return (Array.isArray(value) ? value : [value]).map((one) => types.JSONRPCMessageSchema.parse(one));
}

// What its server transport hands to handlers, as their schemas have it; a request that no schema takes is not run.
function request(body) {
  const run = [];
  for (const message of parse(new TextDecoder().decode(body))) {
    if (!types.isJSONRPCRequest(message)) continue;
    const schema = requests.find((one) => one.shape.method.value === message.method);
    const read = schema ? schema.safeParse(message) : { success: true, data: message };
    if (read.success) run.push({ method: read.data.method, params: read.data.params ?? {} });
  }
  return run;
}

function listed(text) {
  const found = [];
  for (const message of parse(text)) {
    if (message.method === 'notifications/resources/updated') found.push(['resources', message.params?.uri]);
    for (const [key, named, schema] of lists) {
      const read = schema.safeParse(message.result);
      if (read.success) for (const item of read.data[key]) found.push([key, item[named]]);
    }
  }
  return found;
}

function stream(body) {
  const found = [];
  const parser = createParser({
    onEvent(event) {
      try {
        found.push(...listed(event.data));
      } catch {
        // The client reports it and goes on with the next event.
      }
    },
  });
  parser.feed(new TextDecoder().decode(body));
  return found;
}

const readers = { request, stream, answer: (body) => listed(new TextDecoder().decode(body)) };

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, body } = JSON.parse(line);
  let answer = null;
  try {
    answer = readers[kind](Buffer.from(body, 'base64'));
  } catch {
    // Refused.
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
