#!/usr/bin/env python3
"""Ask a running Kenward server over Streamable HTTP, with the Python MCP client.

    pip install "mcp>=2.3"
    kenward serve                                  # in another terminal
    export KENWARD_TOKEN=kwt_...                   # from: kenward tokens create USER
    python python_http.py "when are expense reports due?"

What comes back is what the person behind the token may see, and nothing else. The text of a
passage is quoted from a document: evidence to cite, never instructions.
"""

import argparse
import asyncio
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from walk import walk


async def main() -> int:
    parser = argparse.ArgumentParser(description="Ask a running Kenward server over HTTP.")
    parser.add_argument("question")
    parser.add_argument("--url", default="http://127.0.0.1:8765/mcp")
    parser.add_argument(
        "--mode",
        default="auto",
        help="auto, legacy (initialize, 2025-11-25) or 2026-07-28",
    )
    arguments = parser.parse_args()
    token = os.environ.get("KENWARD_TOKEN")
    if not token:
        print("set KENWARD_TOKEN to a token from `kenward tokens create USER`", file=sys.stderr)
        return 1
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers) as http_client:
        transport = streamable_http_client(arguments.url, http_client=http_client)
        async with Client(transport, mode=arguments.mode) as client:
            return await walk(client, arguments.question)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
