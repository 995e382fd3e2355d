// Holds sessions of the official TypeScript client, and calls in each of them until a line comes on stdin.
// Says "open" once all are; at the end {ok, alive, failed: {text: count}} as JSON.
import { createInterface } from "node:readline";
import { connect } from "../node/sdk.mjs";

const { modules, url, keys, count, pause } = JSON.parse(process.argv[2]);
const seen = { ok: 0, alive: 0, failed: {} };
let over = false;

async function called(session) {
  try {
    await session.call("whoami");
    seen.ok += 1;
    return 1;
  } catch (error) {
    const text = String(error.message).slice(0, 200);
    seen.failed[text] = (seen.failed[text] ?? 0) + 1;
    return 0;
  }
}

const sessions = [];
for (let number = 0; number < count; number += 1) {
  const headers = keys[number % keys.length];
  const nothing = () => undefined;
  sessions.push(await connect({ modules, line: "v1", url, headers, answers: {}, told: nothing, failed: nothing }));
}
console.log("open");
const working = sessions.map(async (session) => {
  while (!over) {
    await called(session);
    await new Promise((resolve) => setTimeout(resolve, pause * 1000));
  }
  // One call may run into what it cannot repeat; a session that has ended answers no call.
  const answered = (await called(session)) || (await called(session));
  seen.alive += answered;
});
for await (const _line of createInterface({ input: process.stdin })) break;
over = true;
await Promise.all(working);
console.log(JSON.stringify(seen));
process.exit(0);
