// npm oidc-provider on a loopback port for machines: `opaque` gets tokens that are no JWT, `machine` JWTs, bound where it brings a
// proof of possession; `gateway` may ask whose a token is; it and `notes-server` may exchange tokens (exchange.mjs), for all resources
// but https://closed.internal/mcp. node machines.mjs MODULES PORT; a line on stdin holds its keys as a JSON
// list of JWKs. Prints {"issuer": URL} when it listens, and ends with its stdin.
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { GRANT, addExchangeGrant, extraTokenClaims } from './exchange.mjs';

const [modules, port] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
const issuer = `http://127.0.0.1:${port}`;
console.info = console.error;

const EXCHANGING = ['gateway', 'notes-server'];
const client = (id) => ({
  client_id: id,
  client_secret: `${id}-secret-0123456789`,
  grant_types: ['client_credentials', ...(EXCHANGING.includes(id) ? [GRANT] : [])],
  redirect_uris: [],
  response_types: [],
  scope: 'mcp',
});

for await (const line of createInterface({ input: process.stdin })) {
  const keys = JSON.parse(line);
  const resourceServer = (_ctx, resource, asking) => ({
    scope: 'mcp',
    audience: resource,
    accessTokenFormat: asking.clientId === 'opaque' ? 'opaque' : 'jwt',
    accessTokenTTL: 600,
    jwt: { sign: { alg: keys[0].alg, kid: keys[0].kid } },
  });
  const provider = new Provider(issuer, {
    jwks: { keys },
    extraTokenClaims,
    scopes: ['mcp'],
    clients: ['opaque', 'machine', ...EXCHANGING].map(client),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: resourceServer,
      },
    },
  });
  await addExchangeGrant(modules, provider, issuer, keys, resourceServer, (_who, where) => where !== 'https://closed.internal/mcp');
  provider.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ issuer })));
}
process.exit(0);
