// `mcp-remote`, the bridge for hosts that know stdio alone: the host here is the TypeScript SDK of major version 1.
// The token is in a header, as in a host's settings; and once it signs in by itself.

import { writeFileSync } from 'node:fs';
import { FACTS, NO_SESSION, asked, freePort, main, need, until, version, visit } from './kenward_checks.mjs';
import { connected, stdio } from './typescript_sdk.mjs';

const proxy = `${FACTS.modules}/mcp-remote/dist/proxy.js`;

function driver(protocol) {
  const mode = protocol === '2026-07-28' ? 'auto' : 'legacy';
  const args = [proxy, FACTS.url];
  const more = ['--transport', 'http-only', '--protocol', mode];
  return {
    client: 'mcp-remote', version: version('mcp-remote'), protocol, transport: 'stdio to http',
    absent: mode === 'legacy' ? { listen: NO_SESSION } : {},
    connect: async (who) => {
      const file = `${FACTS.home}/headers-${who}`;
      writeFileSync(file, `Authorization: Bearer ${FACTS.people[who].token}\n`, { mode: 0o600 });
      const may = await connected(stdio(FACTS.node, [...args, '--header-file', file, ...more]));
      need(may.protocol === '2025-11-25', `its host is told ${may.protocol}`);
      return { ...may, protocol };
    },
    oauth: async () => {
      const { oauth } = FACTS;
      const callback = new URL(oauth.redirect);
      // No window opens on the machine of who runs this: the address is printed as well.
      const { DISPLAY, WAYLAND_DISPLAY, ...quiet } = process.env;
      const transport = stdio(FACTS.node, [
        ...args, String(await freePort()), ...more, '--host', '127.0.0.1', '--callback-path', callback.pathname,
        '--static-oauth-client-info', JSON.stringify({ client_id: oauth.client }),
        '--static-oauth-client-metadata', JSON.stringify({ scope: oauth.scope, token_endpoint_auth_method: 'none' }),
      ], { ...quiet, BROWSER: 'true', MCP_REMOTE_CONFIG_DIR: `${FACTS.home}/remote-${mode}` }, 'pipe');
      let printed = '';
      transport.stderr.on('data', (text) => { printed += text; process.stderr.write(text); });
      const connecting = connected(transport);
      connecting.catch(() => {});
      try {
        let url;
        await until(async () => {
          [url] = printed.match(/^http:\S*[?&]code_challenge=\S+$/m) ?? [];
          return url;
        }, () => `it asks nobody: ${printed.slice(-300)}`);
        const back = await visit(url);
        // The rest of the person's browser: the page that it ends on.
        need((await fetch(back)).ok, 'its own page refuses the code');
        return { may: await connecting, detail: asked(new URL(url)) };
      } catch (error) {
        await transport.close();
        throw error;
      }
    },
  };
}

await main(['2026-07-28', '2025-11-25'].map(driver));
