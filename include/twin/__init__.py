"""The twin: a small HTTP server that answers like the upstreams this project loads, and misbehaves on demand."""
