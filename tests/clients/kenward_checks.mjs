// What every driver in JavaScript checks: the twin of kenward_checks.py, function by function.
//
// A driver hands over an adapter of its client and gets lines of JSON on standard output. Nothing here knows a client,
// and nothing passes because it was not looked at: a cell is true by a check that ran, false with the reason, or null
// where the client or the server has no such thing, with the place that says so.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';

export const FACTS = JSON.parse(process.env.KENWARD_FACTS);
export const OFFERED = 'not offered';
export const MISSING = 'not in this client';
export const NO_TOKEN = `${OFFERED}: the process is the person, no token is asked for`;
export const NO_SESSION = `${OFFERED}: this version could hear of changes only in a session`;
const { canary: CANARY, forbidden, shared } = FACTS;

// The packages are not beside this file.
const require = createRequire(`${FACTS.modules}/`);
export const load = (name) => import(pathToFileURL(`${FACTS.modules}/${name}`));
export const version = (name) => JSON.parse(readFileSync(`${FACTS.modules}/${name}/package.json`)).version;
export const entry = (name) => require.resolve(name);

export function need(holds, what) {
  if (!holds) throw new Error(what);
}

const brief = (value) => JSON.stringify(value)?.slice(0, 300);
const same = (one, two) => JSON.stringify(one) === JSON.stringify(two);
const find = (found, title) => found.results.find((row) => row.title === title);

// The lines between the boundary lines, or an error: evidence never comes without them.
function fenced(text) {
  const lines = text.split('\n');
  const [first, last] = [lines[0].split(' '), lines.at(-1).split(' ')];
  need(first[0] === '===' && last[0] === '===' && first[1] === last[1], `no boundary lines: ${brief(text)}`);
  need(first[2] === 'BEGIN' && last[2] === 'END', 'the boundary lines say neither BEGIN nor END');
  const within = lines.slice(1, -1);
  need(within.every((line) => line.startsWith(`${first[1].slice(0, 2)}|`)), 'a line without its mark');
  return within.join('\n');
}

async function listing(may) {
  const names = await may.tools();
  need(same(names, FACTS.tools), `tools are ${brief(names)}`);
  const { failed, value } = await may.call('list_documents', { source: FACTS.source });
  need(!failed && value.documents.length === FACTS.page, `list_documents: ${brief(value)}`);
  need(value.next_cursor, 'no cursor to the second page');
  return `${names.length} tools${may.schemas ?? ''}`;
}

async function search(may, other) {
  const call = { query: FACTS.query, mode: 'lexical' };
  const { failed, value: found } = await may.call('search', call);
  need(!failed, `search failed: ${brief(found)}`);
  const row = find(found, forbidden.title);
  need(row && fenced(row.text).includes(CANARY), `the permitted document is not found: ${brief(found)}`);
  const { failed: refusedToo, value: seen } = await other.call('search', call);
  need(!refusedToo && !find(seen, forbidden.title), 'the other person finds it');
  need(!JSON.stringify(seen).includes(CANARY), 'the other person reads its text');
  const wrong = await may.call('search', { query: FACTS.query, filters: { colour: 'blue' } });
  need(wrong.failed && wrong.value.error.message.includes('colour'), `an unknown filter is no error: ${brief(wrong)}`);
  return `${found.results.length} passages, the other person ${seen.results.length}`;
}

async function fetching(may, other) {
  const { failed, value: page } = await may.call('fetch', { id: forbidden.id });
  need(!failed && fenced(page.text).includes(CANARY), `fetch: ${brief(page)}`);
  need(page.title === forbidden.title, page.title);
  const { failed: refusedToo, value: told } = await other.call('fetch', { id: forbidden.id });
  need(refusedToo && told.error.code === 'not_found', `the other person is told ${brief(told)}`);
  need(!JSON.stringify(told).includes(CANARY), 'the refusal holds the text');
  return `${page.text.length} characters, the other person not_found`;
}

// An error of the client, without a word of the document in it.
async function refused(ask, what) {
  let value;
  try {
    value = await ask();
  } catch (error) {
    const said = `${error.stack} ${JSON.stringify(error)}`;
    need(!said.includes(CANARY) && !said.includes(forbidden.title), `the refusal tells: ${said.slice(0, 300)}`);
    return;
  }
  throw new Error(`${what}: the other person gets ${brief(value)}`);
}

