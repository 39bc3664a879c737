// A real authorization server (oidc-provider) for the tests: it signs in whoever the login hint names, consents to what is
// asked, and issues JWT access tokens for the resource. Options come as one JSON argument; it ends with its standard input.
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { port, resource, kids, modules } = JSON.parse(process.argv[2]);
const require = createRequire(`${modules}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const kinds = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
};
const keys = Object.entries(kids).map(([alg, kid]) => ({
  ...kinds[alg]().privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig',
}));
const scopes = 'kb:read kb:review kb:admin';

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys },
  clients: [
    {
      client_id: 'agent-one',
      redirect_uris: ['http://127.0.0.1:9/callback'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      id_token_signed_response_alg: Object.keys(kids)[0],
    },
    {
      client_id: 'indexer',
      client_secret: 'a secret of nobody',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  scopes: ['openid'],
  cookies: { keys: ['of the tests'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, indicator) => ({
        scope: scopes,
        audience: indicator,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: Object.keys(kids)[0] } },
      }),
    },
  },
  extraTokenClaims: (ctx, token) => (token.accountId ? { groups: [`group-of-${token.accountId}`] } : undefined),
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  let result;
  if (prompt.name === 'login') {
    result = { login: { accountId: params.login_hint } };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope('openid');
    grant.addResourceScope(resource, params.scope);
    result = { consent: { grantId: await grant.save() } };
  }
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
  ctx.respond = false;
});

provider.listen(port, '127.0.0.1', () => console.log('ready'));
process.stdin.on('end', () => process.exit(0)).resume();
