// The Inspector's command line, in its two forms: `--cli`, one process for each request (and `--strict` for the schemas of the
// tools), and `mcpdo`, which keeps a connection. Both are asked for JSON, as a script would ask them.

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import {
  FACTS, MISSING, NO_SESSION, NO_TOKEN, asked, freePort, main, need, runs, together, until, version, visit,
} from './kenward_checks.mjs';

const home = `${FACTS.modules}/@modelcontextprotocol/inspector/clients`;
const mcpdo = `${home}/mcpdo/build/mcp-bin.js`;
const launcher = `${home}/launcher/build/index.js`;
// Nothing of it may go to a keychain or to the home of who runs this.
const environment = { ...process.env, MCP_INSPECTOR_SECRET_STORE: 'file' };
// No window opens on the machine of who runs this: the address is printed as well.
const { DISPLAY, WAYLAND_DISPLAY, ...quiet } = environment;

async function said(args, name, more = {}) {
  const { code, stdout, stderr } = await runs(FACTS.node, args, { env: { ...environment, ...more } });
  let value;
  try {
    value = JSON.parse(stdout);
  } catch {
    // Errors that are not the tool's own have nothing on standard output.
  }
  if (value === undefined) throw new Error(`${name} ends with ${code}: ${stderr.trim().slice(-300)}`);
  return { code, value, stderr };
}

function adapter(ask, more) {
  return {
    tools: async () => (await ask('tools/list')).tools.map((tool) => tool.name),
    call: async (name, args) => {
      const result = await ask('tools/call', { tool: name, args });
      const value = JSON.parse(result.content[0].text);
      const structured = JSON.stringify(result.structuredContent);
      need(structured === undefined || structured === JSON.stringify(value), `${name}: the text is not the structured content`);
      return { failed: result.isError === true, value };
    },
    // It walks all pages by itself.
    aggregates: true,
    resources: async () => [(await ask('resources/list')).resources.map((resource) => resource.uri)],
    templates: async () => (await ask('resources/templates/list')).resourceTemplates.map((row) => row.uriTemplate),
    read: async (uri) => (await ask('resources/read', { uri })).contents[0].text,
    prompts: async () => (await ask('prompts/list')).prompts.map((prompt) => prompt.name),
    prompt: async (name, args) => {
      const { messages } = await ask('prompts/get', { prompt: name, args });
      return messages.map((message) => message.content.text);
    },
    close: async () => {},
    ...more,
  };
}

const pairs = (args) => Object.entries(args).map(([name, value]) => `${name}=${value}`);
const target = (who, transport) => {
  const { token, stdio } = FACTS.people[who];
  return transport === 'http' ? [FACTS.url, '--header', `Authorization: Bearer ${token}`] : stdio;
};

