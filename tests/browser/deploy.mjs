// node deploy.mjs {"certificate","name"}: a game's page on another origin than its server, which is `name` and has
// this self-signed certificate in PEM. Asks {"ask":"serve","origin"} for a server that allows the page's origin, and
// hears {"url","token"}. Tells, for each transport, {"transport","name","view"}: what carried a session that
// the token opened, who it was, and the room it made there.
import { X509Certificate, createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tellStory } from "./story.mjs";

const { certificate, name } = JSON.parse(process.argv[2]);
const key = new X509Certificate(await readFile(certificate)).publicKey.export({ type: "spki", format: "der" });
const args = [
  // The name is nobody's, or somebody else's.
  `--host-resolver-rules=MAP ${name} 127.0.0.1`,
  // As if somebody had told the browser to trust this certificate, and no other. WebTransport goes by its hash.
  `--ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")}`,
];

await tellStory(async (story) => {
  const front = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><link rel=icon href=data:,><title>A game</title>");
  });
  await new Promise((done) => front.listen(0, "127.0.0.1", done));
  try {
    const origin = `http://localhost:${front.address().port}`;
    const { url, token } = await story.ask("serve", { origin });
    const page = await story.tab(null, "a game's page");
    await page.goto(origin);
    const told = {};
    for (const transport of ["webtransport", "websocket"]) {
      story.step(`over ${transport}`);
      told[transport] = await page.evaluate(enter, { url, token, transport });
    }
    return told;
  } finally {
    front.close();
    front.closeAllConnections();
  }
}, { args });

/** In the page: goes in and opens a room. */
async function enter({ url, token, transport }) {
  const { connect } = await import(`${url}/sdk/anteroom.js`);
  const lobby = await connect(url, { token, transport, storage: null });
  const room = await lobby.createRoom({ game: "tic_tac_toe" });
  const told = { transport: lobby.transport, name: lobby.username, view: room.view };
  lobby.close();
  return told;
}
