// What all pages are made of: the frame, tables, badges, messages, dialogs.

import { airflow } from "./api.js";
import { fill, h } from "./dom.js";
import { stateName } from "./format.js";

const PAGES = {
  coverage: "Coverage",
  jobs: "Import jobs",
  quality: "Quality",
  restatements: "Restatements",
  health: "Health and KPIs",
};

/** Put the frame around a page; gives its main element. */
export function frame(page) {
  const links = Object.entries(PAGES).map(([name, title]) =>
    h("a", { href: `${name}.html`, "aria-current": name === page && "page" }, title),
  );
  const main = h("main", { id: "main", tabindex: "-1" });
  document.body.prepend(
    h("a", { class: "skip", href: "#main" }, "Skip to the content"),
    h("header", { class: "page" }, h("h1", {}, PAGES[page]), h("nav", { "aria-label": "Energy pages" }, links)),
    main,
    h("div", { id: "toast", role: "status", "aria-live": "polite" }),
  );
  return main;
}

/** Parameters of the page's own address. */
export const parameters = () => Object.fromEntries(new URLSearchParams(location.search));

/** Keep what is shown in the address, so that it can be sent to somebody; empty values are left out. */
export function remember(values) {
  const kept = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  history.replaceState(null, "", `${location.pathname}${kept.length ? `?${new URLSearchParams(kept)}` : ""}`);
}

/**
 * Do this now, and again every so many seconds while the page is looked at, as long as it is `alive`. What goes wrong is given to
 * `failed`. The function that is given back does it at once.
 */
export function every(seconds, work, failed, alive = () => true) {
  let turn = 0;
  const wait = (mine) => setTimeout(() => {
    if (mine === turn && alive()) (document.hidden ? wait : again)(mine);
  }, seconds * 1000);
  const again = async () => {
    const mine = ++turn;
    await work().catch(failed);
    wait(mine);
  };
  again();
  return again;
}

/** Show what `load` gives in a place: first that it is awaited, then it, or what went wrong and a way to try again. */
export async function show(place, load) {
  if (!place.hasChildNodes()) fill(place, h("p", { class: "empty", role: "status" }, "Loading …"));
  place.setAttribute("aria-busy", "true");
  try {
    fill(place, await load());
  } catch (error) {
    fill(place, trouble(error, () => show(place, load)));
  }
  place.removeAttribute("aria-busy");
}

/** What went wrong. */
export function trouble(error, retry) {
  if (error.status === undefined) console.error(error); // not the API's: a mistake of ours
  const again = retry && h("p", {}, h("button", { onclick: retry }, "Try again"));
  return h("div", { class: "note bad", role: "alert" }, h("p", {}, error.message), again);
}

/** Say something for a moment, also to screen readers. */
export function say(kind, ...what) {
  const note = h("div", { class: `note ${kind}` }, what);
  document.getElementById("toast").append(note);
  setTimeout(() => note.remove(), 12_000);
}

/** Nothing there, and why. */
export const nothing = (...why) => h("p", { class: "empty" }, why);

/** A word with a colour; `kind` is good, bad, warn, busy or nothing. */
export const badge = (kind, ...what) => h("span", { class: `badge ${kind}` }, what);

/** The little square of a state, in the calendar and wherever the state is named. */
export const square = (state) => h("span", { class: "cell", "data-state": state, "aria-hidden": "true" });

/** A state: its square and its name. */
export const stateMark = (state) => h("span", { class: "row nowrap" }, square(state), stateName(state));

/** A name and a value for each. */
export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

/** A table: columns are [title, cell of a row, class]. */
export function table(caption, columns, rows, { captionShown = false } = {}) {
  const head = columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title));
  const body = rows.map((row) => h("tr", {}, columns.map(([, cell, kind]) => h("td", { class: kind }, cell(row)))));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h("table", { class: "list" },
      h("caption", { class: captionShown ? "" : "visually-hidden" }, caption),
      h("thead", {}, h("tr", {}, head)),
      h("tbody", {}, body)));
}

/** Text in one line, all of it on hovering. */
export const clip = (text) => h("span", { class: "clip", title: text }, text);

/** A choice: options are [value, name]. */
export function choice(label, name, options, value, onchange) {
  const select = h("select", { name, onchange: onchange && (() => onchange(select.value)) },
    options.map(([key, title]) => h("option", { value: key, selected: key === value }, title)));
  return h("label", { class: "field" }, label, select);
}

/** A link into Airflow: in the page around this one, which this frame may not open links in by itself. */
export function airflowLink(parts, ...what) {
  const href = airflow(...parts).href;
  const open = (event) => {
    if (parent === window) return;
    event.preventDefault();
    const link = parent.document.createElement("a");
    link.href = href;
    link.click();
  };
  return h("a", { href, onclick: open }, what);
}

let dialogs = 0;

/** A dialog with a title; closed by Escape, by its button, or by `close`. Focus goes back to where it was. */
export function dialog(title, { narrow = false, onclose } = {}) {
  const id = `dialog-${(dialogs += 1)}`; // one may ask a question about another
  const body = h("div", { class: "body" });
  const foot = h("div", { class: "foot", hidden: true });
  const element = h("dialog", { class: narrow && "narrow", "aria-labelledby": id },
    h("div", { class: "head" },
      h("h2", { id }, title),
      h("button", { class: "plain", "aria-label": "Close", onclick: () => element.close() }, "✕")),
    body, foot);
  element.addEventListener("close", () => {
    element.remove();
    onclose?.();
  });
  document.body.append(element);
  element.showModal();
  return { element, body, foot, close: () => element.close() };
}

/**
 * Ask before something is done, and do it: `act` is given what the person wrote, if `note` asks for something.
 * The dialog stays open, with the reason, where it is refused.
 */
export function confirm(title, explanation, verb, act, { danger = false, note } = {}) {
  const { body, foot, close } = dialog(title, { narrow: true });
  const message = h("div");
  const text = note && h("textarea", { rows: "3", maxlength: "500" });
  const yes = h("button", { class: danger ? "danger" : "primary" }, verb);
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    try {
      await act(text?.value.trim() ?? "");
      close();
    } catch (error) {
      fill(message, trouble(error));
      yes.disabled = false;
    }
  });
  fill(body, h("div", {}, explanation), note && h("label", {}, note, text), message);
  fill(foot, h("button", { onclick: close }, "Cancel"), yes);
  foot.hidden = false;
  (text ?? yes).focus();
}
