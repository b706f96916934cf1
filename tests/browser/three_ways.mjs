// node three_ways.mjs {"url"}: a browser over WebTransport, one over WebSocket and the program for terminals
// at one table. Each of them plays, and each of them watches; all see the same boards to the end.
import { Board, DRAW, LEFT_COLUMN, play } from "./player.mjs";
import { tellStory } from "./story.mjs";

/** The program for terminals, whose lines the test reads and writes. */
class Terminal {
  constructor(story, name) {
    this.story = story;
    this.name = name;
  }

  start(option, roomId) {
    return this.story.ask("terminal", { name: this.name, option, room: roomId });
  }

  plays(...words) {
    return this.story.ask("type", { name: this.name, line: words.join(" ") });
  }

  sees(board) {
    return this.story.ask("sees", { name: this.name, board });
  }

  isTold(words) {
    return this.story.ask("told", { name: this.name, words });
  }
}

await tellStory(async (story) => {
  const ada = await (await story.player("Ada")).enter();
  const bob = await (await story.player("Bob")).enter();
  await bob.press("switch");
  await bob.isOver("WebSocket");
  await ada.isOver("WebTransport");

  story.step("the browsers play, the terminal watches");
  const first = await ada.create();
  await bob.join(first);
  const watcher = new Terminal(story, "Will");
  await watcher.start("--watch", first);
  await Promise.all([ada, bob].map((player) => player.watcher("Will").waitFor()));
  await play([ada, bob], LEFT_COLUMN, [watcher]);
  await watcher.isTold("Ada wins");
  await ada.press("rematch");
  await watcher.sees("XO./XO./X..");
  await bob.press("rematch");
  await Promise.all([ada, bob, watcher].map((one) => one.sees(String(new Board()))));
  await play([bob, ada], DRAW, [watcher]);
  await Promise.all([ada, bob].map((player) => player.isTold("A draw.")));

  story.step("the browser over WebSocket plays with a terminal, the one over WebTransport watches");
  for (const player of [ada, bob]) await player.press("leave");
  const second = await bob.create();
  const terminal = new Terminal(story, "Tess");
  await terminal.start("--room", second);
  await ada.watches(second);
  await bob.isTold("Your turn");
  await play([bob, terminal], LEFT_COLUMN, [ada]);
  await bob.isTold("You won.");
  await ada.isTold("Bob won.");

  story.step("the browser over WebTransport plays with the terminal, which wins");
  await bob.press("leave");
  await terminal.plays("rematch");
  await ada.press("leave");
  await ada.join(second);
  await Promise.all([ada, terminal].map((one) => one.sees(String(new Board()))));
  const isFirst = (await ada.at("status").textContent()).startsWith("Waiting for Tess");
  await bob.watches(second);
  // The second column, for whoever is the terminal.
  const order = isFirst ? [terminal, ada] : [ada, terminal];
  const moves = isFirst
    ? [[0, 1], [0, 0], [1, 1], [2, 2], [2, 1]]
    : [[0, 0], [0, 1], [2, 2], [1, 1], [1, 0], [2, 1]];
  await play(order, moves, [bob]);
  await Promise.all([ada, bob].map((one) => one.isTold("Tess won.")));
});
