"""What both example programs do with a connected client: list, search, fetch, read a resource."""

import json


def answer_of(result) -> dict:
    """The text item of a tool's result, which is the JSON of its structured content. Links to resources may follow."""
    return json.loads(result.content[0].text)


async def walk(client, question: str) -> int:
    print(f"protocol  {client.protocol_version}")

    tools = (await client.list_tools()).tools
    print("tools     " + ", ".join(tool.name for tool in tools))

    sources = answer_of(await client.call_tool("list_sources", {}))["sources"]
    print(f"sources   {len(sources)}")
    documents = answer_of(await client.call_tool("list_documents", {}))["documents"]
    print(f"documents {len(documents)}")

    found = await client.call_tool("search", {"query": question, "limit": 3})
    if found.is_error:
        print("search    " + answer_of(found)["error"]["message"])
        return 1
    answer = answer_of(found)
    if answer != found.structured_content:
        print("search    the text is not the structured content")
        return 1
    print(f"search    {len(answer['results'])} passages for: {question}")
    for result in answer["results"]:
        print(f"  {result['rank']}. {result['title']}  ({result['relevance']})")
        print(f"     cite {result['cite']}")
    if not answer["results"]:
        print("  nothing that you can see matches")
        return 0

    first = answer["results"][0]["id"]
    page = answer_of(await client.call_tool("fetch", {"id": first, "max_chars": 400}))
    print(f"fetch     {page['title']}: {len(page['text'])} characters")

    template = (await client.list_resource_templates()).resource_templates[0]
    uri = template.uri_template.replace("{id}", first)
    (contents,) = (await client.read_resource(uri)).contents
    print(f"resource  {template.uri_template}: {json.loads(contents.text)['title']}")

    wrong = await client.call_tool("search", {"query": question, "filters": {"colour": "blue"}})
    print("mistake   " + answer_of(wrong)["error"]["message"])
    return 0 if wrong.is_error else 1
