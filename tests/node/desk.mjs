// What an official TypeScript client makes of a server: its tools, and one call. node desk.mjs SETTINGS
import { connect } from "./sdk.mjs";

const settings = JSON.parse(process.argv[2]);
const { client, call } = await connect({ ...settings, answers: {}, told: () => {} });
const tools = (await client.listTools()).tools.map((tool) => tool.name);
console.log(JSON.stringify({ tools, said: await call(settings.tool, settings.arguments) }));
await client.close();
