// Does with an official TypeScript client what agents do, and prints what it observed as one line of JSON.
// node observe.mjs '{"modules", "line", "version", "old", "url", "headers", "answers", "label", "large"}'
import { createHash } from "node:crypto";
import { connect } from "./sdk.mjs";

const settings = JSON.parse(process.argv[2]);
const heard = [];
let woken = () => {};
const told = (method, params) => {
  heard.push({ method, ...params });
  woken();
};

/** Wait until something holds for what was heard. */
async function until(holds) {
  while (!holds()) await new Promise((resolve) => (woken = resolve));
}

async function pages(list, key, name) {
  const found = [];
  let cursor;
  do {
    // The second line gathers all pages by itself, unless it is given a cursor.
    const page = await list(cursor === undefined ? undefined : { cursor });
    found.push(page[key].map((item) => item[name]));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found.flat();
}

async function refusal(asked) {
  try {
    await asked();
    return null;
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

async function complete(client, ref, value) {
  return (await client.complete({ ref, argument: { name: "number", value } })).completion.values;
}

async function cancel(call) {
  const stop = new AbortController();
  const error = await refusal(() => call("wait", { label: settings.label }, { signal: stop.signal, onprogress: () => stop.abort() }));
  return error !== null;
}

async function steps(call, tool, args) {
  const seen = [];
  const text = await call(tool, args, { onprogress: ({ progress }) => seen.push(progress) });
  return { text, seen };
}

async function logged({ client, modern, call }) {
  if (!modern) await client.setLoggingLevel("error");
  await call("log", {}, {}, "error");
  return heard.filter(({ method }) => method === "message").map(({ level, data, logger }) => [level, data.said, logger]);
}

async function changes({ client, modern, listening, call }) {
  heard.length = 0;
  const wanted = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
  let subscription;
  if (modern) subscription = await client.listen({ ...wanted, resourceSubscriptions: ["note://001"] });
  else {
    await listening;
    await client.subscribeResource({ uri: "note://001" });
  }
  await call("touch", { uris: ["note://001"] });
  await call("change");
  await call("change");
  await until(() => heard.length >= 7);
  if (modern) await subscription.close();
  else await client.unsubscribeResource({ uri: "note://001" });
  return heard.map(({ method, uri }) => (uri === undefined ? method : `${method} ${uri}`));
}

async function observe() {
  const entered = await connect({ ...settings, told });
  const { client, modern, call } = entered;
  const large = "\u00e9".repeat(settings.large);
  const observed = {
    server: client.getServerVersion()?.name,
    instructions: client.getInstructions(),
    tools: await pages((params) => client.listTools(params), "tools", "name"),
    resources: await pages((params) => client.listResources(params), "resources", "uri"),
    prompts: await pages((params) => client.listPrompts(params), "prompts", "name"),
    templates: await pages((params) => client.listResourceTemplates(params), "resourceTemplates", "uriTemplate"),
    read: (await client.readResource({ uri: "note://001" })).contents[0].text,
    prompt: (await client.getPrompt({ name: "prompt_01" })).messages[0].content.text,
    completed: [
      await complete(client, { type: "ref/prompt", name: "prompt_01" }, "1"),
      await complete(client, { type: "ref/resource", uri: "note://{number}" }, "2"),
    ],
    large: (await call("measure", { text: large })) === `${large.length} ${createHash("sha256").update(large).digest("hex")}`,
    asked: {},
    progress: await steps(call, "count", { steps: 20 }),
    cancelled: await cancel(call),
    logged: await logged(entered),
    changes: await changes(entered),
    refused: {
      tool: await refusal(() => call("secret_1")),
      resource: await refusal(() => client.readResource({ uri: "note://secret/041" })),
    },
  };
  for (const tool of ["elicit", "sample", "roots", "interview"]) observed.asked[tool] = JSON.parse(await call(tool));
  if (!modern) observed.ping = await client.ping();
  if (!modern && !settings.old) observed.resumed = await steps(call, "break_off");
  await client.close();
  return observed;
}

console.log(JSON.stringify(await observe()));
process.exit(0);
