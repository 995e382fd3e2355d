// Changes the gateway's configuration when the suite's MCP server changes its mind: a part of behind.mjs.
// In auth/authorization-server-migration that server names another issuer as soon as it has answered one request. A gateway
// does so when its configuration is replaced: the first answer waits until that has happened, through Kong's Admin API.
import http from 'node:http';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { text } from 'node:stream/consumers';

const HARNESS = 'conformance-harness';
const SECONDS = 30;

export const isOurs = ({ headers }) => headers['user-agent'] === HARNESS;

async function ask(options, body) {
  const headers = { 'User-Agent': HARNESS, 'Content-Type': 'application/json' };
  const answer = await new Promise((resolve, reject) => {
    http.request({ agent: false, headers, ...options }, resolve).on('error', reject).end(body);
  });
  return { status: answer.statusCode, body: await text(answer) };
}

// `admin` is the port of the Admin API, `state` a file with the new configuration, after which the gateway at the port `gateway`
// says in its document at `document` that tokens are of `issuer`.
export class Change {
  #begun = false;

  constructor({ admin, state, issuer }, { gateway, document }) {
    Object.assign(this, { admin, state, issuer, gateway, document });
  }

  // Has the first answer to a request that was let in wait for the change.
  watch(request, response) {
    const end = response.end.bind(response);
    response.end = (...rest) => {
      if (this.#begun || request.method !== 'POST' || response.statusCode !== 200) return end(...rest);
      this.#begun = true;
      this.#carryOut().then(
        () => end(...rest),
        (error) => response.destroy(error),
      );
      return response;
    };
  }

  async #carryOut() {
    const { status, body } = await ask({ port: this.admin, path: '/config', method: 'POST' }, readFileSync(this.state));
    if (status !== 201) throw new Error(`the gateway does not take its new configuration: ${body}`);
    const until = Date.now() + SECONDS * 1000;
    while (Date.now() < until) {
      const said = await ask({ port: this.gateway, path: this.document });
      if (said.status === 200 && JSON.parse(said.body).authorization_servers.join() === this.issuer) return;
      await wait(50);
    }
    throw new Error('the gateway does not name its new issuer');
  }
}
