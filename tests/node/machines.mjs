// npm oidc-provider on a loopback port for machines: `opaque` gets tokens that are no JWT, `machine` JWTs, bound where it brings a
// proof of possession; `gateway` may ask whose a token is. node machines.mjs MODULES PORT; a line on stdin holds its keys as a JSON
// list of JWKs. Prints {"issuer": URL} when it listens, and ends with its stdin.
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [modules, port] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
const issuer = `http://127.0.0.1:${port}`;
console.info = console.error;

const client = (id) => ({
  client_id: id,
  client_secret: `${id}-secret-0123456789`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: 'mcp',
});

for await (const line of createInterface({ input: process.stdin })) {
  const keys = JSON.parse(line);
  const provider = new Provider(issuer, {
    jwks: { keys },
    scopes: ['mcp'],
    clients: ['opaque', 'machine', 'gateway'].map(client),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource, asking) => ({
          scope: 'mcp',
          audience: resource,
          accessTokenFormat: asking.clientId === 'opaque' ? 'opaque' : 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: keys[0].alg, kid: keys[0].kid } },
        }),
      },
    },
  });
  provider.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ issuer })));
}
process.exit(0);
