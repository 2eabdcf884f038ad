// Quality: what breaks a rule, by dataset and severity; how many issues there were; and saying that somebody knows.

import { get, post } from "./api.js";
import { bars } from "./chart.js";
import { fill, h } from "./dom.js";
import { counted, day, instant, number, words } from "./format.js";
import { badge, choice, confirm, dialog, every, facts, frame, nothing, parameters, remember, say, table, trouble } from "./parts.js";

const SECONDS = 30;
const PAGE = 50;
const SEVERITY = { red: "bad", amber: "warn" };
const STATE = { open: "bad", acknowledged: "busy", resolved: "good" };
const DAYS = [["7", "a week"], ["30", "30 days"], ["90", "90 days"], ["366", "a year"]];

const main = frame("quality");
const wanted = { dataset: "", severity: "", state: "", days: "30", ...parameters() };
const places = Object.fromEntries(["counts", "trend", "controls", "issues"].map((name) => [name, h("section")]));
let datasets = []; // those that have issues now, for the choice
let pages = 1; // as many as were asked for are kept up to date
places.issues.setAttribute("aria-label", "Issues");
fill(main, Object.values(places));
const refresh = every(SECONDS, draw, (error) => fill(places.issues, trouble(error, () => refresh())));

async function draw() {
  const key = JSON.stringify(wanted);
  const { dataset, severity, state, days } = wanted;
  const [trend, first] = await Promise.all([get("quality/trend", { dataset, days }), issues({ dataset, severity, state })]);
  if (key !== JSON.stringify(wanted)) return; // another choice was made meanwhile
  drawCounts(first.counts);
  drawTrend(trend.days);
  drawControls(first.counts);
  drawIssues(first.issues, first.next);
}

async function issues(filters) {
  const found = { issues: [], next: null, counts: [] };
  for (let page = 0; page < pages && (page === 0 || found.next); page += 1) {
    const answer = await get("quality/issues", { ...filters, limit: PAGE, cursor: found.next });
    found.issues.push(...answer.issues);
    found.next = answer.next;
    found.counts = answer.counts;
  }
  return found;
}

function choose(values) {
  Object.assign(wanted, values);
  pages = 1;
  remember(wanted);
  refresh();
}

