// VS Code's own code for MCP registries, unchanged, told a registry's URL alone: node gallery.mjs SETTINGS, a JSON of
// {modules, registry, search, tool, arguments}. It lists what the registry has, searches it, asks for the first found by its name,
// makes of that what VS Code writes into a person's mcp.json, and connects to it with an official TypeScript client.
// Prints what it saw: {listed, found, latest, config, tools, text, faults}. Only VS Code's ways to the network and to its log are played here.
import { pathToFileURL } from "node:url";
import { connect } from "./sdk.mjs";

const settings = JSON.parse(process.argv[2]);
const PACKAGES = `${settings.modules}/@codingame/monaco-vscode`;
const load = (path) => import(pathToFileURL(`${PACKAGES}-${path}`));
const PLATFORM = "vscode/src/vs/platform/mcp/common";
const { VSBuffer, bufferToStream } = await load("api/vscode/src/vs/base/common/buffer.js");
const { CancellationToken } = await load("api/vscode/src/vs/base/common/cancellation.js");
const { RegistryType } = await load(`api/${PLATFORM}/mcpManagement.js`);
const { AbstractCommonMcpManagementService } = await load(`api/${PLATFORM}/mcpManagementService.js`);
const { McpGalleryManifestService } = await load(`mcp-service-override/${PLATFORM}/mcpGalleryManifestService.js`);
const { McpGalleryService } = await load(`mcp-service-override/${PLATFORM}/mcpGalleryService.js`);

const faults = [];
const log = { error: (what) => faults.push(String(what)), warn: (what) => faults.push(String(what)), info() {}, debug() {}, trace() {} };
const requests = {
  async request({ type, url, headers }) {
    const answer = await fetch(url, { method: type, headers });
    const body = VSBuffer.wrap(new Uint8Array(await answer.arrayBuffer()));
    return { res: { statusCode: answer.status, headers: Object.fromEntries(answer.headers) }, stream: bufferToStream(body) };
  },
};
const manifests = new McpGalleryManifestService({ mcpGallery: { serviceUrl: settings.registry } }, requests, log);
const gallery = new McpGalleryService(requests, {}, log, manifests);

async function query(options) {
  const pager = await gallery.query(options);
  const found = [...pager.firstPage.items];
  for (let page = pager.firstPage; page.hasMore; found.push(...page.items)) page = await pager.getNextPage(CancellationToken.None);
  return found;
}

const listed = await query({});
const [found] = await query({ text: settings.search });
const [latest] = await gallery.getMcpServersFromGallery([{ name: found.name }]);
const written = AbstractCommonMcpManagementService.prototype.getMcpServerConfigurationFromManifest;
const manager = Object.create(AbstractCommonMcpManagementService.prototype);
const { config } = written.call(manager, latest.configuration, RegistryType.REMOTE).mcpServerConfiguration;

const agent = await connect({
  modules: settings.modules, line: "v2", version: "auto", url: config.url, headers: config.headers, answers: {}, told() {}, failed() {},
});
const { tools } = await agent.client.listTools();
const text = await agent.call(settings.tool, settings.arguments);
await agent.client.close();
console.log(
  JSON.stringify({
    listed: listed.map((one) => one.name),
    found: found.displayName,
    latest: latest.version,
    config,
    tools: tools.map((one) => one.name),
    text,
    faults,
  }),
);
process.exit(0);
