"""The MCP client of the OpenAI Agents SDK, without an agent or a model. It speaks the version that the installed `mcp`
speaks, so it is run in two environments."""

import json
import os
from contextlib import asynccontextmanager
from importlib.metadata import version

from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from kenward_checks import FACTS, MISSING, NO_TOKEN, main

V2 = version("mcp").startswith("2.")


def field(value, new, old):
    return getattr(value, new if V2 else old)


class Adapter:
    walks = True

    def __init__(self, server):
        self.server = server
        if V2:
            self.protocol = server.session.protocol_version
        else:
            self.protocol = server.server_initialize_result.protocolVersion

    async def tools(self):
        return [tool.name for tool in await self.server.list_tools()]

    async def call(self, tool, arguments):
        result = await self.server.call_tool(tool, arguments)
        value = json.loads(result.content[0].text)
        structured = field(result, "structured_content", "structuredContent")
        if structured is not None and structured != value:
            raise AssertionError(f"{tool}: the text is not the structured content")
        return bool(field(result, "is_error", "isError")), value

    async def resources(self):
        pages, cursor = [], None
        while True:
            page = await self.server.list_resources(cursor)
            pages.append([str(resource.uri) for resource in page.resources])
            cursor = field(page, "next_cursor", "nextCursor")
            if cursor is None:
                return pages

    async def templates(self):
        page = await self.server.list_resource_templates()
        rows = field(page, "resource_templates", "resourceTemplates")
        return [field(row, "uri_template", "uriTemplate") for row in rows]

    async def read(self, uri):
        (contents,) = (await self.server.read_resource(uri)).contents
        return contents.text

    async def prompts(self):
        return [prompt.name for prompt in (await self.server.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        return [message.content.text for message in (await self.server.get_prompt(name, arguments)).messages]


class Driver:
    client = "OpenAI Agents SDK"
    version = f"{version('openai-agents')} (mcp {version('mcp')})"
    protocol = "2026-07-28" if V2 else "2025-11-25"

    def __init__(self, transport):
        self.transport = transport
        self.absent = {
            "completion": f"{MISSING}: agents.mcp.MCPServer has tools, prompts and resources",
            "listen": f"{MISSING}: agents.mcp.MCPServer has no call that subscribes",
        }
        if transport == "stdio":
            self.absent["OAuth"] = NO_TOKEN

    @asynccontextmanager
    async def connect(self, who):
        person = FACTS["people"][who]
        more = {"client_session_timeout_seconds": 60}
        if self.transport == "http":
            headers = {"Authorization": f"Bearer {person['token']}"}
            server = MCPServerStreamableHttp({"url": FACTS["url"], "headers": headers, "timeout": 60}, **more)
        else:
            command, *args = person["stdio"]
            server = MCPServerStdio({"command": command, "args": args, "env": dict(os.environ)}, **more)
        async with server:
            yield Adapter(server)

    @asynccontextmanager
    async def oauth(self, provider):
        params = {"url": FACTS["oauth"]["url"], "auth": provider, "timeout": 60}
        async with MCPServerStreamableHttp(params, client_session_timeout_seconds=60) as server:
            yield Adapter(server)


if __name__ == "__main__":
    main([Driver(transport) for transport in ("http", "stdio")])
