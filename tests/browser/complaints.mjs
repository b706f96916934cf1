// node complaints.mjs {"url"}: what a page complains about is heard, in each way that it can; or stories would be told
// to the end whatever happens.
import assert from "node:assert/strict";
import { tellStory } from "./story.mjs";

const COMPLAINTS = [
  /^error: this is wrong$/,
  /^warning: this is odd$/,
  /^exception: (Error: )?thrown$/,
  /^exception: (Error: )?rejected$/,
  /^404: http:\/\/[\d.:]+\/nothing$/,
  /^failed: http:\/\/[\d.:]+\/healthz /,
];

await tellStory(async (story) => {
  const page = await story.tab(null, "Ada");
  await page.goto(`${story.about.url}/healthz`);
  await page.evaluate(async (url) => {
    console.error("this is wrong");
    console.warn("this is odd");
    setTimeout(() => { throw new Error("thrown"); });
    void Promise.reject(new Error("rejected"));
    await fetch("/nothing");
    // Nobody listens there.
    await fetch(`${url}/healthz`).catch(() => {});
  }, story.about.gone);
  for (const complaint of COMPLAINTS) {
    await story.heard(complaint);
  }
  assert.throws(() => story.assertContent(), /this is wrong/);
  // The browser itself says something about what could not be loaded.
  story.expect(...COMPLAINTS, /^error: Failed to load resource: /);
});
