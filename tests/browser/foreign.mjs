// node foreign.mjs SERVER: serves a page of another origin and tries to connect to SERVER (HOST:PORT) from it, over
// WebSocket and over WebTransport. Says {"origin","websocket":{code,reason},"webtransport":{code,reason},
// "closed":{code,reason}}: on WebTransport what `goodbye` says, and then what `closed` does for a page that waits.
import { createServer } from "node:http";
import { launch, openPage, tell } from "./browser.mjs";

const [server] = process.argv.slice(2);
const certificate = await (await fetch(`http://${server}/api/certificate`)).json();

const foreign = createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>Foreign</title>");
});
await new Promise((done) => foreign.listen(0, "127.0.0.1", done));
const origin = `http://127.0.0.1:${foreign.address().port}`;

const browser = await launch();
try {
  const { page } = await openPage(browser);
  await page.goto(origin);
  const websocket = await page.evaluate((server) => new Promise((done) => {
    const socket = new WebSocket(`ws://${server}/ws`);
    socket.onclose = ({ code, reason }) => done({ code, reason });
  }), server);
  const { closed, ...webtransport } = await page.evaluate(async ({ webtransport_url, hashes }) => {
    const serverCertificateHashes = hashes.map(({ algorithm, value }) =>
      ({ algorithm, value: Uint8Array.from(atob(value), (c) => c.charCodeAt(0)) }));
    const transport = new WebTransport(webtransport_url, { serverCertificateHashes });
    transport.closed.catch(() => {});
    try {
      await transport.ready;
      const control = await transport.createBidirectionalStream();
      const text = new TextEncoder().encode('{"type":"handshake","data":{"version":1}}');
      control.writable.getWriter().write(new Uint8Array([text.length, ...text])).catch(() => {});
      const reader = control.readable.getReader();
      let heard = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return { heard };
        heard += new TextDecoder().decode(value);
        const goodbye = heard.indexOf('{"type":"goodbye"');
        if (goodbye < 0 || !heard.endsWith("}}")) continue;
        const { closeCode, reason } = await transport.closed;
        return { ...JSON.parse(heard.slice(goodbye)).data, closed: { code: closeCode, reason } };
      }
    } catch (error) {
      return { error: String(error), code: error.streamErrorCode ?? null };
    }
  }, certificate);
  tell({ origin, websocket, webtransport, closed });
} finally {
  await browser.close();
  foreign.close();
}
