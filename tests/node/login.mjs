// An official TypeScript client that logs in by itself: node login.mjs SETTINGS, a JSON of
// {modules, line, version, url, machine, client, cimd}. It knows the gateway's URL alone. A person's browser is played here: it goes
// where it is sent until it is sent back. `machine` is {id, secret, issuer, scope} of one that comes in without a person;
// `client` the id of a client that is registered already, which calls a tool that needs more scopes too; `cimd` the URL of the
// client's metadata document. Prints what it saw: {tools, good, report, asked, client}: `asked` are the queries with which the
// authorization server was asked, `client` is the id with which it was.
import { createRequire } from "node:module";

const settings = JSON.parse(process.argv[2]);
const CALLBACK = "http://127.0.0.1:9/callback";
const require = createRequire(`${settings.modules}/`);

function load() {
  if (settings.line === "v2") return require("@modelcontextprotocol/client");
  return {
    ...require("@modelcontextprotocol/sdk/client/index.js"),
    ...require("@modelcontextprotocol/sdk/client/streamableHttp.js"),
    ...require("@modelcontextprotocol/sdk/client/auth.js"),
    ...require("@modelcontextprotocol/sdk/client/auth-extensions.js"),
  };
}

const { Client, StreamableHTTPClientTransport, ClientCredentialsProvider, UnauthorizedError } = load();

async function browse(url) {
  const jar = new Map();
  for (let hops = 0; hops < 20; hops += 1) {
    if (url.href.startsWith(CALLBACK)) return url.searchParams;
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, { redirect: "manual", headers: cookie ? { cookie } : {} });
    if (answer.status < 300 || answer.status > 399) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      jar.set(name, value);
    }
    url = new URL(answer.headers.get("location"), url);
  }
  throw new Error("it was never sent back");
}

class Person {
  asked = [];
  saved = { client: settings.client ? { client_id: settings.client } : undefined };
  clientMetadataUrl = settings.cimd;
  redirectUrl = CALLBACK;
  clientMetadata = {
    client_name: "agent of the tests",
    redirect_uris: [CALLBACK],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
    application_type: "native",
  };
  state = () => "a-state";
  clientInformation = () => this.saved.client;
  saveClientInformation = (client) => void (this.saved.client = client);
  tokens = () => this.saved.tokens;
  saveTokens = (tokens) => void (this.saved.tokens = tokens);
  saveCodeVerifier = (verifier) => void (this.saved.verifier = verifier);
  codeVerifier = () => this.saved.verifier;
  saveDiscoveryState = (state) => void (this.saved.discovery = state);
  discoveryState = () => this.saved.discovery;

  async redirectToAuthorization(url) {
    this.asked.push(Object.fromEntries(url.searchParams));
    this.back = await browse(new URL(url));
  }
}

const { machine } = settings;
const auth = machine
  ? new ClientCredentialsProvider({
      clientId: machine.id,
      clientSecret: machine.secret,
      expectedIssuer: machine.issuer,
      scope: machine.scope,
    })
  : new Person();

function make() {
  const modern = settings.version ? { versionNegotiation: { mode: { pin: settings.version } } } : {};
  const client = new Client({ name: `typescript-${settings.line}`, version: "1" }, modern);
  return { client, transport: new StreamableHTTPClientTransport(new URL(settings.url), { authProvider: auth }) };
}

// As the SDKs' own examples do: whoever was sent to log in finishes with the code, and does again what it did.
async function loggedIn(work) {
  for (let tries = 0; ; tries += 1) {
    const current = make();
    try {
      return await work(current);
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || tries === 3) throw error;
      await current.transport.finishAuth(settings.line === "v2" ? auth.back : auth.back.get("code"));
    }
  }
}

const { tools, good, report } = await loggedIn(async ({ client, transport }) => {
  await client.connect(transport);
  const call = (name, args) => client.callTool({ name, arguments: args });
  const listed = await client.listTools();
  const answer = await call("good", { text: "x" });
  const more = settings.client ? await call("report", { steps: 1 }) : undefined;
  await client.close();
  return { tools: listed.tools, good: answer, report: more };
});
console.log(
  JSON.stringify({
    tools: tools.map((tool) => tool.name),
    good: !good.isError,
    report: report && !report.isError,
    asked: auth.asked ?? [],
    client: auth.saved?.client?.client_id ?? null,
  }),
);
process.exit(0);
