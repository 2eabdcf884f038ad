// Coverage: what is there, what is missing and why, and how to load it again.

import { address, get } from "./api.js";
import { calendar, legend } from "./calendar.js";
import { openDay } from "./day.js";
import { fill, h } from "./dom.js";
import { ago, counted, day, duration, number, STATES, words } from "./format.js";
import { badge, choice, clip, every, frame, nothing, parameters, remember, say, square, stateMark, table, trouble } from "./parts.js";
import { offerReload } from "./reload.js";

const SECONDS = 10;

const main = frame("coverage");
const asked = parameters();
const wanted = { dataset: asked.dataset ?? asked.dag ?? "", year: asked.year ?? "" };
const places = Object.fromEntries(["freshness", "progress", "controls", "calendars", "gaps"].map((name) => [name, h("section")]));
const grids = new Map(); // by dataset, so that drawing again keeps the focus
let catalogue = [];

places.freshness.setAttribute("aria-label", "Freshness");
places.progress.setAttribute("aria-label", "Work under way");
fill(main, Object.values(places));
begin();

async function begin() {
  fill(places.calendars, nothing("Loading …"));
  try {
    catalogue = (await get("datasets")).datasets;
  } catch (error) {
    fill(places.calendars, trouble(error, begin));
    return;
  }
  if (!catalogue.length) {
    fill(places.calendars, nothing("You may see no DAG of a dataset. Ask whoever administers Airflow for the permission to view them."));
    return;
  }
  const unknown = wanted.dataset && !catalogue.some(({ name }) => name === wanted.dataset);
  if (unknown && asked.dag) {
    fill(places.calendars, nothing(`The DAG ${asked.dag} loads no dataset of its own: it works on those that others load. `, h("a", { href: "coverage.html" }, "All datasets")));
    return;
  }
  if (unknown) wanted.dataset = "";
  wanted.year ||= String(newestYear());
  drawControls();
  const now = every(SECONDS, refresh, (error) => fill(places.calendars, trouble(error, () => now())));
  if (asked.day && wanted.dataset) openDay(wanted.dataset, asked.day, now);
}

/** The year in which the dataset's newest data lies, or most datasets' do, as a demonstration or an archive may end in the past. */
function newestYear() {
  const shown = catalogue.filter(({ name }) => !wanted.dataset || name === wanted.dataset);
  const years = shown.filter(({ last }) => last).map(({ last }) => Number(last.slice(0, 4)));
  const share = (year) => years.filter((one) => one === year).length;
  return years.sort((one, other) => share(other) - share(one) || other - one)[0] ?? new Date().getUTCFullYear();
}

function drawControls() {
  const firsts = catalogue.map(({ first }) => first).filter(Boolean).sort();
  const from = Math.min(Number(firsts[0]?.slice(0, 4) ?? wanted.year), Number(wanted.year));
  const to = Math.max(Number(wanted.year), new Date().getUTCFullYear());
  const years = Array.from({ length: to - from + 1 }, (_, place) => String(to - place));
  const change = (name) => (value) => {
    wanted[name] = value;
    restart();
  };
  const step = (by) => {
    wanted.year = String(Number(wanted.year) + by);
    drawControls();
    restart();
  };
  fill(places.controls, h("div", { class: "row ends" },
    h("div", { class: "row" },
      choice("Dataset", "dataset", [["", "all"], ...catalogue.map(({ name, title }) => [name, title])], wanted.dataset, change("dataset")),
      h("div", { class: "row" },
        h("button", { "aria-label": "Year before", onclick: () => step(-1), disabled: wanted.year === years.at(-1) }, "‹"),
        choice("Year", "year", years.map((year) => [year, year]), wanted.year, change("year")),
        h("button", { "aria-label": "Year after", onclick: () => step(1), disabled: wanted.year === years[0] }, "›"))),
    legend(Object.keys(STATES), STATES, square)));
}

function restart() {
  grids.clear();
  remember(wanted);
  refresh().catch((error) => fill(places.calendars, trouble(error, restart)));
}

async function refresh() {
  const { dataset, year } = wanted;
  const [coverage, freshness, progress, gaps] = await Promise.all([
    get("coverage", { dataset, year }),
    get("freshness"),
    get("progress"),
    get("gaps", { dataset, from: `${year}-01-01`, to: `${year}-12-31`, limit: 100 }),
  ]);
  if (dataset !== wanted.dataset || year !== wanted.year) return; // another choice was made meanwhile
  drawFreshness(freshness.datasets);
  drawProgress(progress.datasets);
  drawCalendars(coverage.datasets, Number(year));
  drawGaps(gaps);
}

function drawFreshness(datasets) {
  const used = datasets.filter(({ last_attempt_at }) => last_attempt_at);
  const tiles = used.map((one) =>
    h("li", { class: "tile" },
      h("p", { class: "name", title: one.title }, one.title),
      h("p", { class: "value" }, one.last_label ?? "no data"),
      h("p", { class: "row small muted" }, `complete ${ago(one.last_complete_at)}`,
        one.running > 0 && badge("busy", counted(one.running, "window"), " running"),
        one.failed > 0 && badge("bad", number(one.failed), " failed"),
        one.paused && badge("warn", "DAG paused"))));
  fill(places.freshness, tiles.length > 0 && h("ul", { class: "tiles", "aria-label": "Newest data of each dataset" }, tiles));
}

