// One job: progress, timeline, errors by row, its report, and retry, cancel, roll back.

import { address, get, post, text } from "./api.js";
import { fill, h } from "./dom.js";
import { bytes, duration, instant, number, words } from "./format.js";
import { airflowLink, badge, confirm, dialog, every, facts, nothing, say, table, trouble } from "./parts.js";
import { COUNTS, statusBadge } from "./status.js";

const SECONDS = 2;

/** What a person may do, where the job's state and the permission allow it: the API says so in `actions`. */
const ACTIONS = {
  retry: { verb: "Retry", done: "is queued again", explain: "The file is queued again, from where it stopped. What is loaded already is not loaded twice." },
  cancel: { verb: "Cancel the job", done: "is cancelled", danger: true, explain: "The job stops after the rows at hand. What it has loaded stays, until you roll it back." },
  rollback: { verb: "Roll back", done: "is rolled back", danger: true, explain: "Every row that this job brought is taken back: what stood before stands again. Rows that a later job changed stay as they are." },
};

/** Open the dialog of a job; `changed()` after something was done, `closed()` when it is closed. */
export function openJob(batch, changed, closed) {
  const shown = dialog("Job", { onclose: closed });
  let before = "";
  fill(shown.body, nothing("Loading …"));

  const draw = (job) => {
    const now = JSON.stringify(job);
    if (now === before) return;
    before = now;
    const focus = shown.element.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    fill(shown.element.querySelector("h2"), job.file_name ?? `${job.dataset} ${job.label ?? ""} ${job.part ?? ""}`);
    fill(shown.body, contents(job, act(job)));
    if (focus) shown.element.querySelector(`[data-key="${focus}"]`)?.focus();
  };
  const act = (job) => (name) => {
    const { verb, explain, danger, done } = ACTIONS[name];
    confirm(`${verb}?`, [h("p", {}, explain), h("p", { class: "muted" }, job.file_name ?? batch)], verb, async () => {
      const { undone, ...after } = await post(`jobs/${batch}/${name}`);
      say("good", h("p", {}, `${job.file_name ?? "The job"} ${done}.`), undone && h("p", {}, undoneText(undone)));
      draw({ ...job, ...after });
      refresh();
      changed();
    }, { danger });
  };
  const refresh = every(SECONDS, async () => draw(await get(`jobs/${batch}`)), (error) => fill(shown.body, trouble(error)), () => shown.element.isConnected);
}

const undoneText = ({ removed, restored, changed_since: since, meters }) =>
  `${number(removed)} rows removed, ${number(restored)} former values restored, ${number(since)} left as a later job changed them, ${number(meters)} meters removed.`;

function contents(job, act) {
  const buttons = (job.actions ?? []).map((name) =>
    h("button", { class: ACTIONS[name].danger ? "danger" : "primary", "data-key": name, onclick: () => act(name) }, ACTIONS[name].verb));
  return [
    h("div", { class: "row ends" },
      h("div", { class: "row" }, statusBadge(job.status), job.rolled_back_at && badge("warn", "rolled back"), job.dry_run && badge("", "dry run"), tags(job)),
      h("div", { class: "row" }, h("a", { class: "button", href: address(`jobs/${job.batch_id}/report`).href, download: `${job.batch_id}.txt`, "data-key": "report" }, "Report"), buttons)),
    progress(job),
    job.last_error && h("div", { class: `note ${job.status === "failed" ? "bad" : "warn"}` }, h("strong", {}, job.error_type ? `${job.error_type}: ` : "Last error: "), job.last_error),
    h("section", {}, h("h3", {}, "Rows"), h("ul", { class: "tiles small-tiles", "aria-label": "Rows" }, COUNTS.map(([name, title]) =>
      h("li", { class: "tile" }, h("p", { class: "value" }, number(job.counts[name])), h("p", { class: "small muted" }, title))))),
    h("section", {}, h("h3", {}, "Timeline"), timeline(job.timeline)),
    problems(job),
    h("section", {}, h("h3", {}, "Details"), details(job)),
    job.has_raw && raw(job),
  ];
}

const tags = ({ tags: names }) => (names ?? []).map((tag) => badge("", tag));