async function resources(may, other) {
  const pages = await may.resources();
  const [uris, own] = [pages.flat(), (await other.resources()).flat()];
  need(uris.length === FACTS.resources, `${pages.length} pages with ${uris.length} resources`);
  // Some clients walk all pages by themselves, and say nothing of them.
  need(pages.length === (may.aggregates ? 1 : 2), `${pages.length} pages`);
  const hidden = uris.filter((uri) => !own.includes(uri));
  need(same(hidden, [forbidden.uri]) && own.length === uris.length - 1, `the lists differ by ${brief(hidden)}`);
  const templates = await may.templates();
  need(same(templates, FACTS.templates), `templates are ${brief(templates)}`);
  const text = await may.read(forbidden.uri);
  need(fenced(JSON.parse(text).text).includes(CANARY), `resources/read: ${brief(text)}`);
  await refused(() => other.read(forbidden.uri), 'resources/read');
  return `${uris.length} on ${may.aggregates ? 'pages that the client walks' : '2 pages'}, the other person ${own.length}`;
}

async function prompts(may, other) {
  const names = await may.prompts();
  need(same(names, FACTS.prompts), `prompts are ${brief(names)}`);
  const told = await may.prompt('compare_documents', { first: forbidden.title, second: shared.title });
  need(told.length === 3, `${told.length} messages`);
  need(!told[0].includes(CANARY), 'the instructions hold text of a document');
  need(fenced(JSON.parse(told[1]).text).includes(CANARY), `no evidence: ${brief(told[1])}`);
  fenced(JSON.parse(told[2]).text);
  const answer = await may.prompt('answer_with_citations', { question: FACTS.query });
  need(JSON.parse(answer[1]).results.some((row) => fenced(row.text).includes(CANARY)), 'no passages');
  await refused(() => other.prompt('compare_documents', { first: forbidden.id, second: shared.id }), 'prompts/get');
  return '2 prompts, evidence between boundary lines';
}

async function completion(may, other) {
  const typed = forbidden.title.slice(0, 4).toLowerCase();
  const titles = { type: 'ref/prompt', name: 'compare_documents' };
  let values = await may.complete(titles, 'first', typed);
  need(same(values, [forbidden.title]), `completed: ${brief(values)}`);
  values = await other.complete(titles, 'first', typed);
  need(same(values, []), `the other person is offered ${brief(values)}`);
  values = await may.complete({ type: 'ref/resource', uri: 'kb://source/{name}' }, 'name', FACTS.source.slice(0, 4));
  need(same(values, [FACTS.source]), `sources: ${brief(values)}`);
  return 'titles and sources, visible ones alone';
}

export async function until(holds, what, patience = 20_000) {
  const deadline = Date.now() + patience;
  while (!(await holds())) {
    need(Date.now() < deadline, what());
    await sleep(100);
  }
}

// A program's standard output; it must end well.
export function runs(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => { said[name] += text; });
    child.on('error', reject).on('close', (code) => resolve({ code, ...said }));
  });
}

async function listen(may, other) {
  const uris = [forbidden.uri, shared.uri];
  const [one, two] = [await may.listen(uris), await other.listen(uris)];
  try {
    // Both have been looked at once.
    await sleep(2_000);
    const [command, ...args] = FACTS.change;
    const { code, stderr } = await runs(command, args);
    need(code === 0, `the change failed: ${stderr}`);
    for (const [stream, uri] of [[one, forbidden.uri], [one, shared.uri], [two, shared.uri]]) {
      await until(async () => (await stream.told()).includes(uri), () => `nothing is heard of ${uri}`);
    }
    await sleep(2_000);
    need(!(await two.told()).includes(forbidden.uri), 'the other person hears of the forbidden document');
  } finally {
    await one.close();
    await two.close();
  }
  return 'hears both changes, the other person one';
}

export const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

