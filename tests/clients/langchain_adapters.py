"""LangChain's adapters, by what they make of the server: LangChain tools, blobs and messages."""

import json
import os
from contextlib import asynccontextmanager
from importlib.metadata import version

from kenward_checks import FACTS, MISSING, NO_TOKEN, main
from langchain_core.messages import ToolMessage
from langchain_mcp_adapters.client import MultiServerMCPClient


class Adapter:
    # `load_mcp_resources` asks for one page.
    walks = False

    def __init__(self, client):
        self.client, self.kept = client, None

    async def open(self):
        self.protocol = (await self.client.get_server_info(server_name="kenward"))["kenward"].protocolVersion
        return self

    async def tools(self):
        self.kept = {tool.name: tool for tool in await self.client.get_tools()}
        return list(self.kept)

    async def call(self, tool, arguments):
        if self.kept is None:
            await self.tools()
        # As an agent calls it: with a call's id, so that the artifact comes along.
        call = {"type": "tool_call", "id": "1", "name": tool, "args": arguments}
        message = await self.kept[tool].ainvoke(call)
        if not isinstance(message, ToolMessage):
            raise AssertionError(f"{tool} gives {type(message)}")
        value = json.loads(message.content[0]["text"])
        if message.artifact and message.artifact["structured_content"] != value:
            raise AssertionError(f"{tool}: the text is not the structured content")
        return message.status == "error", value

    async def resources(self):
        return [[str(blob.metadata["uri"]) for blob in await self.client.get_resources("kenward")]]

    async def templates(self):
        return None

    async def read(self, uri):
        (blob,) = await self.client.get_resources("kenward", uris=uri)
        return blob.as_string()

    async def prompts(self):
        return None

    async def prompt(self, name, arguments):
        messages = await self.client.get_prompt("kenward", name, arguments=arguments)
        return [message.content for message in messages]


class Driver:
    client = "LangChain adapters"
    version = f"{version('langchain-mcp-adapters')} (mcp {version('mcp')})"
    # Its `mcp` is of major version 1.
    protocol = "2025-11-25"

    def __init__(self, transport):
        self.transport = transport
        self.absent = {
            "completion": f"{MISSING}: langchain_mcp_adapters has client, tools, resources, prompts and server_info",
            "listen": f"{MISSING}: Callbacks has logging, progress and elicitation, nothing for resources",
        }
        if transport == "stdio":
            self.absent["OAuth"] = NO_TOKEN

    @asynccontextmanager
    async def connect(self, who):
        person = FACTS["people"][who]
        if self.transport == "http":
            headers = {"Authorization": f"Bearer {person['token']}"}
            connection = {"transport": "streamable_http", "url": FACTS["url"], "headers": headers}
        else:
            command, *args = person["stdio"]
            connection = {"transport": "stdio", "command": command, "args": args, "env": dict(os.environ)}
        yield await Adapter(MultiServerMCPClient({"kenward": connection})).open()

    @asynccontextmanager
    async def oauth(self, provider):
        connection = {"transport": "streamable_http", "url": FACTS["oauth"]["url"], "auth": provider}
        yield await Adapter(MultiServerMCPClient({"kenward": connection})).open()


if __name__ == "__main__":
    main([Driver(transport) for transport in ("http", "stdio")])
