// `@modelcontextprotocol/client`, major version 2 of the official TypeScript SDK: both transports, both versions.

import { FACTS, NO_SESSION, NO_TOKEN, asked, load, main, person, version, visit } from './kenward_checks.mjs';
import { adapter, headers, subscribes } from './typescript_adapter.mjs';

const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await load('@modelcontextprotocol/client/dist/index.mjs');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/dist/stdio.mjs');

function driver(protocol, transport) {
  const newer = protocol === '2026-07-28';

  const connected = async (make) => {
    const told = [];
    const client = new Client(
      { name: 'kenward-tests', version: '0' },
      { versionNegotiation: { mode: newer ? { pin: protocol } : 'legacy' } },
    );
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => { told.push(params.uri); });
    await client.connect(make());
    const listen = async (uris) => {
      told.length = 0;
      const subscription = await client.listen({ resourceSubscriptions: uris, resourcesListChanged: true });
      return { told: async () => told, close: () => subscription.close() };
    };
    // `listResources` without a cursor walks all pages by itself.
    return adapter(client, client.getNegotiatedProtocolVersion(), { aggregates: true, listen: newer ? listen : subscribes(client, told) });
  };

  const own = (who) => () => {
    if (transport === 'http') {
      return new StreamableHTTPClientTransport(new URL(FACTS.url), { requestInit: { headers: headers(who) } });
    }
    const [command, ...args] = FACTS.people[who].stdio;
    return new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' });
  };

  const absent = {};
  if (transport === 'stdio') absent.OAuth = NO_TOKEN;
  if (transport === 'http' && !newer) absent.listen = NO_SESSION;

  return {
    client: 'TypeScript `client`', version: version('@modelcontextprotocol/client'), protocol, transport, absent,
    connect: (who) => connected(own(who)),
    oauth: async () => {
      const { provider, kept } = person();
      const made = [];
      const make = () => {
        made.push(new StreamableHTTPClientTransport(new URL(FACTS.oauth.url), { authProvider: provider }));
        return made.at(-1);
      };
      try {
        await connected(make);
        throw new Error('it connects without a token');
      } catch (error) {
        if (!(error instanceof UnauthorizedError) && !(error.cause instanceof UnauthorizedError)) throw error;
      }
      const back = await visit(kept.asked[0]);
      await made[0].finishAuth(back.searchParams);
      return { may: await connected(make), detail: asked(kept.asked[0]) };
    },
  };
}

await main(['2026-07-28', '2025-11-25'].flatMap((protocol) => ['http', 'stdio'].map((over) => driver(protocol, over))));
