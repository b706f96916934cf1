/** Tests that need something that may not be there: skipped with a reason, unless everything has to be there. */

const mustNotSkip = /^(1|true)$/.test(process.env.CI ?? "");

/**
 * The reason to skip a test, or false. Where nothing may be skipped the test is run, and fails.
 *
 * @param {unknown} isThere @param {string} reason @returns {string|false}
 */
export const missing = (isThere, reason) => (isThere || mustNotSkip ? false : reason);
