// Token exchange (RFC 8693), which oidc-provider has no grant for: registered here by the provider's own means, as a provider of an
// organisation does it. The subject's token is one of its own JWTs; `mayExchange(client, resource)` says who gets which. Who acts is in the
// claim act: the owner of the actor's token, and in it whoever acted before (section 4.1). The tokens are the provider's own.
import { pathToFileURL } from 'node:url';

export const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const PARAMETERS = ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type', 'resource', 'scope'];
const acts = new WeakMap();

export const extraTokenClaims = (_ctx, token) => (acts.has(token) ? { act: acts.get(token) } : undefined);

export async function addExchangeGrant(modules, provider, issuer, keys, resourceServer, mayExchange) {
  const { createLocalJWKSet, jwtVerify } = await import(pathToFileURL(`${modules}/jose/dist/webapi/index.js`));
  const { errors } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
  const known = createLocalJWKSet({ keys: keys.map(({ d, p, q, dp, dq, qi, ...open }) => open) });

  async function subjectOf({ subject_token: token, subject_token_type: type }) {
    if (type !== ACCESS_TOKEN) throw new errors.InvalidRequest('subject_token_type is not that of an access token');
    try {
      return (await jwtVerify(token, known, { issuer, typ: 'at+jwt', requiredClaims: ['sub', 'exp', 'aud'] })).payload;
    } catch {
      throw new errors.InvalidGrant('the token to exchange does not hold');
    }
  }

  async function actorOf({ actor_token: token, actor_token_type: type }) {
    if (!token) return undefined;
    const found = type === ACCESS_TOKEN && (await provider.ClientCredentials.find(token));
    if (!found) throw new errors.InvalidGrant('the token of who acts does not hold');
    return found.clientId;
  }

  provider.registerGrantType(GRANT, async (ctx) => {
    const { client, params } = ctx.oidc;
    const [said, actor] = [await subjectOf(params), await actorOf(params)];
    if (!params.resource || !mayExchange(client.clientId, params.resource, said)) throw new errors.InvalidTarget('not for this client');
    const token = new provider.AccessToken({ accountId: said.sub, client, gty: 'token_exchange' });
    token.resourceServer = new provider.ResourceServer(params.resource, resourceServer(ctx, params.resource, client));
    token.scope = (params.scope ?? said.scope ?? '').split(' ').filter((one) => token.resourceServer.scopes.has(one)).join(' ') || undefined;
    const act = actor ? { sub: actor, ...(said.act && { act: said.act }) } : said.act;
    if (act) acts.set(token, act);
    const value = await token.save();
    ctx.body = {
      access_token: value,
      issued_token_type: ACCESS_TOKEN,
      token_type: token.tokenType,
      expires_in: token.expiration,
      scope: token.scope,
    };
  }, PARAMETERS);
}
