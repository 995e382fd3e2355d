// Looks at servers with an official TypeScript client, and prints what it saw of each as one line of JSON.
// node look.mjs '{"modules", "line", "version", "targets": [{"url", "old", "headers", "steps"}]}'
import { connect } from "../node/sdk.mjs";

// The second line tells on stdout of what it did not ask.
console.log = console.info = console.debug = console.error;
const settings = JSON.parse(process.argv[2]);
const PATIENCE = 60_000;
const PAGES = { tools: "listTools", prompts: "listPrompts", resources: "listResources", resourceTemplates: "listResourceTemplates" };
const answers = {
  "elicitation/create": { action: "accept", content: { value: "Zo\u00eb" } },
  "sampling/createMessage": { role: "assistant", content: { type: "text", text: "Roses." }, model: "none" },
  "roots/list": { roots: [] },
};

async function outcome(asked) {
  try {
    return await asked();
  } catch (error) {
    return { error: { code: error.code, message: error.message, data: error.data } };
  }
}

async function pages(client, key) {
  const found = [];
  let page = {};
  do {
    page = await client[PAGES[key]](page.nextCursor === undefined ? undefined : { cursor: page.nextCursor });
    found.push(...page[key]);
  } while (page.nextCursor !== undefined);
  return found;
}

const steps = {
  async call(client, name, args, old) {
    const progress = [];
    const onprogress = (told) => progress.push(told);
    const params = { name, arguments: args };
    const asked = () => (settings.line === "v1" ? client.callTool(params, undefined, { onprogress }) : client.callTool(params, { onprogress }));
    const result = await outcome(asked);
    // By the old transport these clients drop what comes in one piece with the answer: with luck, not by a gateway.
    return { result, progress: old ? "by luck" : progress };
  },
  read: (client, uri) => outcome(() => client.readResource({ uri })),
  prompt: (client, name, args) => outcome(() => client.getPrompt({ name, arguments: args })),
  complete: (client, ref, argument) => outcome(() => client.complete({ ref, argument })),
};

async function look({ url, old, headers, steps: wanted }) {
  const { version, line, modules } = settings;
  const { client } = await connect({ modules, line, version: old ? undefined : version, old, url, headers, answers, told() {} });
  const saw = [
    ["server", client.getServerVersion()],
    ["capabilities", client.getServerCapabilities()],
    ["instructions", client.getInstructions()],
  ];
  for (const key of Object.keys(PAGES)) saw.push([key, await outcome(() => pages(client, key))]);
  for (const [kind, ...rest] of wanted) saw.push([`${kind} ${JSON.stringify(rest)}`, await steps[kind](client, ...rest, old)]);
  saw.push(["ping", await outcome(() => client.ping())]);
  await client.close();
  return saw;
}

const tooLate = () => new Promise((_, reject) => setTimeout(() => reject(new Error("nothing for too long")), PATIENCE).unref());
const saw = [];
for (const target of settings.targets) {
  saw.push(await Promise.race([look(target), tooLate()]).catch((error) => [["failed", `${error}`]]));
}
// Where stdout is a pipe it is written later: to exit at once would cut it.
process.stdout.write(JSON.stringify(saw), () => process.exit(0));
