// Numbers, instants and states as people read them. Instants are shown in UTC, and say so.

/** State of a window, or of a day: its name, and what it means. */
export const STATES = {
  complete: ["complete", "all that the calendar expects is there"],
  not_yet_published: ["not yet published", "the source is not due yet"],
  empty_confirmed: ["confirmed empty", "the source said twice, apart in time, that there is nothing"],
  abandoned: ["given up", "the source never had all of it; the reason is kept"],
  pending: ["waiting", "has its place in the ledger, and waits for its turn"],
  running: ["running", "an attempt is under way"],
  partial: ["partial", "less arrived than the calendar expects; it is asked for again"],
  overdue: ["overdue", "its deadline has passed, and nobody has asked again"],
  missing: ["missing", "published, and never asked for"],
  failed: ["failed", "the last attempt failed"],
};

const NUMBER = new Intl.NumberFormat("en-GB");
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

/** `missing` as words. */
export const stateName = (state) => STATES[state]?.[0] ?? words(state);

/** 12,345; a dash for nothing, which is not zero. */
export const number = (value) => (value === null || value === undefined ? "–" : NUMBER.format(value));

/** 1 window, 2 windows. */
export const counted = (count, thing) => `${number(count)} ${thing}${count === 1 ? "" : "s"}`;

/** `not_yet_published` as words. */
export const words = (name) => String(name ?? "").replaceAll("_", " ");

/** Sun, 27 Oct 2024. */
export const day = (date) => (date ? DAY.format(new Date(`${date}T00:00:00Z`)) : "–");

/** 2024-10-27 09:15Z. */
export const instant = (iso) => (iso ? `${new Date(iso).toISOString().slice(0, 16).replace("T", " ")}Z` : "–");

/** 09:15:07Z. */
export const clock = (iso) => `${new Date(iso).toISOString().slice(11, 19)}Z`;

/** 850 ms, 3.2 s, 4 min, 2 h 5 min, 3 days. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return counted(Math.round(minutes / 1440), "day");
}

/** 4 min ago. */
export const ago = (iso) => (iso ? `${duration(Math.max(0, (Date.now() - new Date(iso)) / 1000))} ago` : "never");

/** 60 KB. */
export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "KB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** power).toFixed(power && count / 1000 ** power < 10 ? 1 : 0)} ${units[power]}`;
}

/** A difference with its sign and at most so many decimals: +0.5. */
export function signed(value, decimals = 3) {
  const size = NUMBER.format(Number(Math.abs(value).toFixed(decimals)));
  return `${value > 0 ? "+" : value < 0 ? "−" : "±"}${size}`;
}
