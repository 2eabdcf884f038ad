// Restatements: how the values of a settlement date moved between settlement runs.

import { get } from "./api.js";
import { line } from "./chart.js";
import { fill, h } from "./dom.js";
import { counted, day, instant, number, signed, words } from "./format.js";
import { badge, choice, dialog, every, frame, nothing, parameters, remember, table, trouble } from "./parts.js";

const SECONDS = 60;
const PAGE = 50;
const DATASETS = [["elexon_b1610", "Generation (B1610)"], ["elexon_system_prices", "System prices"]];
const RUNS = {
  II: "Interim Information", SF: "Initial Settlement", R1: "First Reconciliation", R2: "Second Reconciliation", R3: "Third Reconciliation",
  RF: "Final Reconciliation", DF: "Dispute Final",
};

const main = frame("restatements");
const wanted = { dataset: DATASETS[0][0], column: "", settlement_date: "", ...parameters() };
const places = Object.fromEntries(["controls", "moves", "rows"].map((name) => [name, h("section")]));
let pages = 1;
let drawn = "";
fill(main, Object.values(places));
const refresh = every(SECONDS, draw, (error) => {
  drawControls({ columns: [], settlement_date: wanted.settlement_date });
  fill(places.moves);
  fill(places.rows, trouble(error, () => refresh()));
});

async function draw() {
  const key = JSON.stringify(wanted);
  let shown = null;
  for (let page = 0; page < pages && (page === 0 || shown.next); page += 1) {
    const answer = await get("restatements", { ...wanted, limit: PAGE, cursor: shown?.next });
    shown = { ...answer, rows: [...(shown?.rows ?? []), ...answer.rows] };
  }
  const now = JSON.stringify(shown);
  if (key !== JSON.stringify(wanted) || now === drawn) return; // another choice was made meanwhile, or nothing has changed
  drawn = now;
  drawControls(shown);
  drawMoves(shown);
  drawRows(shown);
}

function choose(values) {
  Object.assign(wanted, values);
  pages = 1;
  drawn = "";
  remember(wanted);
  refresh();
}

function keepFocus(place, ...what) {
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  fill(place, what);
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]:not(:disabled)`)?.focus();
}

function drawControls({ columns, column, settlement_date: date, date_before: before, date_after: after }) {
  const go = (to) => () => choose({ settlement_date: to });
  const picked = h("input", { type: "date", name: "settlement_date", value: date ?? "", "data-key": "date", required: true });
  picked.addEventListener("change", () => picked.value && choose({ settlement_date: picked.value }));
  const form = h("form", { class: "row", "aria-label": "What is shown", onsubmit: (event) => event.preventDefault() },
    choice("Dataset", "dataset", DATASETS, wanted.dataset, (dataset) => choose({ dataset, column: "", settlement_date: "" })),
    columns.length > 1 && choice("Value", "column", columns.map((name) => [name, words(name)]), column, (name) => choose({ column: name })),
    h("button", { type: "button", "aria-label": "Restated date before", "data-key": "before", onclick: go(before), disabled: !before }, "‹"),
    h("label", { class: "field" }, "Settlement date", picked),
    h("button", { type: "button", "aria-label": "Restated date after", "data-key": "after", onclick: go(after), disabled: !after }, "›"));
  for (const select of form.querySelectorAll("select")) select.dataset.key = select.name;
  keepFocus(places.controls, form);
}

const runName = (run) => (RUNS[run] ? h("span", { title: RUNS[run] }, run) : `version ${run}`);

function drawMoves({ dataset, settlement_date: date, moves, unit }) {
  if (!date) return fill(places.moves, h("div", { class: "card" }, nothing(`No value of ${dataset} has ever moved: each is as it was first loaded.`)));
  const head = h("div", { class: "row" }, h("h2", {}, `What moved of ${day(date)}`), moves.length > 0 && badge("", counted(moves.reduce((sum, one) => sum + one.values, 0), "change")));
  if (!moves.length) return fill(places.moves, h("div", { class: "card" }, head, nothing("No value of this date has moved since it was first loaded.")));
  return keepFocus(places.moves, h("div", { class: "card" }, head, table("By run", [
    ["Moved by", (one) => [runName(one.run), RUNS[one.run] && h("span", { class: "small muted" }, ` ${RUNS[one.run]}`)]],
    ["Values", (one) => number(one.values), "number"],
    [`Net change, ${unit}`, (one) => signed(one.net_change), "number"],
    [`All changes added up, ${unit}`, (one) => number(Number(one.gross_change)), "number"],
    ["Known from", (one) => h("span", { class: "nowrap" }, instant(one.first_known))],
    ["to", (one) => h("span", { class: "nowrap" }, instant(one.last_known))],
  ], moves)));
}

function drawRows(shown) {
  const { rows, next, unit } = shown;
  if (!rows.length) return fill(places.rows);
  const runs = Object.keys(RUNS).filter((run) => rows.some((row) => (row.runs?.[run] ?? null) !== null));
  return keepFocus(places.rows, h("div", { class: "card" }, h("h2", {}, `Values in ${unit}, those that moved furthest first`), table("Values that moved", [
    ["Half hour", (row) => h("button", { class: "link", "data-key": keyOf(row), "aria-haspopup": "dialog", onclick: () => openRow(shown, row) }, number(row.settlement_period))],
    ...(rows[0].bm_unit === undefined ? [] : [["Unit", (row) => h("span", { class: "mono" }, row.bm_unit)]]),
    ["Moved by", (row) => row.moved, "number"],
    ...(runs.length ? runs.map((run) => [run, (row) => ofRun(row, run), "number"]) : [
      ["First", (row) => row.versions[0].value ?? "–", "number"],
      ["Newest", (row) => row.versions.at(-1).value ?? "–", "number"],
    ]),
    ["Versions", (row) => number(row.versions.length), "number"],
  ], rows), next && h("p", { class: "row" }, h("button", { "data-key": "more", onclick: more }, "Show more"))));
}

const keyOf = (row) => `row ${row.settlement_period} ${row.bm_unit ?? ""}`;

/** The value of a run: in bold where the run moved it, grey where it only confirmed. */
function ofRun(row, run) {
  const value = row.runs[run];
  if (value === null) return h("span", { class: "muted" }, "–");
  const step = row.versions.find((version) => version.run === run && version.change !== null && Number(version.change) !== 0);
  return step ? h("strong", { title: `moved by ${signed(step.change)}` }, value) : h("span", { class: "muted", title: row.versions[0].run === run ? "first" : "confirmed" }, value);
}

function more() {
  pages += 1;
  refresh();
}

function openRow({ settlement_date: date, unit }, row) {
  const { body } = dialog(`${row.bm_unit ? `${row.bm_unit}, ` : ""}half hour ${row.settlement_period} of ${day(date)}`);
  const points = row.versions.filter(({ value }) => value !== null).map(({ known_from: at, run, value }) => [`${instant(at).slice(0, 10)} ${run ?? ""}`, Number(value)]);
  fill(body,
    points.length > 1 && line(`The value over its versions, ${unit}`, points),
    table("Versions", [
      ["Run", ({ run }) => (run === null ? "–" : runName(run))],
      [`Value, ${unit}`, ({ value }) => value ?? "–", "number"],
      ["Change", ({ change }) => (change === null ? "first" : signed(change)), "number"],
      ["Known from", ({ known_from: at }) => h("span", { class: "nowrap" }, instant(at))],
      ["Known to", ({ known_to: at }) => h("span", { class: "nowrap" }, at ? instant(at) : "now")],
    ], row.versions));
}
