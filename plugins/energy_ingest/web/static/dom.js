// Elements from data. Text goes in as text: nothing here, nor anywhere in these pages, reads data as HTML.

/**
 * An element: `h("td", { class: "number", onclick: open }, "12")`. Attributes that are null or false are left out, true is
 * the bare attribute, functions are listeners. Children are elements, text, numbers, lists of them, or nothing.
 */
export function h(tag, attributes = {}, ...children) {
  return fill(set(document.createElement(tag), attributes), ...children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(set(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes), ...children);
}

/** Replace what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}
