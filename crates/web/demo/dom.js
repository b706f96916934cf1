/** The few helpers that every view needs around the page's elements. Texts only ever go in as text. */

/**
 * The element with this id, which the page has.
 * @param {string} id
 */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * A new element. Children are elements or strings.
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A new SVG element; the same shape as `make`. */
export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Sets a text only when it differs: a live region that is written again is read out again.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or removes an attribute, again only when it changes. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * A sentence with a time in it that counts down. Screen readers hear the sentence once, without the number.
 * @param {Element} element
 * @param {{text: string, time?: string, rest?: string}} parts
 */
export function setCountdown(element, { text, time = "", rest = "" }) {
  if (element.textContent === text + time + rest) return;
  const [first, number, last] = element.childNodes;
  if (number?.nodeType === Node.ELEMENT_NODE && first.data === text && last.data === rest && time) {
    number.textContent = time;
    return;
  }
  element.replaceChildren(text, ...(time ? [make("span", { "aria-hidden": "true" }, time), rest] : [rest]));
}

/** How long it is to a moment of this page's clock, never less than nothing, in a unit that one can imagine. */
export function timeUntil(moment) {
  const seconds = Math.max(0, Math.ceil((moment - Date.now()) / 1000));
  if (seconds <= 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes <= 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours <= 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/**
 * The sentence for a person in whatever was thrown.
 * @param {unknown} error
 */
export function sentence(error) {
  const message = error instanceof Error ? error.message : String(error ?? "");
  return message || "Something went wrong, and nothing says what.";
}
