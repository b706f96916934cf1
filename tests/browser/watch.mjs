// node watch.mjs URL ROOM: watches a room with the SDK, on the server's own page. Says {"watching":true} once
// it is there; at the line `states N` waits until N states have come and says
// {"states":[...],"transport","complaints":[...]}; at `close` closes the page and says {"closed":true}; ends
// with its input.
import { PATIENCE_MS, heard, launch, openPage, tell } from "./browser.mjs";

const [url, roomId] = process.argv.slice(2);
const browser = await launch();
try {
  const { page, complaints } = await openPage(browser);
  await page.goto(url);
  await page.evaluate(async (roomId) => {
    const { connect } = await import("/sdk/anteroom.js");
    const lobby = await connect(undefined, { name: "Chrome", client: "anteroom-tests" });
    const room = await lobby.joinRoom(roomId, { as: "spectator" });
    const watched = { lobby, states: [room.view] };
    Object.assign(window, { watched });
    room.on("game_state", (view) => watched.states.push(view));
  }, roomId);
  tell({ watching: true });
  for await (const line of heard()) {
    if (line === "close") {
      await page.close();
      tell({ closed: true });
      continue;
    }
    const count = Number(line.split(" ")[1]);
    const states = await page.evaluate(statesSeen, { count, ms: PATIENCE_MS });
    tell({ states, transport: await page.evaluate(() => window.watched.lobby.transport), complaints });
  }
} finally {
  await browser.close();
}

/** In the page: the states once there are so many, or what there is when that takes too long. */
async function statesSeen({ count, ms }) {
  const { lobby, states } = window.watched;
  const late = Date.now() + ms;
  while (states.length < count && Date.now() < late) await lobby.ping();
  return states;
}
