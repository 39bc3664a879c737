"""What every driver in Python checks, whatever the client: one function for each column of the matrix.

A driver hands over an adapter of its client and gets lines of JSON on standard output. Nothing here knows a client,
and nothing passes because it was not looked at: a cell is true by a check that ran, false with the reason, or
null where the client or the server has no such thing, with the place that says so.
"""

import asyncio
import json
import os
import sys
import traceback
import urllib.parse

FACTS = json.loads(os.environ["KENWARD_FACTS"])
CANARY = FACTS["canary"]
OFFERED = "not offered"
MISSING = "not in this client"


class Absent(Exception):
    """A cell that nothing can fill: the client has no such call, or the server does not offer it."""


def need(holds, what):
    if not holds:
        raise AssertionError(what)


def find(found, title):
    return next((row for row in found["results"] if row["title"] == title), None)


def fenced(text):
    """The lines between the boundary lines, or an error: evidence never comes without them."""
    lines = text.split("\n")
    first, last = lines[0].split(" "), lines[-1].split(" ")
    need(first[0] == last[0] == "===" and first[1] == last[1], f"no boundary lines: {lines[0]!r} … {lines[-1]!r}")
    need(first[2] == "BEGIN" and last[2] == "END", "the boundary lines say neither BEGIN nor END")
    need(all(line.startswith(first[1][:2] + "|") for line in lines[1:-1]), "a line without its mark")
    return "\n".join(lines[1:-1])


async def listing(may, other):
    names = await may.tools()
    need(names == FACTS["tools"], f"tools are {names}")
    failed, value = await may.call("list_documents", {"source": FACTS["source"]})
    need(not failed and len(value["documents"]) == FACTS["page"], f"list_documents: {str(value)[:200]}")
    need(value["next_cursor"], "no cursor to the second page")
    return f"{len(names)} tools"


async def search(may, other):
    call = {"query": FACTS["query"], "mode": "lexical"}
    failed, found = await may.call("search", call)
    need(not failed, f"search failed: {found}")
    row = find(found, FACTS["forbidden"]["title"])
    need(row and CANARY in fenced(row["text"]), f"the permitted document is not found: {str(found)[:300]}")
    failed, seen = await other.call("search", call)
    need(not failed and not find(seen, FACTS["forbidden"]["title"]), "the other person finds it")
    need(CANARY not in json.dumps(seen), "the other person reads its text")
    failed, error = await may.call("search", {"query": FACTS["query"], "filters": {"colour": "blue"}})
    need(failed and "colour" in error["error"]["message"], f"an unknown filter is no error: {error}")
    return f"{len(found['results'])} passages, the other person {len(seen['results'])}"


async def fetch(may, other):
    failed, page = await may.call("fetch", {"id": FACTS["forbidden"]["id"]})
    need(not failed and CANARY in fenced(page["text"]), f"fetch: {str(page)[:300]}")
    need(page["title"] == FACTS["forbidden"]["title"], page["title"])
    failed, error = await other.call("fetch", {"id": FACTS["forbidden"]["id"]})
    need(failed and error["error"]["code"] == "not_found", f"the other person is told {error}")
    need(CANARY not in json.dumps(error), "the refusal holds the text")
    return f"{len(page['text'])} characters, the other person not_found"


async def refused(call, what):
    """An error of the client, without a word of the document in it."""
    try:
        value = await call
    except Exception as error:  # noqa: BLE001 - each client has its own
        said = "".join(traceback.format_exception(error))
        need(CANARY not in said and FACTS["forbidden"]["title"] not in said, f"the refusal tells: {said[-300:]}")
        return
    raise AssertionError(f"{what}: the other person gets {str(value)[:200]}")


async def resources(may, other):
    pages = await may.resources()
    uris = [uri for page in pages for uri in page]
    own = [uri for page in await other.resources() for uri in page]
    if may.walks:
        need(len(pages) == 2 and len(uris) == FACTS["resources"], f"{len(pages)} pages with {len(uris)} resources")
        need(set(uris) - set(own) == {FACTS["forbidden"]["uri"]}, "the two lists differ by something else")
        need(FACTS["forbidden"]["uri"] in uris, "the permitted document is not listed")
    else:
        need(len(uris) == FACTS["page"], f"{len(uris)} resources on the first page")
    need(FACTS["forbidden"]["uri"] not in own, "the other person has it listed")
    templates = await may.templates()
    need(templates is None or templates == FACTS["templates"], f"templates are {templates}")
    text = await may.read(FACTS["forbidden"]["uri"])
    need(CANARY in fenced(json.loads(text)["text"]), f"resources/read: {text[:200]}")
    await refused(other.read(FACTS["forbidden"]["uri"]), "resources/read")
    more = "" if may.walks else "; the first page alone: the client follows no cursor"
    return f"{len(uris)} on {len(pages)} pages, the other person {len(own)}{more}"


