// Makes elements. Strings become text nodes or attributes only, never markup.

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-") && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);

export const svg = (tag, properties, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), mapped(properties), children);

// An SVG element's properties are objects; attributes take strings.
const mapped = (properties) => Object.fromEntries(Object.entries(properties ?? {}).map(([k, v]) => [k, String(v)]));

// Says whether a part of the page is being made anew: from what the visitor does on, not from the first answer on.
export function busy(element, is) {
  if (is) element.setAttribute("aria-busy", "true");
  else element.removeAttribute("aria-busy");
}

let ids = 0;
export const uniqueId = (prefix) => `${prefix}-${++ids}`;

// Tells screen readers about a change elsewhere on the page.
export function announce(text) {
  document.getElementById("status").textContent = text;
}
