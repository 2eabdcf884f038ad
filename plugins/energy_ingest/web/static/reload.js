// "Load this window again": a run of the dataset's own DAG, to be seen in Airflow like any other.

import { post } from "./api.js";
import { h } from "./dom.js";
import { day } from "./format.js";
import { airflowLink, confirm, say } from "./parts.js";

const MOST_DAYS = 31;

/** Ask, and start the run; `started(dataset, run)` is told. Of a long stretch the first days are loaded. */
export function offerReload(dataset, first, last, started) {
  const end = [last, new Date(Date.parse(first) + (MOST_DAYS - 1) * 86_400_000).toISOString().slice(0, 10)].sort()[0];
  const span = first === end ? day(first) : `${day(first)} to ${day(end)}`;
  const explanation = [
    h("p", {}, `A run of the DAG ${dataset} asks the source again for ${span}.`),
    h("p", { class: "muted" }, "What is unchanged is not written again; what has changed keeps its former version."),
    end !== last && h("p", { class: "muted" }, `One run loads at most ${MOST_DAYS} days: start the next when this one is done.`),
  ];
  confirm("Load again", explanation, "Load again", async () => {
    const run = await post("windows/reload", { dataset, first, last: end });
    say("good", h("p", {}, "Started: ", airflowLink(["dags", run.dag_id, "runs", run.run_id], run.run_id)));
    started(dataset, run);
  });
}
