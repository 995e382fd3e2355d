// WHATWG's reading of URIs: one in Base64 a line on stdin; its scheme, host, path and whole text a line on stdout, or "!".
import { createInterface } from 'node:readline';

const encode = (text) => Buffer.from(text).toString('base64');
for await (const line of createInterface({ input: process.stdin })) {
  const text = Buffer.from(line, 'base64').toString();
  const url = URL.canParse(text) ? new URL(text) : null;
  console.log(url ? [url.protocol, url.hostname, url.pathname, url.href].map(encode).join(' ') : '!');
}
