#!/usr/bin/env python3
"""Ask Kenward over stdio, with the Python MCP client, which starts the server itself.

    pip install "mcp>=2.3"
    python python_stdio.py "when are expense reports due?"
    python python_stdio.py --as ben@example.com --reason "checking what Ben sees" "..."

Without --as, the answers are those of the person whom `[operators]` in kenward.toml names for
your user id on this machine.
"""

import argparse
import asyncio
import sys

from mcp import Client, StdioServerParameters

from walk import walk


async def main() -> int:
    parser = argparse.ArgumentParser(description="Ask Kenward over stdio.")
    parser.add_argument("question")
    parser.add_argument("--program", default="kenward")
    parser.add_argument("--config", help="a kenward.toml, if not the one that is found by itself")
    parser.add_argument("--as", dest="act_as", metavar="USER", help="act as somebody else (recorded)")
    parser.add_argument("--reason", help="why")
    parser.add_argument(
        "--mode",
        default="auto",
        help="auto, legacy (initialize, 2025-11-25) or 2026-07-28",
    )
    arguments = parser.parse_args()
    args = ["serve", "--stdio"]
    if arguments.config:
        args += ["--config", arguments.config]
    if arguments.act_as:
        args += ["--as", arguments.act_as]
    if arguments.reason:
        args += ["--reason", arguments.reason]
    server = StdioServerParameters(command=arguments.program, args=args)
    async with Client(server, mode=arguments.mode) as client:
        return await walk(client, arguments.question)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
