// One day of a dataset: its windows, what was tried, what came, the raw answer, and loading it again.

import { get, text } from "./api.js";
import { fill, h } from "./dom.js";
import { bytes, clock, counted, day, duration, instant, number, stateName, words } from "./format.js";
import { airflowLink, badge, clip, dialog, every, facts, nothing, square, stateMark, table, trouble } from "./parts.js";
import { offerReload } from "./reload.js";
import { COUNTS, statusBadge } from "./status.js";

const SECONDS = 3;
const SETTLED = ["complete", "empty_confirmed", "abandoned"];

/** Open the dialog of a day; `changed()` is called when a run was started from it and when it is closed. */
export function openDay(dataset, date, changed) {
  const body = h("div", { class: "body" });
  const shown = dialog(`${dataset}, ${day(date)}`, { onclose: changed });
  shown.body.replaceWith(body);
  fill(body, nothing("Loading …"));
  let chosen = null;
  let before = "";

  const draw = (found) => {
    chosen = found.windows.find(({ scope, start }) => key({ scope, start }) === chosen) ? chosen : key(worst(found) ?? {});
    const same = JSON.stringify([found, chosen]);
    if (same === before) return; // nothing new: leave focus and selection alone
    before = same;
    const focus = document.activeElement?.dataset?.key;
    fill(body, contents(found, chosen, (picked) => {
      chosen = picked;
      draw(found);
    }, changed));
    if (focus) body.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
  };
  every(SECONDS, async () => draw(await get(`coverage/${dataset}/${date}`)), (error) => fill(body, trouble(error)), () => shown.element.isConnected);
}

const key = ({ scope, start }) => `${scope} ${start}`;

/** The window to look at first: the first that is not settled, else the first. */
const worst = ({ windows }) => windows.find(({ state }) => !SETTLED.includes(state)) ?? windows[0];

function contents(found, chosen, pick, changed) {
  const window = found.windows.find((one) => key(one) === chosen);
  const jobs = found.jobs.filter((job) => !window || (job.scope === window.scope && job.window_start === window.start));
  const reload = () => offerReload(found.dataset, found.day, found.day, changed);
  return [
    h("div", { class: "row ends" },
      h("div", { class: "row" }, h("strong", {}, stateMark(found.state)), h("span", { class: "muted" }, summary(found))),
      found.may_reload && h("button", { class: "primary", "data-key": "reload", onclick: reload }, found.windows.length === 1 ? "Load this window again" : "Load this day again")),
    found.windows.length > 1 && windowList(found, chosen, pick),
    window && details(window),
    found.items.length > 0 && items(found.items),
    attempts(jobs),
  ];
}

function summary({ windows, items }) {
  const rows = windows.reduce((sum, { actual, rows }) => sum + (rows ?? actual ?? 0), 0);
  return [counted(windows.length, "window"), items.length && counted(items.length, "half hour"), `${number(rows)} rows`].filter(Boolean).join(" · ");
}

function windowList({ windows }, chosen, pick) {
  const several = new Set(windows.map(({ scope }) => scope)).size > 1;
  const name = (one) => `${one.part || clock(one.start)}${several ? ` ${one.scope}` : ""}`;
  return h("section", {}, h("h3", {}, "Windows"),
    h("div", { class: "windows", role: "group", "aria-label": "Windows of the day" }, windows.map((one) =>
      h("button", { class: "windowcell", "data-key": key(one), "aria-pressed": String(key(one) === chosen), "aria-label": `${name(one)}: ${stateName(one.state)}`,
        title: stateName(one.state), onclick: () => pick(key(one)) }, square(one.state), name(one)))));
}

