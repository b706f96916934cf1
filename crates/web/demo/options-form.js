/**
 * A form made of a JSON schema, for a game's options: switches, numbers, choices and texts. What it does not understand
 * it leaves out, and the game takes its default.
 */

import { make, setAttribute } from "./dom.js";

const DEPTH_MAX = 8;

/**
 * @typedef {object} Option
 * @property {string} key
 * @property {"boolean" | "integer" | "number" | "choice" | "text"} kind
 * @property {string} label
 * @property {string} help
 * @property {boolean} isRequired
 * @property {any} [initial]
 * @property {any[]} [choices]
 * @property {number} [min]
 * @property {number} [max]
 */

/**
 * What a schema has to be asked for.
 * @param {any} schema
 * @returns {Option[]}
 */
export function optionsOf(schema) {
  const required = new Set(schema?.required ?? []);
  const all = Object.entries(schema?.properties ?? {}).map(([key, property]) => {
    const { description, ...plain } = resolved(property, schema);
    const option = optionOf(plain);
    const help = firstSentence(property.description ?? description ?? "");
    const initial = property.default ?? plain.default;
    const label = property.title ?? labelOf(key);
    return option && { key, label, help, isRequired: required.has(key), initial, ...option };
  });
  return all.filter(Boolean);
}

/**
 * Puts the fields into an element, in place of those there.
 * @param {Element} place
 * @param {any} schema
 * @returns {() => Record<string, any>} gives what is in them; what was left as the game has it is not there. It throws
 *   if something cannot be what the game takes, and says what
 */
export function showOptions(place, schema) {
  const fields = optionsOf(schema).map((option) => ({ option, ...fieldOf(option) }));
  place.replaceChildren(...fields.map(({ row }) => row));
  return () => {
    const values = {};
    for (const { option, input } of fields) {
      const value = valueOf(option, input);
      if (value !== undefined && (option.isRequired || value !== option.initial)) values[option.key] = value;
    }
    return values;
  };
}

function optionOf({ type, enum: choices, oneOf, minimum, maximum }) {
  const constants = oneOf?.every((one) => "const" in one || one.enum?.length === 1);
  if (constants) return { kind: "choice", choices: oneOf.map((one) => one.const ?? one.enum[0]) };
  if (choices) return { kind: "choice", choices: choices.filter((choice) => choice !== null) };
  if (type === "boolean") return { kind: "boolean" };
  if (type === "integer" || type === "number") return { kind: type, min: minimum, max: maximum };
  return type === "string" ? { kind: "text" } : null;
}

/** Follows references, and takes the one thing that may be there instead of nothing. */
function resolved(property, schema, depth = 0) {
  if (depth > DEPTH_MAX || !property || typeof property !== "object") return {};
  const within = (other) => ({ ...resolved(other, schema, depth + 1), ...without(property) });
  if (property.$ref) return within(schema.$defs?.[property.$ref.split("/").at(-1)]);
  const parts = property.allOf ?? (property.anyOf ?? []).filter((one) => one.type !== "null");
  if (parts.length === 1) return within(parts[0]);
  if (Array.isArray(property.type)) return { ...property, type: property.type.find((one) => one !== "null") };
  return property;
}

function without({ $ref, allOf, anyOf, ...rest }) {
  return rest;
}

function fieldOf(option) {
  const id = `option-${option.key}`;
  const help = option.help ? [make("p", { class: "soft", id: `${id}-help` }, option.help)] : [];
  const described = help.length ? { "aria-describedby": `${id}-help` } : {};
  const input = inputOf(option, { id, "data-testid": id, ...described });
  const label = make("label", { for: id }, option.label);
  const isSwitch = option.kind === "boolean";
  const parts = isSwitch ? [make("span", { class: "check" }, input, label)] : [label, input];
  return { input, row: make("div", { class: "form-row" }, ...parts, ...help) };
}

function inputOf(option, attributes) {
  const { kind, initial, min, max, choices } = option;
  if (kind === "choice") {
    const entries = choices.map((choice) => make("option", { value: String(choice) }, labelOf(String(choice))));
    const isOpen = !option.isRequired && initial === undefined;
    const none = isOpen ? [make("option", { value: "" }, "As the game has it")] : [];
    const select = make("select", attributes, ...none, ...entries);
    if (initial !== undefined && initial !== null) select.value = String(initial);
    return select;
  }
  const type = { boolean: "checkbox", text: "text" }[kind] ?? "number";
  const input = make("input", { type, autocomplete: "off", ...attributes });
  if (kind === "boolean") input.checked = initial === true;
  else if (initial !== undefined && initial !== null) input.value = String(initial);
  else if (option.isRequired && min !== undefined) input.value = String(min);
  if (kind === "number") input.step = "any";
  if (min !== undefined && type === "number") input.min = String(min);
  if (max !== undefined && type === "number") input.max = String(max);
  return input;
}

function valueOf(option, input) {
  const { kind, choices } = option;
  if (kind === "boolean") return input.checked;
  check(option, input);
  if (input.value === "") return undefined;
  if (kind === "choice") return choices.find((choice) => String(choice) === input.value);
  return kind === "text" ? input.value : Number(input.value);
}

/** Numbers have to be numbers, in their range. */
function check({ kind, label, min, max }, input) {
  const isFine = input.validity.valid;
  setAttribute(input, "aria-invalid", isFine ? null : "true");
  if (isFine) return;
  input.focus();
  const number = kind === "integer" ? "a whole number" : "a number";
  const range = [min !== undefined && `from ${min}`, max !== undefined && `to ${max}`].filter(Boolean).join(" ");
  throw new Error(`${label}: ${[number, range].filter(Boolean).join(" ")} is needed.`);
}

function labelOf(key) {
  const words = key.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What else it says, and how it links to other things there, is for those who read the game's source. */
function firstSentence(text) {
  const plain = text.replaceAll("\n", " ").replace(/\[`?([^`\]]+)`?\]/g, "$1");
  return plain.match(/^.*?\.(?= |$)/)?.[0] ?? plain;
}
