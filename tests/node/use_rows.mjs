// Uses all rows at once with an official TypeScript client, and prints what each of them saw as one line of JSON.
// node use_rows.mjs '{"modules", "line", "version"}' <ROWS; python1/rows.py says what a row is and what it sees.
import { readFileSync } from "node:fs";
import { connect } from "./sdk.mjs";

const settings = JSON.parse(process.argv[2]);
const PATIENCE = 20;
const ASKS = {
  "tools/call": (client) => client.callTool({ name: "good", arguments: { text: "x" } }),
  "prompts/get": (client) => client.getPrompt({ name: "greet" }),
  "prompts/list": (client) => client.listPrompts(),
  "resources/read": (client) => client.readResource({ uri: "note://a" }),
  "resources/list": (client) => client.listResources(),
  "subscriptions/listen": (client) => client.listen({ toolsListChanged: true }).then(({ honoredFilter }) => honoredFilter),
};

const patience = (promise, seconds) =>
  Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error("nothing came")), seconds * 1000))]);

async function use(row) {
  const saw = { first: [], asked: null, lists: [], heard: [], ended: null };
  const later = [];
  let client;
  let over = false;
  let hear;
  const changed = new Promise((resolve) => (hear = resolve));
  const told = (method, params) => {
    saw.heard.push(`${method} ${JSON.stringify(params ?? {})}`);
    if (method !== "tools/list_changed") return;
    hear();
    if (client && !over) later.push(list(saw.lists));
  };
  const list = async (into) => {
    try {
      into.push((await client.listTools()).tools.map(({ name, description }) => `${name}: ${description}`));
    } catch (error) {
      into.push([`error: ${error}`]);
    }
  };
  const ask = async () => {
    if (row.ask === null) return;
    try {
      saw.asked = JSON.stringify(await patience(ASKS[row.ask](client), row.patience));
    } catch (error) {
      saw.asked = `error: ${error}`;
    }
  };
  const enter = async (name) => {
    const failed = (error) => saw.heard.push(`${error}`);
    const { url, old } = row;
    ({ client } = await connect({ ...settings, url, old, headers: {}, name, answers: {}, told, failed }));
  };
  const all = async () => {
    await enter(row.name);
    await list(saw.first);
    const asked = ask();
    later.push(list(saw.lists));
    await asked;
    if (row.hears) await changed;
    while (later.length > 0) await later.pop();
    over = true;
    await list(saw.lists);
  };
  try {
    await patience(all(), PATIENCE);
  } catch (error) {
    saw.ended = `${error}`;
    await enter(row.again);
    await list(saw.lists);
  }
  await client.close();
  return [row.key, saw];
}

const rows = JSON.parse(readFileSync(0, "utf8"));
const saw = Object.fromEntries(await Promise.all(rows.map(use)));
process.stdout.write(JSON.stringify(saw), () => process.exit(0));