async def prompts(may, other):
    names = await may.prompts()
    need(names is None or names == FACTS["prompts"], f"prompts are {names}")
    arguments = {"first": FACTS["forbidden"]["title"], "second": FACTS["shared"]["title"]}
    told = await may.prompt("compare_documents", arguments)
    need(len(told) == 3, f"{len(told)} messages")
    need(CANARY not in told[0], "the instructions hold text of a document")
    need(CANARY in fenced(json.loads(told[1])["text"]), f"no evidence: {told[1][:200]}")
    fenced(json.loads(told[2])["text"])
    told = await may.prompt("answer_with_citations", {"question": FACTS["query"]})
    need(any(CANARY in fenced(row["text"]) for row in json.loads(told[1])["results"]), "no passages")
    call = other.prompt("compare_documents", {"first": FACTS["forbidden"]["id"], "second": FACTS["shared"]["id"]})
    await refused(call, "prompts/get")
    return "2 prompts, evidence between boundary lines"


async def completion(may, other):
    typed = FACTS["forbidden"]["title"][:4].lower()
    values = await may.complete("prompt", "compare_documents", "first", typed)
    need(values == [FACTS["forbidden"]["title"]], f"completed: {values}")
    values = await other.complete("prompt", "compare_documents", "first", typed)
    need(values == [], f"the other person is offered {values}")
    values = await may.complete("resource", "kb://source/{name}", "name", FACTS["source"][:4])
    need(values == [FACTS["source"]], f"sources: {values}")
    return "titles and sources, visible ones alone"


async def heard(stream, uri, patience=20):
    """What a stream has told by the time that it told this."""
    deadline = asyncio.get_running_loop().time() + patience
    while uri not in stream.told:
        need(asyncio.get_running_loop().time() < deadline, f"nothing is heard of {uri}: {stream.told}")
        await asyncio.sleep(0.1)
    return stream.told


async def changed():
    """Both documents get new text, and are ingested."""
    process = await asyncio.create_subprocess_exec(*FACTS["change"], stdout=asyncio.subprocess.DEVNULL)
    need(await process.wait() == 0, "the change failed")


async def listen(may, other):
    watched = [FACTS["forbidden"]["uri"], FACTS["shared"]["uri"]]
    async with may.listening(watched) as one, other.listening(watched) as two:
        # Both have been looked at once.
        await asyncio.sleep(2)
        await changed()
        await heard(one, FACTS["forbidden"]["uri"])
        await heard(one, FACTS["shared"]["uri"])
        await heard(two, FACTS["shared"]["uri"])
        await asyncio.sleep(2)
        need(FACTS["forbidden"]["uri"] not in two.told, "the other person hears of the forbidden document")
    return "hears both changes, the other person one"


def visit(url):
    """The browser and the person before it: signs in, consents, and gives the address it is sent to in the end."""
    import http.cookiejar
    import urllib.request

    class Stop(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stop, jar)
    at = f"{url}&{urllib.parse.urlencode({'login_hint': FACTS['oauth']['subject']})}"
    for _ in range(12):
        try:
            response = opener.open(at)
            raise AssertionError(f"the issuer stays at {at}: {response.read()[:300]!r}")
        except urllib.error.HTTPError as error:
            need(error.code in (302, 303), f"the issuer says {error.code} at {at}: {error.read()[:300]!r}")
            at = urllib.parse.urljoin(at, error.headers["location"])
        if not at.startswith(FACTS["oauth"]["issuer"]):
            return at
    raise AssertionError(f"the issuer sends on and on from {url}")


class Memory:
    """What a client keeps: a client id that the issuer knows, and tokens."""

    def __init__(self, info):
        self.info, self.tokens = info, None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.info

    async def set_client_info(self, info):
        self.info = info


