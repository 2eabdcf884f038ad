// A year by day: weeks are columns, weekdays rows. One cell can be tabbed to, arrows move on from there.

import { fill, h } from "./dom.js";
import { counted, day as dayName, stateName } from "./format.js";

const DAY = 86_400_000;
const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const STEPS = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -7, ArrowRight: 7, PageUp: -28, PageDown: 28 };

/**
 * The grid of a year. `days` is the API's: date to state, number of windows and counts; `open(date)` is called for a day that has an
 * entry. `draw(days)` on what is given back shows new states and leaves the focus where it is.
 */
export function calendar(label, year, days, open) {
  const first = Date.UTC(year, 0, 1);
  const length = (Date.UTC(year + 1, 0, 1) - first) / DAY;
  const lead = (new Date(first).getUTCDay() + 6) % 7; // days of the first week that are last year's
  const weeks = Math.ceil((lead + length) / 7);
  const dates = Array.from({ length }, (_, place) => new Date(first + place * DAY).toISOString().slice(0, 10));
  const cells = dates.map((date) => h("td", { tabindex: "-1", "data-date": date }, h("span", { class: "cell", "aria-hidden": "true" })));

  const rows = WEEKDAYS.map((name, weekday) => {
    const places = Array.from({ length: weeks }, (_, week) => week * 7 + weekday - lead);
    const shown = h("th", { scope: "row" }, weekday % 2 ? h("span", { class: "visually-hidden" }, name) : name);
    return h("tr", {}, shown, places.map((place) => cells[place] ?? h("td", {})));
  });
  const grid = h("table", { class: "calendar", role: "grid", "aria-label": label, "aria-readonly": "true" },
    h("thead", {}, h("tr", {}, h("td", {}), months(year, lead, weeks))),
    h("tbody", {}, rows));

  let current = 0;
  const go = (place, focus = true) => {
    cells[current].tabIndex = -1;
    current = Math.min(Math.max(place, 0), length - 1);
    cells[current].tabIndex = 0;
    if (focus) cells[current].focus();
  };

  grid.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") choose(dates[current]);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(length - 1);
    else if (event.key in STEPS) go(current + STEPS[event.key]);
    else return;
    event.preventDefault();
  });
  grid.addEventListener("click", (event) => {
    const date = event.target.closest("td")?.dataset.date;
    if (!date) return;
    go(dates.indexOf(date));
    choose(date);
  });
  const choose = (date) => grid.days[date] && open(date);

  grid.draw = (known) => {
    grid.days = known;
    cells.forEach((cell, place) => {
      const entry = known[dates[place]];
      const state = entry?.state ?? "none";
      if (cell.firstChild.dataset.state === state && cell.title) return;
      cell.firstChild.dataset.state = state;
      cell.title = `${dayName(dates[place])}: ${entry ? described(entry) : "nothing expected"}`;
      cell.setAttribute("aria-label", cell.title);
    });
  };
  grid.draw(days);
  const last = dates.findLastIndex((date) => date in days);
  go(last < 0 ? 0 : last, false);
  return grid;
}

/** `missing, 2 of 48 windows`. */
function described({ state, windows, counts }) {
  if (windows === 1) return stateName(state);
  return counts[state] === windows
    ? `${stateName(state)}, ${counted(windows, "window")}`
    : `${stateName(state)}, ${counts[state] ?? "some"} of ${counted(windows, "window")}`;
}

/** Names of the months over their first week that begins in them; January over the first. */
function months(year, lead, weeks) {
  const starts = MONTHS.map((_, month) => (month ? Math.ceil((lead + (Date.UTC(year, month, 1) - Date.UTC(year, 0, 1)) / DAY) / 7) : 0));
  return starts.map((start, month) => h("th", { scope: "col", colspan: (starts[month + 1] ?? weeks) - start }, MONTHS[month]));
}

/** The signs and their meaning. */
export function legend(states, names, square) {
  const items = states.map((state) => h("li", { title: names[state]?.[1] }, square(state), names[state]?.[0] ?? state));
  return fill(h("ul", { class: "legend", "aria-label": "What the colours mean" }), items);
}
