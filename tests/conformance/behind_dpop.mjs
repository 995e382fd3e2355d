// What the suite's MCP server is told of proofs (RFC 9449), which no gateway hands on: a part of behind.mjs.
// A port in front of the gateway, where agents come, sees each request as its agent sent it, gives it a number, and hands it on
// byte for byte. Whatever comes out at the back with that number is told the Authorization and the proof that it came in
// with: the suite judges the agent's own proofs. What the gateway refuses, the suite is told of at once, as it was.
// The nonce alone is another's: the gateway's, where the suite looks for its own word. Once both have refused one request and
// named a nonce each, a proof with the gateway's is restated: all its claims, the suite's nonce instead, signed by a key of
// this module, to which the token is bound then. Of such a proof the gateway judged signature, key, token and nonce.
import http from 'node:http';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { buffer } from 'node:stream/consumers';

const NUMBER = 'x-conformance-request';
const AS_IT_WAS = 'x-conformance-refused';
const JWS = { dsaEncoding: 'ieee-p1363' };

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
const hash = (text) => createHash('sha256').update(text).digest('base64url');

export function jws(header, claims, key) {
  const signed = `${base64url(header)}.${base64url(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, ...JWS }).toString('base64url')}`;
}

export const claimsOf = (jwt) => read(jwt.split('.')[1]);

function ask(port, { method, url, rawHeaders }, more, body) {
  return new Promise((resolve, reject) => {
    const asked = http.request({ port, method, path: url, headers: [...rawHeaders, ...more], agent: false }, (answer) =>
      resolve({ asked, answer }),
    );
    asked.on('error', reject).end(body);
  });
}

export class Front {
  #came = new Map();
  #nonces = new Map();
  #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  // `gateway` is where the gateway listens, `server` the suite's MCP server.
  constructor({ gateway, server }) {
    this.gateway = gateway;
    this.server = server;
  }

  listen(port) {
    http.createServer((request, response) => this.#hand(request, response)).listen(port).unref();
  }

  async #hand(request, response) {
    const number = String(this.#came.size);
    this.#came.set(number, request.headers);
    const body = await buffer(request);
    const { asked, answer } = await ask(this.gateway, request, [NUMBER, number], body);
    response.on('close', () => asked.destroy());
    if (answer.statusCode === 401 && request.headers.authorization) await this.#refused(request, body, answer);
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  }

  async #refused(request, body, answer) {
    const { answer: told } = await ask(this.server, request, [AS_IT_WAS, '1'], body);
    told.resume();
    const [ours, theirs] = [answer, told].map(({ headers }) => headers['dpop-nonce']);
    if (ours && theirs) this.#nonces.set(ours, theirs);
  }

  // Tells a request that reached the suite's server what it came with.
  tell({ headers }) {
    if (headers[AS_IT_WAS]) return;
    const { authorization, dpop } = this.#came.get(headers[NUMBER]) ?? {};
    if (authorization === undefined) return;
    const nonce = dpop && this.#nonces.get(claimsOf(dpop).nonce);
    Object.assign(headers, nonce ? this.#restated(authorization, dpop, nonce) : { authorization, ...(dpop && { dpop }) });
  }

  #restated(authorization, dpop, nonce) {
    const [scheme, token] = authorization.split(' ');
    const { kty, crv, x, y } = this.#keys.publicKey.export({ format: 'jwk' });
    const jkt = hash(JSON.stringify({ crv, kty, x, y }));
    const bound = jws(read(token.split('.')[0]), { ...claimsOf(token), cnf: { jkt } }, this.#keys.privateKey);
    const header = { ...read(dpop.split('.')[0]), alg: 'ES256', jwk: { kty, crv, x, y } };
    const proof = jws(header, { ...claimsOf(dpop), ath: hash(bound), nonce }, this.#keys.privateKey);
    return { authorization: `${scheme} ${bound}`, dpop: proof };
  }
}