function once(protocol, transport) {
  const era = protocol === '2026-07-28' ? 'modern' : 'legacy';
  const tool = 'its ONE_SHOT_METHODS has tools, resources, prompts, logging and skills';
  const absent = {
    completion: `${MISSING}: ${tool}; see mcpdo`,
    listen: `${MISSING}: ${tool}; see mcpdo`,
  };
  if (transport === 'stdio') absent.OAuth = NO_TOKEN;
  const asking = (where, more) => async (method, { tool: name, args, uri, prompt } = {}) => {
    const options = ['--method', method, '--format', 'json', '--protocol-era', era];
    if (name) options.push('--tool-name', name, '--tool-args-json', JSON.stringify(args));
    if (uri) options.push('--uri', uri);
    if (prompt) options.push('--prompt-name', prompt, '--prompt-args', ...pairs(args));
    if (method === 'tools/list') options.push('--strict');
    // A server's own arguments come after `--`, which ends the Inspector's.
    const order = transport === 'http' ? [...where, ...options] : [...options, '--', ...where];
    const { value, stderr } = await said([launcher, '--cli', ...order], method, more);
    // Warnings as well as errors; the exit code tells of errors alone.
    if (method === 'tools/list') need(!/^(Warning|Error): tool/m.test(stderr), `--strict: ${stderr.trim().slice(-500)}`);
    return value.result;
  };
  return {
    client: 'Inspector `--cli`', version: version('@modelcontextprotocol/inspector'), protocol, transport, absent,
    connect: async (who) => {
      const ask = asking(target(who, transport));
      const { protocolVersion } = await ask('initialize');
      return adapter(ask, { protocol: protocolVersion, schemas: ', --strict finds nothing in their schemas' });
    },
    oauth: async () => {
      const { oauth } = FACTS;
      const own = [oauth.url, '--client-id', oauth.client];
      const callback = new URL(oauth.redirect);
      callback.port = await freePort();
      // The first request signs in, as the person's browser is told to.
      const args = [...own, '--callback-url', callback.href, '--relogin', '--method', 'initialize', '--protocol-era', era];
      // What it keeps is its own: another row may sign in at the same time.
      const kept = { HOME: `${FACTS.home}/inspector-${era}` };
      mkdirSync(kept.HOME);
      // Without a terminal it asks nobody, unless it is told that something opens what it gives.
      const env = { ...quiet, ...kept, BROWSER: 'true', MCP_AUTO_OPEN_ENABLED: 'true' };
      const child = spawn(FACTS.node, [launcher, '--cli', ...args], { env });
      let printed = '';
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { printed += text; });
      const ended = new Promise((resolve) => { child.on('close', resolve); });
      try {
        let url;
        await until(async () => {
          [url] = printed.match(/http:\S*[?&]code_challenge=[^\s"]+/) ?? [];
          return url;
        }, () => `it asks nobody: ${printed.slice(-300)}`);
        need((await fetch(await visit(url))).ok, 'its own page refuses the code');
        const code = await ended;
        need(code === 0, `it ends with ${code}: ${printed.slice(-300)}`);
        return { may: adapter(asking([...own, '--stored-auth-only'], kept)), detail: asked(new URL(url)) };
      } finally {
        child.kill();
      }
    },
  };
}

function kept(protocol) {
  const era = protocol === '2026-07-28' ? 'modern' : 'legacy';
  const running = (more) => async (...args) =>
    (await said([mcpdo, '--format', 'json', ...args], args.join(' ').slice(0, 40), more)).value;
  const asking = (run, name) => async (method, { tool, args, uri, prompt } = {}) => {
    const more = [];
    if (tool) more.push(tool, '--tool-args-json', JSON.stringify(args));
    if (uri) more.push(uri);
    if (prompt) more.push(prompt, '--prompt-args', ...pairs(args));
    return run('--connection', name, method, ...more);
  };
  return {
    client: 'Inspector `mcpdo`', version: version('@modelcontextprotocol/inspector'), protocol, transport: 'http',
    absent: era === 'legacy' ? { listen: NO_SESSION } : {},
    oauth: async () => {
      const { oauth } = FACTS;
      const callback = new URL(oauth.redirect);
      callback.port = await freePort();
      // A client id can be given in a file alone.
      const [file, name] = [`${FACTS.home}/mcpdo-${era}.json`, `signed-in-${era}`];
      const server = { type: 'streamable-http', url: oauth.url, protocolEra: era, oauth: { clientId: oauth.client } };
      writeFileSync(file, JSON.stringify({ mcpServers: { [name]: server } }));
      const more = { MCP_OAUTH_CALLBACK_URL: callback.href, HOME: `${FACTS.home}/mcpdo-${era}` };
      mkdirSync(more.HOME);
      const run = running(more);
      try {
        const { pendingAuth, authUrl } = await run('connect', name, '--config', file);
        need(pendingAuth, 'it connects without a token');
        need((await fetch(await visit(authUrl))).ok, 'its own page refuses the code');
        const { protocolVersion } = await run('connections/show', name);
        need(protocolVersion === protocol, `it speaks ${protocolVersion}`);
        const may = adapter(asking(run, name));
        may.close = () => stop(more);
        return { may, detail: asked(new URL(authUrl)) };
      } catch (error) {
        await stop(more);
        throw error;
      }
    },
    connect: async (who) => {
      const run = running();
      const name = `${who}-${era}`;
      await run('connect', '--connection', name, '--era', era, ...target(who, 'http'));
      const ask = asking(run, name);
      const { protocolVersion, capabilities } = await run('connections/show', name);
      return adapter(ask, {
        protocol: protocolVersion,
        complete: async (ref, argument, typed) => {
          const options = ['--complete-ref-type', ref.type, '--complete-ref', ref.name ?? ref.uri];
          options.push('--complete-arg-name', argument, '--complete-arg-value', typed);
          return (await run('--connection', name, 'prompts/complete', ...options)).values;
        },
        // One command for each resource, which goes on and prints what it hears.
        listen: async (uris) => {
          const said = uris.map(() => '');
          const children = uris.map((uri, n) => {
            const command = [mcpdo, '--format', 'json', '--connection', name, 'resources/subscribe', uri];
            const child = spawn(FACTS.node, command, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
            child.stdout.setEncoding('utf8').on('data', (text) => { said[n] += text; });
            return child;
          });
          await until(() => said.every((text) => text.includes('"subscribed"')), () => `it does not subscribe: ${said}`);
          const heard = /"type":\s*"resources\/updated",\s*"uri":\s*"([^"]+)"/g;
          return {
            told: async () => [...said.join('').matchAll(heard)].map(([, uri]) => uri),
            close: async () => { for (const child of children) child.kill('SIGINT'); },
          };
        },
        declared: () => capabilities.resources?.subscribe === true,
        close: async () => { await run('disconnect', name); },
      });
    },
  };
}

// Its daemon ends with us.
const stop = (more) => runs(FACTS.node, [mcpdo, 'daemon', 'stop'], { env: { ...environment, ...more } });

const versions = ['2026-07-28', '2025-11-25'];
mkdirSync(process.env.HOME, { recursive: true });
try {
  // Only the last row has documents changed while it listens.
  const [newest, older] = versions.map(kept);
  await together([...versions.flatMap((protocol) => ['http', 'stdio'].map((over) => once(protocol, over))), older]);
  await main([newest]);
} finally {
  await stop();
}
