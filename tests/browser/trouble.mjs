// What makes a storm: cuts, switches, losses and reloads of the demo, drawn from a seed.

const KINDS = ["cut", "switch", "reload"];
const LOSSES = ["loss of a move", "loss of news"];
/** How likely something happens at each occasion, and how often everything has to have happened. */
const LIKELY = 0.2;
const EACH_MIN = 3;

/** What befalls people, at random and yet the same for the same seed. */
export class Trouble {
  befell = [];

  /**
   * @param {number} seed
   * @param {{cutAndLost: (act: () => Promise<void>) => Promise<void>, leaving: (player: any) => Promise<void>}} hooks
   *   `leaving`: somebody's page is about to be loaded anew
   */
  constructor(seed, hooks) {
    this.state = seed >>> 0;
    this.hooks = hooks;
  }

  /** The next number from 0 up to 1 (mulberry32). */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  choose(list) {
    return list[Math.floor(this.next() * list.length)];
  }

  /** Whether there were so many troubles, and enough of each kind. */
  hadEnough(count) {
    const isOften = (kind) => this.befell.filter((trouble) => trouble.startsWith(kind)).length >= EACH_MIN;
    return this.befell.length >= count && [...KINDS, ...LOSSES].every(isOften);
  }

  /** `isFree`: nothing of this player's is on its way. */
  async mayBefall(player, { isFree }) {
    if (this.next() > LIKELY) return;
    const trouble = this.choose(isFree ? KINDS : ["cut", "switch"]);
    this.befell.push(`${trouble} of ${player.name}`);
    if (trouble !== "reload") return player.press(trouble);
    await this.hooks.leaving(player);
    await player.page.reload();
  }

  /** Somebody does something that may be lost on its way: `isOwn`, by who loses the connection, or by another. */
  async mayRob(isOwn, act) {
    if (this.next() > LIKELY) return act();
    this.befell.push(isOwn ? LOSSES[0] : LOSSES[1]);
    await this.hooks.cutAndLost(act);
  }
}
