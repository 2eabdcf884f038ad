"""A local double of InfluxDB 2.7's write, delete and query API: its statuses, its words, its faults on demand."""
