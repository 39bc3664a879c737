// `@modelcontextprotocol/sdk`, major version 1 of the official TypeScript SDK. It knows no version after 2025-11-25
// (`LATEST_PROTOCOL_VERSION` in its types).

import { FACTS, NO_SESSION, NO_TOKEN, asked, load, main, person, version, visit } from './kenward_checks.mjs';
import { adapter, headers, subscribes } from './typescript_adapter.mjs';

const home = '@modelcontextprotocol/sdk/dist/esm';
const { Client } = await load(`${home}/client/index.js`);
const { StreamableHTTPClientTransport } = await load(`${home}/client/streamableHttp.js`);
const { StdioClientTransport } = await load(`${home}/client/stdio.js`);
const { UnauthorizedError } = await load(`${home}/client/auth.js`);
const { ResourceUpdatedNotificationSchema } = await load(`${home}/types.js`);

// Also what a host is that speaks to `mcp-remote`.
export async function connected(transport) {
  const told = [];
  const client = new Client({ name: 'kenward-tests', version: '0' });
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => { told.push(params.uri); });
  let spoken;
  const set = transport.setProtocolVersion?.bind(transport);
  // The client says what was negotiated to its transport alone.
  transport.setProtocolVersion = (protocol) => {
    spoken = protocol;
    set?.(protocol);
  };
  await client.connect(transport);
  return adapter(client, spoken, { listen: subscribes(client, told) });
}

export const stdio = (command, args, env = process.env, stderr = 'inherit') =>
  new StdioClientTransport({ command, args, env, stderr });

function driver(transport) {
  const own = (who) => {
    if (transport === 'http') {
      return new StreamableHTTPClientTransport(new URL(FACTS.url), { requestInit: { headers: headers(who) } });
    }
    const [command, ...args] = FACTS.people[who].stdio;
    return stdio(command, args);
  };
  return {
    client: 'TypeScript `sdk`', version: version('@modelcontextprotocol/sdk'), protocol: '2025-11-25', transport,
    absent: transport === 'http' ? { listen: NO_SESSION } : { OAuth: NO_TOKEN },
    connect: (who) => connected(own(who)),
    oauth: async () => {
      const { provider, kept } = person();
      const make = () => new StreamableHTTPClientTransport(new URL(FACTS.oauth.url), { authProvider: provider });
      const first = make();
      try {
        await connected(first);
        throw new Error('it connects without a token');
      } catch (error) {
        if (!(error instanceof UnauthorizedError)) throw error;
      }
      const back = await visit(kept.asked[0]);
      await first.finishAuth(back.searchParams.get('code'));
      return { may: await connected(make()), detail: asked(kept.asked[0]) };
    },
  };
}

if (process.argv[1] === import.meta.filename) await main(['http', 'stdio'].map(driver));
