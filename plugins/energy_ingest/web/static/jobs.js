// Import jobs: every attempt and every file, and what a person may do about one.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { duration, instant, number, words } from "./format.js";
import { openJob } from "./job.js";
import { badge, choice, clip, every, frame, nothing, parameters, remember, table, trouble } from "./parts.js";
import { statusBadge } from "./status.js";

const SECONDS = 5;
const PAGE = 50;
const STATUSES = ["queued", "processing", "completed", "failed", "cancelled"];
const TYPES = ["scheduled", "backfill", "manual", "asset_triggered", "command", "replay", "hh", "daily", "sites"];
const PRIORITIES = ["high", "normal", "low"];

const main = frame("jobs");
const { job, ...asked } = parameters();
const filters = { status: "", type: "", priority: "", dataset: "", q: "", ...asked };
const form = h("form", { class: "row", role: "search", "aria-label": "Filter the jobs", onsubmit: (event) => event.preventDefault() });
const list = h("section", { class: "card", "aria-label": "Jobs" });
let pages = 1; // as many as were asked for are kept up to date
fill(main, form, list);
drawForm();
const refresh = every(SECONDS, draw, (error) => fill(list, trouble(error, () => refresh())));
if (job) open(job);

function drawForm() {
  const all = (names) => [["", "all"], ...names.map((name) => [name, words(name)])];
  const change = (name) => (value) => {
    filters[name] = value;
    pages = 1;
    remember(filters);
    refresh();
  };
  const search = h("input", { type: "search", name: "q", value: filters.q, placeholder: "file, error, run, batch id", size: 30 });
  let typing;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => change("q")(search.value.trim()), 300);
  });
  const dataset = filters.dataset && h("button", { type: "button", onclick: (event) => {
    event.target.remove();
    change("dataset")("");
  } }, `dataset ${filters.dataset} ✕`);
  fill(form,
    choice("Status", "status", all(STATUSES), filters.status, change("status")),
    choice("Type", "type", all(TYPES), filters.type, change("type")),
    choice("Priority", "priority", all(PRIORITIES), filters.priority, change("priority")),
    h("label", { class: "field" }, "Text", search), dataset);
}

async function draw() {
  const key = JSON.stringify(filters);
  const jobs = [];
  let cursor = null;
  for (let page = 0; page < pages && (page === 0 || cursor); page += 1) {
    const answer = await get("jobs", { ...filters, limit: PAGE, cursor });
    jobs.push(...answer.jobs);
    cursor = answer.next;
  }
  if (key !== JSON.stringify(filters)) return; // another filter was set meanwhile
  const filtered = Object.values(filters).some(Boolean);
  if (!jobs.length) {
    fill(list, nothing(filtered ? "No job matches these filters." : "There is no job yet: each attempt on a window and each meter file is one."));
    return;
  }
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.job : null;
  fill(list, jobTable(jobs), cursor && h("p", { class: "row" }, h("button", { "data-job": "more", onclick: more }, "Show more")));
  if (focused) list.querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus();
}

function more() {
  pages += 1;
  refresh();
}

const jobTable = (jobs) =>
  table("Jobs, newest first", [
    ["Queued", (one) => h("span", { class: "nowrap" }, instant(one.queued_at))],
    ["Status", (one) => [statusBadge(one.status), one.rolled_back_at && badge("warn", "rolled back"), one.dry_run && badge("", "dry run")]],
    ["What", what],
    ["Type", (one) => words(one.import_type)],
    ["Priority", (one) => (one.priority === "normal" ? h("span", { class: "muted" }, "normal") : badge(one.priority === "high" ? "warn" : "", one.priority))],
    ["Progress", progress],
    ["Rows", (one) => number(one.total_rows ?? one.processed_rows), "number"],
    ["New", (one) => number(one.counts.inserted), "number"],
    ["Revised", (one) => number(one.counts.revised), "number"],
    ["Same", (one) => number(one.counts.unchanged), "number"],
    ["Quarantined", (one) => (one.counts.quarantined ? badge("warn", number(one.counts.quarantined)) : "0"), "number"],
    ["Took", (one) => duration(one.seconds), "number"],
    ["Retries", (one) => number(one.retry_count), "number"],
    ["Error", (one) => (one.last_error ? clip(one.last_error) : "")],
  ], jobs);

/** The file, or the dataset's window; it opens the details. */
const what = (one) =>
  h("button", { class: "link", "data-job": one.batch_id, "aria-haspopup": "dialog", onclick: () => open(one.batch_id) },
    h("span", { class: "nowrap" }, one.file_name ? clip(one.file_name) : `${one.dataset} ${one.label ?? ""} ${one.part ?? ""}`.trim()));

function progress(one) {
  if (one.status !== "processing" || one.progress_percent === null) return "";
  return h("progress", { max: 100, value: one.progress_percent, "aria-label": `${Math.round(one.progress_percent)} %` });
}

function open(batch) {
  remember({ ...filters, job: batch });
  openJob(batch, () => refresh(), () => remember(filters));
}
