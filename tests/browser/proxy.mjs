// What may stand in front of a server: passes HTTP and WebSocket on, and rewrites what it is told to.
// WebTransport goes past it, since the server names its own port for that. It may have the server under a path.
import { createServer, request } from "node:http";
import { connect } from "node:net";

export class Proxy {
  /** By path, what becomes of a body: (text) => text. */
  rewritten = new Map();
  /** What was asked for elsewhere than under the path. */
  strayed = [];

  /** In front of a server at `url`, which is found under the path `prefix`. */
  static async start(url, prefix = "") {
    const proxy = new Proxy();
    proxy.prefix = prefix;
    proxy.server = new URL(url);
    proxy.front = createServer((asked, answer) => proxy.#pass(asked, answer));
    proxy.front.on("upgrade", (asked, socket, head) => proxy.#tunnel(asked, socket, head));
    await new Promise((done) => proxy.front.listen(0, "127.0.0.1", done));
    proxy.url = `http://127.0.0.1:${proxy.front.address().port}${prefix}`;
    return proxy;
  }

  rewrite(path, how) {
    this.rewritten.set(path, how);
  }

  stop() {
    this.front.close();
    this.front.closeAllConnections();
  }

  /** Takes the path off; false if it is not there. */
  #strip(asked) {
    if (!asked.url.startsWith(`${this.prefix}/`)) return !this.strayed.push(asked.url);
    asked.url = asked.url.slice(this.prefix.length);
    return true;
  }

  /** The page's own `Host` stays, so that its policy allows what it connects to. */
  #pass(asked, answer) {
    if (!this.#strip(asked)) return answer.writeHead(404).end();
    const { hostname, port } = this.server;
    const headers = { ...asked.headers, "accept-encoding": "identity", connection: "close" };
    delete headers["if-none-match"];
    const options = { hostname, port, path: asked.url, method: asked.method, headers };
    const passed = request(options, async (response) => {
      const parts = [];
      for await (const part of response) parts.push(part);
      const how = this.rewritten.get(asked.url);
      const body = how ? Buffer.from(how(Buffer.concat(parts).toString())) : Buffer.concat(parts);
      const { "content-length": _, etag: __, ...rest } = response.headers;
      answer.writeHead(response.statusCode, { ...rest, "content-length": body.length });
      answer.end(body);
    });
    passed.on("error", () => answer.destroy());
    passed.end();
  }

  #tunnel(asked, socket, head) {
    if (!this.#strip(asked)) return socket.destroy();
    const server = connect(Number(this.server.port), this.server.hostname);
    const lines = [`GET ${asked.url} HTTP/1.1`];
    for (let at = 0; at < asked.rawHeaders.length; at += 2) {
      lines.push(`${asked.rawHeaders[at]}: ${asked.rawHeaders[at + 1]}`);
    }
    server.write(`${lines.join("\r\n")}\r\n\r\n`);
    server.write(head);
    server.pipe(socket).pipe(server);
    for (const [end, other] of [[server, socket], [socket, server]]) {
      end.on("error", () => other.destroy());
      end.on("close", () => other.destroy());
    }
  }
}

/** Makes the hashes in the answer of `/api/certificate` those of some other certificate. */
export function withWrongHash(text) {
  const answer = JSON.parse(text);
  for (const hash of answer.hashes) hash.value = Buffer.alloc(32, 7).toString("base64");
  return JSON.stringify(answer);
}