/** Draw again, and leave the focus on what it was on. */
function keepFocus(place, ...what) {
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  fill(place, what);
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function drawCounts(counts) {
  const open = counts.reduce((sum, one) => sum + one.open, 0);
  const head = h("div", { class: "row" }, h("h2", {}, "Open issues"), badge(open ? (counts.some((one) => one.severity === "red" && one.open) ? "bad" : "warn") : "good", counted(open, "issue")));
  if (!counts.length) return keepFocus(places.counts, h("div", { class: "card" }, head, nothing("Nothing that was checked breaks a rule. The DAG data_quality checks after each load.")));
  const link = (one) => h("button", { class: "link", "data-key": `${one.dataset} ${one.severity}`, onclick: () => choose({ dataset: one.dataset, severity: one.severity, state: "" }) }, one.dataset);
  return keepFocus(places.counts, h("div", { class: "card" }, head, table("Issues that hold now, by dataset and severity", [
    ["Severity", (one) => badge(SEVERITY[one.severity], one.severity)],
    ["Dataset", link],
    ["Open", (one) => number(one.open), "number"],
    ["Acknowledged", (one) => number(one.acknowledged), "number"],
    ["Values at fault", (one) => number(one.values), "number"],
  ], counts)));
}

function drawTrend(days) {
  const last = days.at(-1);
  const head = h("div", { class: "row ends" }, h("h2", {}, "Trend"),
    h("div", { class: "row" },
      h("ul", { class: "legend", "aria-label": "What the colours mean" }, h("li", {}, badge("bad", "red")), h("li", {}, badge("warn", "amber"))),
      choice("Over", "days", DAYS, wanted.days, (value) => choose({ days: value }))));
  const chart = bars(`Unresolved issues at the end of each day, ${wanted.dataset || "all datasets"}`, days.map((one) => [one.day, [["bad", one.open_red, "red"], ["warn", one.open - one.open_red, "amber"]]]));
  const open = places.trend.querySelector("details")?.open;
  const sum = (name) => number(days.reduce((total, one) => total + one[name], 0));
  const rows = h("details", { open }, h("summary", { "data-key": "days" }, "By day"), table("Issues by day", [
    ["Day", (one) => h("span", { class: "nowrap" }, day(one.day))],
    ["Came up", (one) => number(one.opened), "number"],
    ["Came right", (one) => number(one.resolved), "number"],
    ["Unresolved at its end", (one) => number(one.open), "number"],
    ["of which red", (one) => number(one.open_red), "number"],
  ], [...days].reverse()));
  keepFocus(places.trend, h("div", { class: "card" }, head, chart,
    h("p", { class: "small muted" }, `${sum("opened")} came up and ${sum("resolved")} came right; ${counted(last.open, "issue")} unresolved today.`), rows));
  places.trend.querySelector("select").dataset.key = "over";
}

function drawControls(counts) {
  const names = [...new Set([...datasets, ...counts.map((one) => one.dataset), wanted.dataset].filter(Boolean))].sort();
  if (places.controls.hasChildNodes() && names.join() === datasets.join() && places.controls.dataset.chosen === JSON.stringify(wanted)) return;
  datasets = names;
  places.controls.dataset.chosen = JSON.stringify(wanted);
  const all = (values) => [["", "all"], ...values.map((value) => [value, words(value)])];
  const change = (name) => (value) => choose({ [name]: value });
  const form = h("form", { class: "row", role: "search", "aria-label": "Filter the issues", onsubmit: (event) => event.preventDefault() },
    choice("Dataset", "dataset", [["", "all"], ...names.map((name) => [name, name])], wanted.dataset, change("dataset")),
    choice("Severity", "severity", all(Object.keys(SEVERITY)), wanted.severity, change("severity")),
    choice("State", "state", [["", "unresolved"], ...Object.keys(STATE).map((state) => [state, state])], wanted.state, change("state")));
  for (const select of form.querySelectorAll("select")) select.dataset.key = select.name;
  keepFocus(places.controls, form);
}

function drawIssues(found, next) {
  if (!found.length) {
    const filtered = wanted.dataset || wanted.severity || wanted.state;
    return fill(places.issues, h("div", { class: "card" }, nothing(filtered ? "No issue matches these filters." : "No issue is unresolved.")));
  }
  return keepFocus(places.issues, h("div", { class: "card" }, table("Issues, red ones first, then the newest day", [
    ["Severity", (one) => badge(SEVERITY[one.severity], one.severity)],
    ["Dataset", (one) => one.dataset],
    ["Rule", (one) => h("button", { class: "link", "data-key": `open ${one.issue_id}`, "aria-haspopup": "dialog", onclick: () => openIssue(one) }, h("span", { class: "nowrap" }, words(one.rule)))],
    ["About", (one) => h("span", { class: "mono nowrap" }, one.subject)],
    ["Day", (one) => h("span", { class: "nowrap" }, day(one.day))],
    ["Values", (one) => number(one.value_count), "number"],
    ["Since", (one) => h("span", { class: "nowrap" }, instant(one.first_seen))],
    ["State", (one) => [badge(STATE[one.state], one.state), one.acknowledged_by && h("span", { class: "small muted" }, ` ${one.acknowledged_by}${one.note ? `: ${one.note}` : ""}`)]],
    ["Action", (one) => one.may_acknowledge && h("button", { "data-key": `know ${one.issue_id}`, onclick: () => offer(one) }, "Acknowledge")],
  ], found),
  next && h("p", { class: "row" }, h("button", { "data-key": "more", onclick: more }, "Show more"))));
}

function more() {
  pages += 1;
  refresh();
}

const named = (one) => `${one.dataset}, ${words(one.rule)}, ${one.subject}, ${day(one.day)}`;

function offer(one, then) {
  const explanation = [
    h("p", {}, named(one)),
    h("p", { class: "muted" }, "Somebody knows: it closes no gate and sends no alert any more, until it comes back or grows. When the data comes right, it resolves itself."),
  ];
  confirm("Acknowledge?", explanation, "Acknowledge", async (note) => {
    await post(`quality/issues/${one.issue_id}/acknowledge`, { note });
    say("good", `${named(one)}: acknowledged.`);
    then?.();
    refresh();
  }, { note: "What whoever wonders should know" });
}

function openIssue(one) {
  const shown = dialog(`${words(one.rule)}: ${one.rule_doc || one.dataset}`);
  const inCoverage = one.dataset !== "meter_files" && `coverage.html?${new URLSearchParams({ dataset: one.dataset, year: one.day.slice(0, 4), day: one.day })}`;
  fill(shown.body,
    h("div", { class: "row" }, badge(SEVERITY[one.severity], one.severity), badge(STATE[one.state], one.state)),
    facts([
      ["Dataset", one.dataset],
      ["About", h("span", { class: "mono" }, one.subject)],
      ["Day", [day(one.day), inCoverage && [" · ", h("a", { href: inCoverage }, "its windows")]]],
      ["Values at fault", number(one.value_count)],
      ["Seen", `${instant(one.first_seen)} to ${instant(one.last_seen)}${one.occurrences > 1 ? `, came up ${number(one.occurrences)} times` : ""}`],
      one.acknowledged_at && ["Acknowledged", `${instant(one.acknowledged_at)} by ${one.acknowledged_by}${one.note ? `: ${one.note}` : ""}`],
      one.resolved_at && ["Resolved", instant(one.resolved_at)],
    ]),
    one.items.length > 0 && table("Values at fault", [
      [itemTitle(one), (item) => itemName(one, item.item)],
      ["Is", (item) => item.value ?? "not there", "number"],
      ["Should be", (item) => item.expected ?? "–", "number"],
    ], one.items),
    one.value_count > one.items.length && one.items.length > 0 && h("p", { class: "small muted" }, `The first ${number(one.items.length)} of ${number(one.value_count)}.`));
  if (!one.may_acknowledge) return;
  fill(shown.foot, h("button", { class: "primary", onclick: () => offer(one, shown.close) }, "Acknowledge"));
  shown.foot.hidden = false;
}

const itemTitle = (one) => (one.dataset === "national_gas_quality" ? "Time (UTC)" : one.rule === "missing_day" ? "Date" : "Half hour");

/** Number of a settlement period, minute of a UTC day, or a date as a number. */
function itemName(one, item) {
  if (one.rule === "missing_day") return day(item.replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3"));
  if (one.dataset === "national_gas_quality") return `${String(Math.floor(item / 60)).padStart(2, "0")}:${String(item % 60).padStart(2, "0")}Z`;
  return item === "0" ? "the day's total" : item;
}
