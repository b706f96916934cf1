// node storm.mjs {"url","relay","seed","troubles"}: two people play match after match while their connections
// are cut, moved and robbed of what is on its way, and their pages loaded anew, at random. A third, whom nothing
// befalls, keeps the record; so do the pages of the two, from one load to the next.
import assert from "node:assert/strict";
import { Board } from "./player.mjs";
import { tellStory } from "./story.mjs";
import { Trouble } from "./trouble.mjs";

await tellStory(async (story) => {
  const { relay, seed, troubles } = story.about;
  /** Every state there is, as a board; a state that changes nothing on it is one more of the same. */
  const boards = [];
  const storm = new Trouble(seed, {
    cutAndLost: (act) => cutAndLost(story, ada, act),
    leaving: (player) => check(player, boards),
  });
  const ada = await (await story.player("Ada", { url: relay, context: await recorded(story) })).enter();
  const bob = await (await story.player("Bob", { context: await recorded(story) })).enter();
  const roomId = await ada.create();
  await bob.join(roomId);
  await Promise.all([ada, bob].map((player) => player.isTold(player === ada ? "Your turn" : "Waiting for Ada")));
  for (const { page } of [ada, bob]) await page.evaluate(() => window.seen.splice(0));
  const eve = await record(story, roomId);

  boards.push(String(new Board()));
  let [order, moves, matches] = [[ada, bob], 0, 0];
  while (!storm.hadEnough(troubles)) {
    if (matches) {
      await again(storm, order, boards);
      order = order.toReversed();
    }
    const board = new Board();
    while (!board.isOver) {
      story.step(`match ${matches + 1}, move ${board.count + 1}, after ${storm.befell.at(-1) ?? "nothing"}`);
      await move(storm, order, board, boards);
      moves += 1;
    }
    matches += 1;
  }

  story.step("the record");
  const seen = await eve.evaluate(async (count) => {
    const { lobby, states, gaps } = window.record;
    const late = Date.now() + 10_000;
    while (states.length < count && Date.now() < late) await lobby.ping();
    return { states, gaps };
  }, boards.length);
  assert.deepEqual(seen.states.map(textOf), boards, "the states, each once");
  assert.equal(seen.gaps, 0);
  for (const player of [ada, bob]) {
    await check(player, boards);
    const log = await player.log();
    assert.ok(!log.some(({ type }) => ["gap", "renewed", "closed"].includes(type)), JSON.stringify(log));
  }
  return { moves, matches, befell: storm.befell };
});

/** One move, with whatever befalls either player before, while it is on its way, and before it is seen. */
async function move(storm, order, board, boards) {
  const [mover, other] = board.next === "X" ? order : order.toReversed();
  await storm.mayBefall(mover, { isFree: true });
  await storm.mayBefall(other, { isFree: true });
  const [row, col] = storm.choose(board.free);
  await storm.mayRob(mover.name === "Ada", () => mover.plays(row, col));
  board.put(row, col);
  boards.push(String(board));
  // Whoever loads the page anew now takes back what the page has not sent yet, so the mover does not.
  await Promise.all([storm.mayBefall(mover, { isFree: false }), storm.mayBefall(other, { isFree: true })]);
  await Promise.all(order.map((player) => player.sees(String(board))));
  for (const player of order) assert.equal(await player.page.locator("#room-error").textContent(), "");
}

/** Both want a rematch, and the sides are swapped. */
async function again(storm, [x, o], boards) {
  for (const player of [x, o]) {
    await storm.mayBefall(player, { isFree: true });
    await player.press("rematch");
    // The wish changes nothing on the board, and is a state of its own.
    boards.push(player === x ? boards.at(-1) : String(new Board()));
  }
  await Promise.all([x, o].map((player) => player.sees(boards.at(-1))));
}

/** Something is done while nothing gets through to Ada or from her; her connection is cut, so that it is lost. */
async function cutAndLost(story, ada, act) {
  await ada.hasState("open");
  await story.ask("unplug", { on: true });
  await act();
  // What a stalled stream holds would come after all; datagrams are gone, but do not end what they carried.
  await story.ask("cut");
  await ada.press("cut");
  await story.ask("unplug", { on: false });
}

/** A window whose pages write down every state that their room tells them, in `seen`. */
async function recorded(story) {
  const context = await story.window();
  await context.addInitScript(async () => {
    window.seen = [];
    // Every tab begins with an empty page, which has no origin.
    if (location.protocol === "about:") return;
    const { Room } = await import("/sdk/anteroom.js");
    const { on } = Room.prototype;
    const known = new WeakSet();
    Room.prototype.on = function (type, listener) {
      if (!known.has(this)) on.call(this, "game_state", (view) => window.seen.push(view));
      known.add(this);
      return on.call(this, type, listener);
    };
  });
  return context;
}

/** What the page was told since it was loaded is the end of the record, without a gap and nothing twice. */
async function check({ name, page }, boards) {
  const seen = (await page.evaluate(() => window.seen)).map(textOf);
  // The newest may be on its way.
  const ends = [boards, boards.slice(0, -1)].map((all) => (seen.length ? all.slice(-seen.length) : []));
  assert.ok(ends.some((end) => String(end) === String(seen)), `${name} was told ${seen} of ${boards}`);
}

/** Somebody who watches with the SDK and writes down every state. */
async function record(story, roomId) {
  const page = await story.tab(null, "Eve");
  await page.goto(story.about.url);
  await page.evaluate(async (roomId) => {
    const { connect } = await import("/sdk/anteroom.js");
    const lobby = await connect(undefined, { name: "Eve" });
    const room = await lobby.joinRoom(roomId, { as: "spectator" });
    const record = { lobby, states: [room.view], gaps: 0 };
    Object.assign(window, { record });
    room.on("game_state", (view) => record.states.push(view));
    room.on("gap", () => (record.gaps += 1));
  }, roomId);
  return page;
}

function textOf({ board }) {
  return board.map((row) => row.map((mark) => mark ?? ".").join("")).join("/");
}