// The browser and the person before it: signs in, consents, and gives the address it is sent to in the end.
export async function visit(url) {
  const jar = new Map();
  let at = new URL(url);
  at.searchParams.set('login_hint', FACTS.oauth.subject);
  for (let n = 0; n < 12; n += 1) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(at, { redirect: 'manual', headers: { cookie } });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = set.match(/^([^=]+)=([^;]*)/);
      jar.set(name, value);
    }
    const to = response.headers.get('location');
    need(to, `the issuer says ${response.status} at ${at}: ${(await response.text()).slice(0, 300)}`);
    at = new URL(to, at);
    if (!at.href.startsWith(FACTS.oauth.issuer)) return at;
  }
  throw new Error(`the issuer sends on and on from ${url}`);
}

// What a client's provider must have, with a person who clicks.
export function person() {
  const { oauth } = FACTS;
  const kept = { asked: [] };
  const provider = {
    redirectUrl: oauth.redirect,
    clientMetadata: {
      client_name: 'kenward tests', redirect_uris: [oauth.redirect], grant_types: ['authorization_code'],
      response_types: ['code'], token_endpoint_auth_method: 'none', scope: oauth.scope,
    },
    clientInformation: () => ({ client_id: oauth.client, issuer: oauth.issuer }),
    state: () => 'the-state-of-this-test',
    tokens: () => kept.tokens,
    saveTokens: (tokens) => { kept.tokens = tokens; },
    redirectToAuthorization: (url) => { kept.asked.push(new URL(url)); },
    saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
    codeVerifier: () => kept.verifier,
    saveDiscoveryState: (state) => { kept.discovery = state; },
    discoveryState: () => kept.discovery,
  };
  return { provider, kept };
}

export function asked(url) {
  const { oauth } = FACTS;
  const query = url.searchParams;
  need(query.get('code_challenge_method') === 'S256', 'no PKCE');
  need(query.get('resource') === oauth.url, `resource is ${query.get('resource')}`);
  return `code, PKCE and resource; scope '${query.get('scope')}'`;
}

// From a 401 to an answer: the client knows nothing but the server's address and its own client id.
async function signsIn(driver) {
  const { may, detail } = await driver.oauth();
  try {
    const { failed, value } = await may.call('search', { query: FACTS.query, mode: 'lexical' });
    need(!failed && find(value, forbidden.title), `search: ${brief(value)}`);
  } finally {
    await may.close();
  }
  return detail;
}

const COLUMNS = { list: listing, search, fetch: fetching, resources, prompts, completion, listen };

function say(driver, capability, ok, detail) {
  const { client, version: number, protocol, transport } = driver;
  const line = { client, version: number, protocol, transport, capability, ok, detail };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function failure(error) {
  console.error(error);
  return `${error.name}: ${error.message}`.slice(0, 600);
}

async function cell(driver, capability, check, may) {
  const why = driver.absent?.[capability];
  if (why) {
    // What is said not to be offered must not be declared either.
    if (why === NO_SESSION && may.declared?.()) return say(driver, capability, false, 'declared, and not offered');
    return say(driver, capability, null, why);
  }
  const late = new AbortController();
  const patience = sleep(90_000, null, { signal: late.signal }).then(() => { throw new Error('no end in 90 s'); });
  try {
    say(driver, capability, true, await Promise.race([check(), patience]));
  } catch (error) {
    say(driver, capability, false, failure(error));
  } finally {
    late.abort();
    patience.catch(() => {});
  }
  return undefined;
}

// One row of the matrix: the client as two people, then signing in.
async function row(driver) {
  try {
    const [may, other] = await Promise.all([driver.connect('may'), driver.connect('other')]);
    for (const [capability, check] of Object.entries(COLUMNS)) {
      await cell(driver, capability, () => check(may, other), may);
    }
    if (may.protocol !== driver.protocol) say(driver, 'list', false, `the client speaks ${may.protocol}`);
    await may.close();
    await other.close();
    await cell(driver, 'OAuth', () => signsIn(driver), may);
  } catch (error) {
    say(driver, 'list', false, `no connection: ${failure(error)}`);
  }
}

export async function main(drivers) {
  for (const driver of drivers) await row(driver);
}

// For rows that change nothing, of a client that is slow to start.
export const together = (drivers) => Promise.all(drivers.map(row));
