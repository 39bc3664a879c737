// What the two official TypeScript packages have in common: the methods of `Client`. Their transports, versions and
// notifications differ, and are the drivers' own.

import { FACTS, need } from './kenward_checks.mjs';

export const headers = (who) => ({ Authorization: `Bearer ${FACTS.people[who].token}` });

export function adapter(client, protocol, more) {
  return {
    protocol,
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: async (name, args) => {
      const result = await client.callTool({ name, arguments: args });
      const value = JSON.parse(result.content[0].text);
      const structured = JSON.stringify(result.structuredContent);
      need(structured === undefined || structured === JSON.stringify(value), `${name}: the text is not the structured content`);
      return { failed: result.isError === true, value };
    },
    resources: async () => {
      const pages = [];
      let cursor;
      do {
        const page = await client.listResources(cursor ? { cursor } : { cursor: undefined });
        pages.push(page.resources.map((resource) => resource.uri));
        cursor = page.nextCursor;
      } while (cursor);
      return pages;
    },
    templates: async () => (await client.listResourceTemplates()).resourceTemplates.map((row) => row.uriTemplate),
    read: async (uri) => {
      const { contents } = await client.readResource({ uri });
      need(contents.length === 1, `${contents.length} contents`);
      return contents[0].text;
    },
    prompts: async () => (await client.listPrompts()).prompts.map((prompt) => prompt.name),
    prompt: async (name, args) => {
      const { messages } = await client.getPrompt({ name, arguments: args });
      return messages.map((message) => message.content.text);
    },
    complete: async (ref, name, value) => (await client.complete({ ref, argument: { name, value } })).completion.values,
    declared: () => client.getServerCapabilities()?.resources?.subscribe === true,
    close: () => client.close(),
    ...more,
  };
}

// Subscriptions of the older version, over a connection that lasts.
export function subscribes(client, told) {
  return async (uris) => {
    told.length = 0;
    for (const uri of uris) await client.subscribeResource({ uri });
    return {
      told: async () => told,
      close: async () => {
        for (const uri of uris) await client.unsubscribeResource({ uri });
      },
    };
  };
}
