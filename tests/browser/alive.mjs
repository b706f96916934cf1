// Says that the program has begun. To be imported before what takes its time to load: on a busy machine that may be
// longer than a test waits for a word.
process.stdout.write(`${JSON.stringify({ at: "its modules are loaded" })}\n`);
