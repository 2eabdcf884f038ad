// The JSON API of docs/api.md, which lies beside these pages; all addresses are relative to it, so a path prefix is no matter.

const BASE = new URL("../", import.meta.url);
const AIRFLOW = new URL("../", BASE);

/** What the API refused, in its words. `status` is 0 where it could not be reached. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Answer of a GET; parameters that are empty are left out, lists are repeated. */
export async function get(path, parameters = {}) {
  return (await call(address(path, parameters))).json();
}

/** The same as text, and whether there is more of it. */
export async function text(path) {
  const answer = await call(address(path));
  return { body: await answer.text(), more: answer.headers.get("X-Truncated") === "true" };
}

/** Answer of a POST. The header is what another site's form cannot send. */
export async function post(path, body = {}) {
  const headers = { "Content-Type": "application/json", "X-Energy-Request": "1" };
  return (await call(address(path), { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** Address of something in the API. */
export function address(path, parameters = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) if (one !== "" && one !== null && one !== undefined) url.searchParams.append(name, one);
  }
  return url;
}

/** Address of a run, a task's try, or a DAG in Airflow. */
export function airflow(...parts) {
  return new URL(parts.map(encodeURIComponent).join("/"), AIRFLOW);
}

async function call(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { cache: "no-cache", ...options });
  } catch {
    throw new Refused(0, "Airflow's API server does not answer. It may be starting again: try once more in a minute.");
  }
  if (answer.ok) return answer;
  throw new Refused(answer.status, await reason(answer));
}

async function reason(answer) {
  if (answer.status === 401) return "You are no longer logged in: reload Airflow, log in and come back.";
  try {
    const { detail } = await answer.json();
    if (typeof detail === "string") return detail;
    if (Array.isArray(detail)) return detail.map((one) => `${one.loc?.at(-1)}: ${one.msg}`).join("; ");
  } catch {
    // no JSON: what stands in front of the API answered
  }
  return `The API answered ${answer.status} ${answer.statusText}`;
}