const details = (one) =>
  h("section", {}, h("h3", {}, one.part ? `Window ${one.part}` : "Window"), facts([
    ["State", stateMark(one.state)],
    one.reason && ["Reason", one.reason],
    ["From, to", `${instant(one.start)} to ${instant(one.end)}`],
    one.attempts > 0 && ["Expected, there", `${number(one.expected)} expected, ${number(one.actual)} there${one.quarantined ? `, ${number(one.quarantined)} in quarantine` : ""}`],
    ["Attempts", one.attempts ? `${number(one.attempts)}: first ${instant(one.first_attempt_at)}, last ${instant(one.last_attempt_at)}` : "none"],
    one.completed_at && ["Complete", instant(one.completed_at)],
    ["Published", `due ${instant(one.due_at)}, deadline ${instant(one.deadline)}`],
    one.next_due_at && ["Looked at again", instant(one.next_due_at)],
    one.source_version && ["Version of the source", one.source_version],
    ["Scope", h("code", {}, one.scope)],
    one.response_sha256 && ["SHA-256 of the answer", h("code", {}, one.response_sha256)],
    one.influx_state && ["InfluxDB", words(one.influx_state)],
  ]));

/** Half hours of a settlement date: 46, 48 or 50. */
function items(list) {
  const state = ({ rows, expected }) => (!rows ? "missing" : expected && rows < expected ? "partial" : "complete");
  const short = list.filter((one) => state(one) !== "complete").length;
  return h("section", {}, h("h3", {}, `${counted(list.length, "half hour")}: ${short ? `${number(short)} not whole` : "all whole"}`),
    h("ol", { class: "windows halfhours", "aria-label": "Half hours" }, list.map((one) =>
      h("li", { class: "windowcell", title: `period ${one.item}, from ${instant(one.start)}: ${number(one.rows)} of ${number(one.expected)} rows` },
        square(state(one)), h("span", {}, one.item, h("span", { class: "visually-hidden" }, `: ${stateName(state(one))}`)), h("span", { class: "muted" }, number(one.rows))))));
}

function attempts(jobs) {
  if (!jobs.length) return h("section", {}, h("h3", {}, "Attempts"), nothing("Nobody has asked for this window yet."));
  const raw = h("div");
  const counts = ({ counts }) =>
    COUNTS.filter(([name]) => counts[name] > 0).map(([name, title]) => `${number(counts[name])} ${title}`).join(", ") || "none";
  const body = (job) => job.has_raw && h("button", { onclick: () => showRaw(raw, job) }, "Raw");
  return h("section", {}, h("h3", {}, "Attempts, newest first"),
    table("Attempts on this window", [
      ["Started", (job) => h("span", { class: "nowrap" }, instant(job.started_at))],
      ["Status", (job) => statusBadge(job.status)],
      ["Rows", (job) => h("span", { class: "nowrap" }, counts(job))],
      ["Answer", (job) => h("span", { class: "nowrap", title: job.response_sha256 }, bytes(job.response_bytes), job.response_sha256 && h("code", {}, ` ${job.response_sha256.slice(0, 8)}`))],
      ["More", (job) => h("span", { class: "nowrap" }, body(job), " ", h("a", { href: `jobs.html?job=${job.batch_id}` }, "Job"))],
      ["Run", run],
      ["Took", (job) => duration(job.completed_at && job.started_at ? (new Date(job.completed_at) - new Date(job.started_at)) / 1000 : null), "number"],
      ["Why", (job) => words(job.import_type)],
      ["Error", (job) => (job.last_error ? clip(job.last_error) : "")],
    ], jobs), raw);
}

/** A link to the run in Airflow; who loaded from the command line has none. */
function run({ dag_id: dag, run_id: id, try_number: tries }) {
  if (!dag) return "command line";
  return h("span", { class: "nowrap" }, airflowLink(["dags", dag, "runs", id], clip(id)), tries > 1 && badge("", `try ${tries}`));
}

async function showRaw(place, job) {
  fill(place, nothing("Loading …"));
  try {
    const { body, more } = await text(`jobs/${job.batch_id}/raw`);
    fill(place, h("h3", {}, `Answer of ${instant(job.started_at)}${more ? ", its beginning" : ""}`), h("pre", { tabindex: "0", role: "group", "aria-label": "Raw answer" }, body));
    place.scrollIntoView({ block: "nearest" });
  } catch (error) {
    fill(place, trouble(error, () => showRaw(place, job)));
  }
}
