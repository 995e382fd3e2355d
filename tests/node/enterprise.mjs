// Two ways in that the tests' authorization server needs help with.
// Client ID metadata documents: oidc-provider fetches them itself, from public addresses alone; `documents` (URL -> document)
// stand in for hosts that are not there. Enterprise-Managed Authorization (ID-JAG): oidc-provider has no such grant, so it is
// registered here, by the provider's own means, for assertions of `identity` ({issuer, jwks}), as an organisation's identity
// provider writes them. The access token that comes of it is the provider's own.
import { pathToFileURL } from 'node:url';

export const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

export function documentsAt(documents) {
  return async (url, options) => {
    const found = documents[String(url)];
    return found ? Response.json(found) : fetch(url, options);
  };
}

export async function addEnterpriseGrant(modules, provider, issuer, identity, resourceServer) {
  const { createLocalJWKSet, jwtVerify } = await import(pathToFileURL(`${modules}/jose/dist/webapi/index.js`));
  const { errors } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
  const keys = createLocalJWKSet(identity.jwks);
  const seen = new Set();

  async function assertion(ctx) {
    try {
      const { payload } = await jwtVerify(ctx.oidc.params.assertion, keys, {
        issuer: identity.issuer,
        audience: issuer,
        typ: 'oauth-id-jag+jwt',
        requiredClaims: ['sub', 'jti', 'exp', 'client_id', 'resource'],
      });
      return payload;
    } catch {
      throw new errors.InvalidGrant('the assertion does not hold');
    }
  }

  async function handler(ctx) {
    const { client, params } = ctx.oidc;
    const said = await assertion(ctx);
    if (said.client_id !== client.clientId || seen.has(said.jti)) {
      throw new errors.InvalidGrant("the assertion is another client's, or was used before");
    }
    seen.add(said.jti);
    const wanted = (params.scope ?? said.scope ?? '').split(' ');
    const token = new provider.AccessToken({ accountId: said.sub, client, gty: 'jwt_bearer' });
    token.resourceServer = new provider.ResourceServer(said.resource, resourceServer(ctx, said.resource));
    token.scope = wanted.filter((scope) => token.resourceServer.scopes.has(scope)).join(' ') || undefined;
    ctx.body = {
      access_token: await token.save(),
      expires_in: token.expiration,
      token_type: token.tokenType,
      scope: token.scope,
    };
  }

  provider.registerGrantType(GRANT, handler, ['assertion', 'scope']);
}
