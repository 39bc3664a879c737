"""The official Python SDK, major version 2: its own `Client`, over both transports, in both versions."""

import asyncio
import json
import os
import warnings
from contextlib import asynccontextmanager
from importlib.metadata import version

import httpx2
import mcp_types as types
from kenward_checks import FACTS, NO_SESSION, NO_TOKEN, main
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated

warnings.simplefilter("ignore")


class Stream:
    def __init__(self):
        self.told = []


class Adapter:
    walks = True

    def __init__(self, client, stream):
        self.client, self.stream = client, stream
        self.protocol = client.protocol_version

    def declared(self):
        return bool(self.client.server_capabilities.resources.subscribe)

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool, arguments):
        result = await self.client.call_tool(tool, arguments)
        value = json.loads(result.content[0].text)
        if result.structured_content is not None and result.structured_content != value:
            raise AssertionError(f"{tool}: the text is not the structured content")
        return result.is_error, value

    async def resources(self):
        pages, cursor = [], None
        while True:
            page = await self.client.list_resources(cursor=cursor)
            pages.append([str(resource.uri) for resource in page.resources])
            cursor = page.next_cursor
            if cursor is None:
                return pages

    async def templates(self):
        return [row.uri_template for row in (await self.client.list_resource_templates()).resource_templates]

    async def read(self, uri):
        (contents,) = (await self.client.read_resource(uri)).contents
        return contents.text

    async def prompts(self):
        return [prompt.name for prompt in (await self.client.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        return [message.content.text for message in (await self.client.get_prompt(name, arguments)).messages]

    async def complete(self, kind, name, argument, typed):
        ref = types.PromptReference(name=name) if kind == "prompt" else types.ResourceTemplateReference(uri=name)
        got = await self.client.complete(ref, {"name": argument, "value": typed})
        return got.completion.values

    @asynccontextmanager
    async def listening(self, uris):
        self.stream.told.clear()
        if self.protocol == "2025-11-25":
            for uri in uris:
                await self.client.subscribe_resource(uri)
            yield self.stream
            return
        async with self.client.listen(resource_subscriptions=uris, resources_list_changed=True) as subscription:
            async def follow():
                async for event in subscription:
                    if isinstance(event, ResourceUpdated):
                        self.stream.told.append(event.uri)

            task = asyncio.create_task(follow())
            try:
                yield self.stream
            finally:
                task.cancel()


class Driver:
    client = "Python `mcp`"
    version = version("mcp")

    def __init__(self, protocol, transport):
        self.protocol, self.transport = protocol, transport
        self.mode = "legacy" if protocol == "2025-11-25" else protocol
        self.absent = {}
        if transport == "http" and self.mode == "legacy":
            self.absent["listen"] = NO_SESSION
        if transport == "stdio":
            self.absent["OAuth"] = NO_TOKEN

    def transport_of(self, who):
        if self.transport == "http":
            headers = {"Authorization": f"Bearer {FACTS['people'][who]['token']}"}
            return streamable_http_client(FACTS["url"], http_client=httpx2.AsyncClient(headers=headers, timeout=60))
        command, *args = FACTS["people"][who]["stdio"]
        return StdioServerParameters(command=command, args=args, env=dict(os.environ))

    @asynccontextmanager
    async def connect(self, who):
        stream = Stream()

        async def hear(message):
            if isinstance(message, types.ResourceUpdatedNotification):
                stream.told.append(str(message.params.uri))

        async with Client(self.transport_of(who), mode=self.mode, message_handler=hear, cache=None) as client:
            yield Adapter(client, stream)

    @asynccontextmanager
    async def oauth(self, provider):
        async with httpx2.AsyncClient(auth=provider, timeout=60) as http:
            async with Client(streamable_http_client(FACTS["oauth"]["url"], http_client=http), mode=self.mode) as client:
                yield Adapter(client, Stream())


if __name__ == "__main__":
    main([Driver(protocol, transport) for protocol in ("2026-07-28", "2025-11-25") for transport in ("http", "stdio")])
