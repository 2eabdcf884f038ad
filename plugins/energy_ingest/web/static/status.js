// Status of a job, in a word with a colour.

import { badge } from "./parts.js";

const KINDS = { completed: "good", failed: "bad", processing: "busy", queued: "", cancelled: "warn" };

export const statusBadge = (status) => badge(KINDS[status] ?? "", status);

/** What becomes of a row, and its name here. */
export const COUNTS = [["inserted", "new"], ["revised", "revised"], ["unchanged", "unchanged"], ["quarantined", "quarantined"], ["duplicate", "double"]];
