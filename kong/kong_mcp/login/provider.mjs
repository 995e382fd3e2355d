// The provider of `kong-mcp dev --login`: npm oidc-provider on a loopback port, with its own pages for logging in and
// consenting, where any name and password will do. Everything is in memory, and keys are made anew: nothing of it is for
// production. node provider.mjs MODULES PORT "SCOPE SCOPE"
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [modules, port, SCOPES] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
const issuer = `http://127.0.0.1:${port}`;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), kid: 'dev', use: 'sig', alg: 'RS256' };

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  scopes: SCOPES.split(' ').concat('openid', 'offline_access'),
  cookies: { keys: [privateKey.export({ format: 'jwk' }).d] },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  // Clients in a page, an inspector say, ask from its origin.
  clientBasedCORS: () => true,
  // A client that registers asks for the scopes of its first challenge alone, and would be held to them for ever: it could
  // never step up. So whoever registers here may ask for all there are.
  extraClientMetadata: {
    properties: ['local'],
    validator: (_ctx, _key, _value, client) => {
      client.scope = `${SCOPES} openid offline_access`;
    },
  },
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, _client, oneOf) => oneOf,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: SCOPES,
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 600,
        jwt: { sign: { alg: 'RS256', kid: 'dev' } },
      }),
    },
  },
});
provider.listen(port, '127.0.0.1', () => console.log(`listening at ${issuer}`));
