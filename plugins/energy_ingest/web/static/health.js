// Health and key figures: targets against actual, what is behind, and what people were told.

import { get } from "./api.js";
import { line, short } from "./chart.js";
import { fill, h } from "./dom.js";
import { ago, bytes, counted, day, instant, number, words } from "./format.js";
import { badge, choice, every, frame, nothing, parameters, remember, show, table, trouble } from "./parts.js";

const SECONDS = 60;
const STATUS = { healthy: "good", degraded: "warn", unhealthy: "bad", critical: "bad", error: "bad", unknown: "" };
const SEVERITY = { critical: "bad", error: "bad", warning: "warn", info: "busy" };

const main = frame("health");
const wanted = { days: "7", ...parameters() };
const [overall, figures, datasets, incidents] = ["section", "section", "section", "section"].map((name) => h(name));
fill(main, overall, figures, datasets, incidents);
const loading = [[datasets, health], [figures, kpis], [incidents, told]];
const refresh = every(SECONDS, () => Promise.all(loading.map(([place, load]) => show(place, load))), (error) => fill(overall, trouble(error, () => refresh())));

async function health() {
  const found = await get("health");
  fill(overall, h("div", { class: "row" }, badge(STATUS[found.status] ?? "", found.status), h("span", { class: "muted" }, `of ${counted(found.datasets.length, "dataset")}, ${instant(found.measured_at)}`)));
  if (!found.datasets.length) return h("div", { class: "card" }, h("h2", {}, "Datasets"), nothing("No dataset is in use yet: unpause a source DAG."));
  return h("div", { class: "card" }, h("h2", {}, "Datasets"), table("Health of each dataset", [
    ["Dataset", (one) => h("a", { href: `coverage.html?dataset=${encodeURIComponent(one.dataset)}` }, one.dataset)],
    ["Status", (one) => badge(STATUS[one.status] ?? "", one.status)],
    ["Newest data", (one) => h("span", { class: "nowrap" }, day(one.last_data_date))],
    ["Days behind", (one) => number(one.days_behind), "number"],
    ["Windows missed", (one) => number(one.missed), "number"],
    ["Being done", (one) => (one.action === "none" ? "–" : words(one.action))],
    ["Detail", (one) => [one.detail, one.spans.length > 0 && h("span", { class: "small muted" }, ` ${one.spans.slice(0, 3).map(([from, to]) => (from === to ? from : `${from} to ${to}`)).join(", ")}${one.spans.length > 3 ? ", …" : ""}`)]],
  ], found.datasets));
}

async function kpis() {
  const { measured_at: at, kpis: list } = await get("kpis", { days: wanted.days });
  const change = (value) => {
    wanted.days = value;
    remember(wanted);
    show(figures, kpis);
  };
  const head = h("div", { class: "row ends" }, h("h2", {}, "Key figures"),
    h("div", { class: "row" }, at && h("span", { class: "small muted" }, `measured ${ago(at)}`), choice("Over", "days", [["1", "a day"], ["7", "a week"], ["30", "30 days"], ["90", "90 days"]], wanted.days, change)));
  if (!list.length) return h("div", { class: "card" }, head, nothing("Nothing is measured yet: unpause the DAG platform_monitor, which does it every few minutes."));
  return h("div", { class: "card" }, head, h("ul", { class: "tiles charts" }, list.map(figure)));
}

function figure({ name, value, target, is_met: met, history }) {
  const title = words(name);
  const points = history.map(([when, one]) => [instant(when).slice(5, 16), one]);
  const side = met === value > target ? "above" : "below"; // a target is a limit that may not be touched
  return h("li", { class: "tile" },
    h("div", { class: "row ends" }, h("span", { class: "name" }, title), met === null ? null : badge(met ? "good" : "bad", met ? "met" : "not met")),
    h("p", { class: "value" }, amount(name, value)),
    h("p", { class: "small muted" }, target === null ? "no target" : `target: ${side} ${amount(name, target)}`),
    points.length > 1 && line(`${title} over time`, points, { target, label: (one) => amount(name, one) }));
}

/** A figure in its unit, which its name tells. */
function amount(name, value) {
  if (value === null || value === undefined) return "–";
  if (/rate|availability|used/.test(name)) return `${+(value * 100).toFixed(1)} %`;
  return /bytes/.test(name) ? bytes(value) : short(value);
}

async function told() {
  const list = (await get("incidents")).incidents;
  return h("div", { class: "card" }, h("h2", {}, "Open incidents"), list.length
    ? table("Open incidents", [
      ["Severity", (one) => badge(SEVERITY[one.severity] ?? "", one.severity)],
      ["About", (one) => one.subject],
      ["Incident", (one) => one.title],
      ["Since", (one) => h("span", { class: "nowrap" }, instant(one.opened_at))],
      ["Last seen", (one) => h("span", { class: "nowrap" }, instant(one.last_seen_at))],
      ["Seen", (one) => number(one.occurrences), "number"],
      ["Told", (one) => (one.told_at ? instant(one.told_at) : one.muted_until ? `muted until ${instant(one.muted_until)}` : "–")],
    ], list)
    : nothing("None."));
}