def signing_in():
    """The provider of the Python SDK that is installed, with a person who clicks; and what it keeps."""
    from mcp.client import auth
    from mcp.shared import auth as shared

    oauth = FACTS["oauth"]
    known = {"redirect_uris": [oauth["redirect"]], "token_endpoint_auth_method": "none", "scope": oauth["scope"]}
    known["grant_types"] = ["authorization_code"]
    info = shared.OAuthClientInformationFull(client_id=oauth["client"], **known)
    if "issuer" in shared.OAuthClientInformationFull.model_fields:
        # A registration belongs to the issuer that made it.
        info = info.model_copy(update={"issuer": oauth["issuer"]})
    memory, asked = Memory(info), []

    async def redirect(url):
        asked.append(url)

    async def callback():
        back = urllib.parse.urlsplit(await asyncio.to_thread(visit, asked[-1]))
        query = dict(urllib.parse.parse_qsl(back.query))
        need("code" in query, f"no code: {query}")
        if hasattr(shared, "AuthorizationCodeResult"):
            fields = {name: query.get(name) for name in ("code", "state", "iss")}
            return shared.AuthorizationCodeResult(**fields)
        return query["code"], query.get("state")

    metadata = shared.OAuthClientMetadata(client_name="kenward tests", **known)
    provider = auth.OAuthClientProvider(oauth["url"], metadata, memory, redirect, callback)
    return provider, memory, asked


async def signs_in(driver):
    """From a 401 to an answer: the client knows nothing but the server's address and its own client id."""
    provider, memory, asked = signing_in()
    async with driver.oauth(provider) as client:
        failed, found = await client.call("search", {"query": FACTS["query"], "mode": "lexical"})
        need(not failed and find(found, FACTS["forbidden"]["title"]), f"search: {str(found)[:300]}")
    need(len(asked) == 1, f"the person was asked {len(asked)} times")
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(asked[0]).query))
    need(query["code_challenge_method"] == "S256", "no PKCE")
    need(query.get("resource") == FACTS["oauth"]["url"], f"resource is {query.get('resource')}")
    need(memory.tokens.access_token.count(".") == 2, "no JWT")
    return f"code, PKCE and resource; scope {query.get('scope')!r}"


COLUMNS = {
    "list": listing,
    "search": search,
    "fetch": fetch,
    "resources": resources,
    "prompts": prompts,
    "completion": completion,
    "listen": listen,
}


def say(driver, capability, ok, detail):
    line = {"client": driver.client, "version": driver.version, "protocol": driver.protocol}
    line |= {"transport": driver.transport, "capability": capability, "ok": ok, "detail": detail}
    print(json.dumps(line), flush=True)


async def cell(driver, capability, check):
    try:
        detail = await asyncio.wait_for(check, 90)
        say(driver, capability, True, detail)
    except Absent as why:
        say(driver, capability, None, str(why))
    except BaseException as error:  # noqa: BLE001 - whatever a client throws is what we want to know
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        print("".join(traceback.format_exception(error)), file=sys.stderr)
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        say(driver, capability, False, f"{type(error).__name__}: {error}"[:600])


NO_SESSION = f"{OFFERED}: this version could hear of changes only in a session"
NO_TOKEN = f"{OFFERED}: the process is the person, no token is asked for"


async def absent(why, may=None):
    # What is said not to be offered must not be declared either.
    need(why != NO_SESSION or not may.declared(), "declared, and not offered")
    raise Absent(why)


async def row(driver):
    """One row of the matrix: the client as two people, then signing in."""
    async with driver.connect("may") as may, driver.connect("other") as other:
        spoken = may.protocol
        for capability, check in COLUMNS.items():
            why = driver.absent.get(capability)
            await cell(driver, capability, absent(why, may) if why else check(may, other))
        if spoken != driver.protocol:
            say(driver, "list", False, f"the client speaks {spoken}")
    why = driver.absent.get("OAuth")
    await cell(driver, "OAuth", absent(why) if why else signs_in(driver))


def main(drivers):
    async def every():
        for driver in drivers:
            try:
                await row(driver)
            except BaseException as error:  # noqa: BLE001
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                print("".join(traceback.format_exception(error)), file=sys.stderr)
                say(driver, "list", False, f"no connection: {type(error).__name__}: {error}"[:600])

    asyncio.run(every())
