"""What a person reads of a job: the text beside its file, and one line for logs and alerts. MPANs are masked."""

from __future__ import annotations

from collections.abc import Iterator

from energy_ingest.loading.meter_files.jobs import Job
from energy_ingest.loading.meter_files.load import Report, told
from energy_ingest.loading.meter_files.privacy import masked_text


def line(job: Job) -> str:
    """One line: which file, what became of it, and what to do."""
    text = f"job {job.job_id} ({job.file_name}, {job.import_type}): {job.status}"
    if job.status == "queued" and job.retry_at:
        text += f", attempt {job.retry_count + 1} of {job.max_retries + 1} at {job.retry_at:%H:%M:%S} UTC"
    counts = ", ".join(f"{count:,} {name}" for name, count in job.counts().items() if count)
    return masked_text(": ".join(filter(None, (text, counts, job.last_error or ""))))


def text(job: Job) -> str:
    """The whole report."""
    return "\n".join(_lines(job)) + "\n"


def _lines(job: Job) -> Iterator[str]:
    report = Report.of(job)
    yield line(job)
    yield f"batch {job.batch_id}, SHA-256 {job.file_sha256}" + (", dry run: nothing was written" if job.dry_run else "")
    yield from (masked_text(sentence) for sentence in report.said)
    yield from (f"{count:,} skipped: {reason}" for reason, count in report.skipped.items())
    yield from (f"{count:,} loaded with a warning: {reason}" for reason, count in report.warnings.items())
    yield from (told(problem) for problem in report.problems)
    if job.quarantined_rows > len(report.problems):
        yield f"... and more; all {job.quarantined_rows:,}: energy-ingest quarantine show {job.job_id}"
    if job.status in ("failed", "cancelled"):
        yield from _what_to_do(job)


def _what_to_do(job: Job) -> Iterator[str]:
    if job.file_sha256:
        yield f"To try again: energy-ingest jobs retry {job.job_id}"
    if job.inserted_rows + job.revised_rows:
        yield f"Part of it is loaded. To take that back: energy-ingest jobs rollback {job.job_id}"