function drawProgress(all) {
  const datasets = all.filter((one) => (!wanted.dataset || one.dataset === wanted.dataset) && atWork(one));
  if (!datasets.length) return fill(places.progress);
  fill(places.progress, h("div", { class: "card" }, h("h2", {}, "Under way"),
    table("Work under way", [
      ["Dataset", (one) => one.dataset],
      ["Progress", (one) => h("progress", { max: one.total, value: one.done, "aria-label": `${one.dataset}: ${one.done} of ${one.total} windows` })],
      ["Windows", (one) => `${number(one.done)} of ${number(one.total)}`, "number"],
      ["Rate", (one) => (one.per_minute ? `${number(Math.round(one.per_minute * 10) / 10)} a minute` : "–"), "number"],
      ["Time left", timeLeft, "number"],
      ["Runs", (one) => Object.entries(one.runs).filter(([, count]) => count > 0).map(([state, count]) => `${number(count)} ${state}`).join(", ") || "–"],
      ["Backfill", (one) => (one.backfills.length ? one.backfills.map(backfilled) : "–")],
    ], datasets)));
}

/** Gaps that nobody works on are shown as gaps. */
const atWork = ({ running, runs, backfills }) => running > 0 || runs.queued > 0 || runs.running > 0 || backfills.length > 0;

function timeLeft({ left, seconds_left: seconds }) {
  if (!left) return "–";
  return seconds === null ? "not known yet" : `about ${duration(seconds)}`;
}

function backfilled({ from, to, runs, done, paused, seconds_left: left }) {
  const span = `${from.slice(0, 10)} to ${to.slice(0, 10)}`;
  const time = done === runs ? "done" : paused ? "paused" : left === null ? "time left not known yet" : `about ${duration(left)} left`;
  return h("div", {}, h("progress", { max: runs, value: done, "aria-label": `Backfill ${span}: ${done} of ${runs} runs` }),
    h("div", { class: "small" }, `${span}: ${number(done)} of ${counted(runs, "run")}, ${time}`));
}

function drawCalendars(datasets, year) {
  const shown = datasets.filter((one) => wanted.dataset || one.expected > 0);
  if (!shown.length) {
    fill(places.calendars, h("div", { class: "card" }, nothing(`Nothing is expected in ${year}, and nothing is known. Unpause a source DAG, or choose another year.`)));
    return;
  }
  const names = shown.map(({ dataset }) => dataset);
  const cards = shown.map((one) => {
    const open = (date) => openDay(one.dataset, date, refresh);
    const known = grids.get(one.dataset);
    if (known) known.grid.draw(one.days);
    else grids.set(one.dataset, card(one, calendar(`${one.title}, ${year}`, year, one.days, open)));
    const { summary, element } = grids.get(one.dataset);
    fill(summary, figures(one));
    return element;
  });
  if (places.calendars.dataset.names !== `${names} ${year}`) fill(places.calendars, h("div", { class: "calendars" }, cards));
  places.calendars.dataset.names = `${names} ${year}`;
}

function card(one, grid) {
  const summary = h("p", { class: "row small" });
  const element = h("article", { class: "card", "aria-label": one.title },
    h("div", { class: "row ends" }, h("div", {}, h("h2", {}, one.title), h("p", { class: "small muted mono" }, one.dataset)), summary),
    h("div", { class: "scroll" }, grid));
  return { grid, summary, element };
}

const figures = ({ expected, complete, explained, gaps }) => [
  h("span", { class: "muted" }, `${counted(expected, "window")}:`),
  badge(complete === expected ? "good" : "", `${number(complete)} complete`),
  explained > 0 && badge("busy", `${number(explained)} explained`),
  badge(gaps ? "bad" : "good", gaps ? counted(gaps, "gap") : "no gap"),
];

function drawGaps({ gaps, windows, more }) {
  const head = h("div", { class: "row ends" }, h("h2", {}, "Gaps"),
    h("a", { class: "small", href: address("gaps", { dataset: wanted.dataset }), download: "gaps.json" }, "as JSON"));
  if (!gaps.length) return fill(places.gaps, h("div", { class: "card" }, head, nothing(`No gap in ${wanted.year}: every expected window is complete or explained.`)));
  const reload = (gap) => gap.may_reload && h("button", { onclick: () => offerReload(gap.dataset, gap.first, gap.last, started) }, "Load again");
  fill(places.gaps, h("div", { class: "card" }, head,
    table(`Gaps in ${wanted.year}`, [
      ["Dataset", (gap) => gap.dataset],
      ["From", (gap) => h("span", { class: "nowrap" }, day(gap.first))],
      ["To", (gap) => h("span", { class: "nowrap" }, day(gap.last))],
      ["Windows", (gap) => number(gap.windows), "number"],
      ["State", (gap) => stateMark(gap.state)],
      ["Tries", (gap) => number(gap.attempts), "number"],
      ["Reason", (gap) => clip(gap.reason || words(gap.state))],
      ["Action", reload],
    ], gaps),
    more && h("p", { class: "small muted" }, `These are the oldest, of ${counted(windows, "window")}.`)));
}

function started(dataset) {
  say("good", `${dataset} loads: this page follows it.`);
  refresh().catch(() => {}); // the next turn will tell
}
