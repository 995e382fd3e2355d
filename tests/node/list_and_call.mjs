// Lists, calls the allowed tool and lists again, whenever the server says that its list changed and once beside the call.
// Writes {seen, calls} as JSON: the descriptions of all tools that the client was ever given, and what calls gave.
import { connect } from "./sdk.mjs";

const settings = JSON.parse(process.argv[2]);
const seen = [];
const later = [];
const patience = (promise) => Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error("nothing came")), 8000))]);
const list = async () => {
  try {
    for (const tool of (await patience(connected.client.listTools())).tools) seen.push(`${tool.name}: ${tool.description}`);
  } catch (error) {
    seen.push(`error: ${error.message}`);
  }
};
const told = (method) => method === "tools/list_changed" && later.push(list());
const connected = await connect({ ...settings, answers: {}, told });
await list();
const first = seen.splice(0);
const calls = [];
const called = patience(connected.call("good", { text: "x" })).then((text) => calls.push(text), (error) => calls.push(`error: ${error.message}`));
await new Promise((resolve) => setTimeout(resolve, 100));
later.push(list());
await called;
await Promise.all(later);
await list();
process.stdout.write(JSON.stringify({ first, seen, calls }), () => process.exit(0));
