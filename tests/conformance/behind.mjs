// Puts the suite's own servers behind a gateway: preloaded into the suite (node --import) for the scenarios auth/*.
// CONFORMANCE_BEHIND is {listeners, issuers, server, gateway, root, inner, change, resource, key, grants, records, documents}.
// Each scenario starts servers on free ports: `listeners` names their roles in that order. An authorization server listens on
// the port that `issuers` has for its role, where the gateway's configuration has it. The MCP server listens on the port
// `server`, behind the gateway, and takes itself to be on the port `gateway`, below the path `root`: so what the suite tells
// its agent, and compares later, is the gateway's URL.
// The suite's tokens are words that nobody can verify. What its authorization server grants is made a JWT on the way out,
// signed by `key` (a private JWK) for `resource` with the scopes that were granted (none where `grants` is false). The gateway
// verifies it and keeps it; its MCP server, which judges tokens too, is told the word that belonged to it. So it is of every
// request for its metadata that the gateway answered in its place: `records` is the gateway's log. The gateway's document
// has one place; the suite's has another in some scenarios, which is where it is told of it (`documents`, by scenario).
// Where the agent proves that it holds its token's key, it comes to a port in front of the gateway instead, which then listens
// on the port `inner`: see behind_dpop.mjs. Where the issuer changes, so does the gateway's configuration: behind_change.mjs.
import http from 'node:http';
import { createPrivateKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Change, isOurs } from './behind_change.mjs';
import { Front, claimsOf, jws } from './behind_dpop.mjs';

const settings = JSON.parse(process.env.CONFORMANCE_BEHIND ?? 'null');
const roles = [...(settings?.listeners ?? [])];
let word;

function token(granted, base) {
  const { key, resource, grants } = settings;
  const now = Math.floor(Date.now() / 1000);
  const bound = granted.token_type === 'DPoP' ? { cnf: claimsOf(granted.access_token).cnf } : {};
  const claims = {
    iss: base,
    aud: resource,
    sub: 'ann',
    client_id: 'agent',
    jti: granted.access_token,
    scope: grants ? (granted.scope ?? '') : '',
    iat: now,
    exp: now + 600,
    ...bound,
  };
  return jws({ alg: 'ES256', typ: 'at+jwt', kid: key.kid }, claims, createPrivateKey({ key, format: 'jwk' }));
}

function grant(port, request, response) {
  const end = response.end.bind(response);
  response.end = (chunk, ...rest) => {
    const granted = response.statusCode === 200 ? JSON.parse(chunk) : undefined;
    if (granted?.access_token === undefined) return end(chunk, ...rest);
    word = granted.access_token;
    const base = `http://localhost:${port}${request.url.slice(0, -'/token'.length)}`;
    const body = JSON.stringify({ ...granted, access_token: token(granted, base) });
    response.setHeader('Content-Length', Buffer.byteLength(body));
    return end(body);
  };
}

const METADATA = '/.well-known/oauth-protected-resource';
const lines = () => (existsSync(settings.records) ? readFileSync(settings.records, 'utf8').split('\n').slice(0, -1) : []);

function follow() {
  let told = lines().length;
  const [, own] = Object.entries(settings.documents).find(([name]) => process.argv.includes(name)) ?? [];
  const look = () => {
    for (const line of lines().slice(told)) {
      told += 1;
      const { request, response } = JSON.parse(line);
      if (request.method !== 'GET' || !request.uri.startsWith(METADATA) || isOurs(request)) continue;
      const path = response.status === 200 && own ? own : request.uri;
      http.get({ port: settings.server, path }, (answer) => answer.resume());
    }
  };
  setInterval(look, 50).unref();
}

function teller() {
  if (!settings.inner) {
    return (request) => {
      if (word && request.method === 'POST') request.headers.authorization = `Bearer ${word}`;
    };
  }
  const front = new Front({ gateway: settings.inner, server: settings.server });
  front.listen(settings.gateway);
  return (request) => front.tell(request);
}

const listen = http.Server.prototype.listen;
http.Server.prototype.listen = function (port, ...rest) {
  const role = port === 0 ? roles.shift() : undefined;
  const issuer = settings?.issuers[role];
  if (issuer) {
    this.prependListener('request', (request, response) => {
      if (request.method === 'POST' && request.url.endsWith('/token')) grant(issuer, request, response);
    });
    return listen.call(this, issuer, ...rest);
  }
  if (role === 'server') {
    this.prependListener('request', teller());
    if (settings.change) {
      const document = METADATA + new URL(settings.resource).pathname;
      const change = new Change(settings.change, { gateway: settings.gateway, document });
      this.prependListener('request', (request, response) => change.watch(request, response));
    }
    follow();
    this.address = () => ({ port: `${settings.gateway}${settings.root}` });
    return listen.call(this, settings.server, ...rest);
  }
  return listen.call(this, port, ...rest);
};
