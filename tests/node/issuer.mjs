// A real authorization server for the tests: npm oidc-provider on a loopback port, with a machine, a registered agent, and a person.
// node issuer.mjs MODULES PORT; a line of JSON on stdin says {"jwks": [JWK, ...], "documents", "identity"}: the first key
// signs, a new line rotates them; the rest is for enterprise.mjs. Prints {"issuer": URL} when it listens, and {"rotated": true} after each further line.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { GRANT, addEnterpriseGrant, documentsAt } from './enterprise.mjs';

const [modules, port] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
const issuer = `http://127.0.0.1:${port}`;
// The provider's notices: stdout is for the tests.
console.info = console.error;
const SCOPES = 'mcp notes:write';

async function makeProvider({ jwks: keys, documents = {}, identity }) {
  const resourceServer = (_ctx, resource) => ({
    scope: SCOPES,
    audience: resource,
    accessTokenFormat: 'jwt',
    accessTokenTTL: 600,
    jwt: { sign: { alg: keys[0].alg, kid: keys[0].kid } },
  });
  const provider = new Provider(issuer, {
    jwks: { keys },
    fetch: documentsAt(documents),
    scopes: SCOPES.split(' ').concat('openid', 'offline_access'),
    clients: [
      {
        client_id: 'machine',
        client_secret: 'machine-secret-0123456789',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        scope: SCOPES,
      },
      {
        client_id: 'agent',
        application_type: 'native',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: ['http://127.0.0.1:9/callback'],
        token_endpoint_auth_method: 'none',
        scope: `${SCOPES} openid offline_access`,
      },
      ...(identity ? [{
        client_id: 'desk',
        client_secret: 'desk-secret-0123456789',
        grant_types: [GRANT],
        redirect_uris: [],
        response_types: [],
        scope: SCOPES,
      }] : []),
    ],
    cookies: { keys: ['cookie-key-of-the-tests'] },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      registration: { enabled: true },
      clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) => oneOf,
        useGrantedResource: () => true,
        getResourceServerInfo: resourceServer,
      },
    },
  });
  if (identity) await addEnterpriseGrant(modules, provider, issuer, identity, resourceServer);
  return provider;
}

// Whoever comes logs in as ann and grants what is asked: the tests have no browser.
async function interact(provider, request, response) {
  const { params, prompt, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    await provider.interactionFinished(request, response, { login: { accountId: 'ann' } });
    return;
  }
  const known = grantId && (await provider.Grant.find(grantId));
  const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

let provider;
const server = createServer((request, response) => {
  const failed = (error) => {
    console.error(error);
    response.writeHead(500).end();
  };
  if (request.url.startsWith('/interaction/')) interact(provider, request, response).catch(failed);
  else provider.callback()(request, response).catch(failed);
});

for await (const line of createInterface({ input: process.stdin })) {
  provider = await makeProvider(JSON.parse(line));
  if (server.listening) {
    console.log(JSON.stringify({ rotated: true }));
  } else {
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
    console.log(JSON.stringify({ issuer }));
  }
}
process.exit(0);