function progress({ status, progress_percent: percent, processed_rows: done, total_rows: total }) {
  if (!["processing", "queued"].includes(status) || percent === null) return null;
  return h("div", {}, h("progress", { max: 100, value: percent, "aria-label": "Progress" }),
    h("p", { class: "small muted" }, `${Math.round(percent)} %, ${number(done)} rows${total ? ` of ${number(total)}` : ""}`));
}

const GOOD = ["completed"];
const BAD = ["error", "failed", "cancelled"];

const timeline = (events) =>
  h("ol", { class: "timeline" }, (events ?? []).map(({ at, what, detail }) =>
    h("li", { class: GOOD.includes(what) ? "good" : BAD.includes(what) && "bad" },
      h("span", { class: "mono" }, instant(at)), " ", h("strong", {}, words(what)), detail && h("span", { class: "muted" }, ` ${detail}`))));

function problems({ problems: rows, batch_id: batch, counts }) {
  if (!rows?.length) return null;
  const place = h("div");
  let loaded = [];
  const more = async (cursor) => {
    try {
      const answer = await get(`jobs/${batch}/rows`, { limit: 200, cursor });
      loaded = [...loaded, ...answer.rows];
      draw(loaded, answer.next);
    } catch (error) {
      fill(place, trouble(error));
    }
  };
  const draw = (shown, next) => fill(place, rowTable(shown), next !== null && h("button", { "data-key": "rows", onclick: () => more(next) }, "Show more rows"));
  draw(rows, counts.quarantined > rows.length ? undefined : null);
  return h("section", {}, h("h3", {}, "Errors by row"), place);
}

const rowTable = (rows) =>
  table("Errors by row", [
    ["Row", (row) => number(row.row_number), "number"],
    ["Column", (row) => h("code", {}, row.column ?? "")],
    ["Value", (row) => h("code", {}, row.value ?? "")],
    ["Reason", (row) => row.reason],
    ...(rows.some(({ fix }) => fix) ? [["How to mend it", (row) => h("code", {}, row.fix ?? "")], ["State", (row) => row.resolution ?? "open"]] : []),
  ], rows);

const details = (job) =>
  facts([
    ["Batch", h("code", {}, job.batch_id)],
    ["Dataset", job.dataset],
    ["Type, priority", `${words(job.import_type)}, ${job.priority}`],
    job.scope && ["Scope", h("code", {}, job.scope)],
    job.request && ["Request", h("code", {}, job.request)],
    job.file_bytes && ["File", `${bytes(job.file_bytes)}${job.feed ? `, feed ${job.feed}` : ""}`],
    job.file_sha256 && ["SHA-256 of the file", h("code", {}, job.file_sha256)],
    job.response_sha256 && ["Answer", [bytes(job.response_bytes), " ", h("code", {}, job.response_sha256)]],
    ["Took", `${duration(job.seconds)}${job.try_number ? `, try ${number(job.try_number)}` : ""}, ${number(job.retry_count)} of ${number(job.max_retries)} retries`],
    job.retry_at && ["Tried again", instant(job.retry_at)],
    job.dag_id && ["Run", airflowLink(["dags", job.dag_id, "runs", job.run_id], job.run_id)],
    job.said?.length > 0 && ["How it was read", job.said.join("; ")],
    tally("Skipped", job.skipped),
    tally("Warnings", job.warnings),
    job.notes && ["Notes", job.notes],
    ["Code", h("code", {}, job.code_version)],
  ]);

const tally = (title, counts) =>
  Object.keys(counts ?? {}).length > 0 && [title, Object.entries(counts).map(([what, count]) => `${number(count)} ${words(what)}`).join(", ")];

function raw({ batch_id: batch }) {
  const place = h("div");
  const load = async () => {
    try {
      const { body, more } = await text(`jobs/${batch}/raw`);
      fill(place, more && h("p", { class: "small muted" }, "Its beginning:"), h("pre", { tabindex: "0", role: "group", "aria-label": "Raw answer" }, body));
    } catch (error) {
      fill(place, trouble(error, load));
    }
  };
  return h("section", {}, h("div", { class: "row ends" }, h("h3", {}, "Raw answer"), h("button", { "data-key": "raw", onclick: load }, "Show")), place);
}
