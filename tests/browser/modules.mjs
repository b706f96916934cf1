// node modules.mjs {"url"}: what modules of the page make of what they are given: QR codes, forms of schemas, menus.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { tellStory } from "./story.mjs";

/** Made by the Python package qrcode 8: a text, how often, the mask, the size, and the SHA-256 of its rows of 0 and 1. */
const CODES = [
  ["Anteroom", 1, 0, 21, "f2be8feba7d55841f874b818c150f99a0af19432f46a7f34119d956bb24ccc99"],
  ["Anteroom", 1, 5, 21, "be65bb6dc4a456fa7e2721596f52b94e6529cb41ff05795a1e442fe452cecb54"],
  [
    "https://play.example.com/#room=0123456789&invite=ABCDEFGHJKMNPQRSTVWX", 1, 2, 37,
    "0e96cfb4e57b2ab4014aef16b493f083fe14747f10bb214cebc5dda2f6e7a24e",
  ],
  ["y", 150, 3, 49, "eeed497bb347a6ac5404b0ed47767be1f034facb07bd6db5fa50d2213dbac748"],
  ["z", 200, 4, 57, "2cd450ce361da09f326d697046d11aa44f16ee3db60c0b356fc02acd0be5f7e0"],
  ["é", 150, 6, 69, "e2fe9ebdb9e30e5e6b38aaf3a602080b43affec8a9438ca2c6a987e28abbd9e5"],
  ["w", 330, 7, 69, "737848268804335d79bc3f98f6ceca778c6af4660af1b6e920d8d665b4fa4817"],
];

/** What schemars makes of options. */
const SCHEMA = {
  type: "object",
  required: ["rounds"],
  properties: {
    mode: { $ref: "#/$defs/Mode", description: "How it is\nplayed, up to [`ROUNDS`]. In detail." },
    rounds: { type: "integer", format: "uint8", minimum: 1, maximum: 9, title: "How many rounds" },
    house_rules: { type: "boolean", default: false },
    limit: { type: ["integer", "null"], minimum: 0 },
    other: { anyOf: [{ $ref: "#/$defs/Mode" }, { type: "null" }] },
    level: { type: "string", enum: ["low", "high"] },
    endless: { $ref: "#/$defs/Endless" },
    list: { type: "array", items: { type: "integer" } },
  },
  $defs: {
    Mode: { oneOf: [{ const: "classic", type: "string" }, { const: "quick_fire", type: "string" }] },
    Endless: { $ref: "#/$defs/Endless" },
  },
};
const OPTIONS = [
  {
    key: "mode", kind: "choice", label: "Mode", help: "How it is played, up to ROUNDS.", isRequired: false,
    choices: ["classic", "quick_fire"],
  },
  { key: "rounds", kind: "integer", label: "How many rounds", help: "", isRequired: true, min: 1, max: 9 },
  { key: "house_rules", kind: "boolean", label: "House rules", help: "", isRequired: false, initial: false },
  { key: "limit", kind: "integer", label: "Limit", help: "", isRequired: false, min: 0 },
  { key: "other", kind: "choice", label: "Other", help: "", isRequired: false, choices: ["classic", "quick_fire"] },
  { key: "level", kind: "choice", label: "Level", help: "", isRequired: false, choices: ["low", "high"] },
];

await tellStory(async (story) => {
  const page = await story.tab(null, "a page");
  await page.goto(story.about.url);

  story.step("QR codes are those of others, square by square");
  for (const [text, times, mask, size, hash] of CODES) {
    const rows = await page.evaluate(async ([text, mask]) => {
      const { qrCode } = await import("/demo/qr.js");
      return qrCode(text, mask).map((row) => row.map(Number).join(""));
    }, [text.repeat(times), mask]);
    assert.equal(rows.length, size, text);
    assert.equal(createHash("sha256").update(rows.join("\n")).digest("hex"), hash, text);
  }

  story.step("the mask is the best of the eight, and what is too long has no code");
  const [own, masked, none] = await page.evaluate(async () => {
    const { qrCode } = await import("/demo/qr.js");
    const masked = Array.from({ length: 8 }, (_, mask) => qrCode("Anteroom", mask));
    return [JSON.stringify(qrCode("Anteroom")), masked.map((code) => JSON.stringify(code)), qrCode("x".repeat(500))];
  });
  assert.ok(masked.includes(own));
  assert.equal(none, null);

  story.step("a schema's options become fields, and what they say is what the game is asked for");
  const read = await page.evaluate(async (schema) => {
    const { optionsOf, showOptions } = await import("/demo/options-form.js");
    const place = document.createElement("div");
    const values = showOptions(place, schema);
    const before = values();
    place.querySelector("#option-mode").value = "quick_fire";
    place.querySelector("#option-rounds").value = "7";
    place.querySelector("#option-house_rules").checked = true;
    const [none, odd] = [optionsOf(undefined), optionsOf({ properties: { a: true } })];
    return { options: optionsOf(schema), before, after: values(), none, odd };
  }, SCHEMA);
  // What is undefined is not there in either.
  assert.deepEqual(JSON.parse(JSON.stringify(read.options)), OPTIONS);
  assert.deepEqual(read.before, { rounds: 1 });
  assert.deepEqual(read.after, { mode: "quick_fire", rounds: 7, house_rules: true });
  assert.deepEqual([read.none, read.odd], [[], []]);

  story.step("an open menu stays open while it is about the same, and does what it says now");
  const menu = await page.evaluate(async () => {
    const { createMenu } = await import("/demo/menu.js");
    const done = [];
    const { element, show } = createMenu();
    document.body.append(element);
    const of = (who, ...names) => show(who, who, names.map((name) => [name, name, () => done.push(`${name} ${who}`)]));
    const press = (name) => element.querySelector(`[data-testid=${name}]`).click();
    const seen = [];
    const see = () => seen.push([element.hidden, element.open, document.activeElement.textContent]);
    of("Ada", "mute", "ban");
    element.open = true;
    element.querySelector("[data-testid=mute]").focus();
    of("Ada", "unmute", "ban");
    see();
    of("Bob", "unmute", "ban");
    see();
    element.open = true;
    press("ban");
    see();
    of(null);
    return { done, seen, isHidden: element.hidden };
  });
  assert.deepEqual(menu.done, ["ban Bob"]);
  assert.deepEqual(menu.seen, [[false, true, "unmute"], [false, false, "⋯"], [false, false, "⋯"]]);
  assert.ok(menu.isHidden);
});
