"""Figures about the service in Prometheus' text form.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

BUCKETS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Upper bounds of the histogram of durations, in seconds."""


class Metrics:
    """Counts since the program began."""

    def __init__(self) -> None:
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def ended(self, kind: str, outcome: str, seconds: float) -> None:
        """A piece of work of `kind` ended as `outcome` after so long."""
        with self._lock:
            self._outcomes[kind, outcome] += 1
            self._seconds[kind] += seconds  # type: ignore[assignment]
            for bound in (*BUCKETS, float("inf")):
                if seconds <= bound:
                    self._buckets[kind, bound] += 1

    def render(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """All of it as text. gauges: name -> (what it is, its value now)."""
        with self._lock:
            lines = _head("jobs_total", "Pieces of work by kind and outcome.", "counter")
            for (kind, outcome), number in sorted(self._outcomes.items()):
                lines.append(f'hubmerge_jobs_total{{kind="{kind}",outcome="{outcome}"}} {number}')
            lines += _head("job_seconds", "How long they took.", "histogram")
            for kind in sorted({kind for kind, _ in self._buckets}):
                for bound in (*BUCKETS, float("inf")):
                    number = self._buckets[kind, bound]
                    limit = "+Inf" if bound == float("inf") else f"{bound:g}"
                    lines.append(
                        f'hubmerge_job_seconds_bucket{{kind="{kind}",le="{limit}"}} {number}'
                    )
                total = self._buckets[kind, float("inf")]
                lines.append(f'hubmerge_job_seconds_sum{{kind="{kind}"}} {self._seconds[kind]:.3f}')
                lines.append(f'hubmerge_job_seconds_count{{kind="{kind}"}} {total}')
        for name, (what, value) in gauges.items():
            lines += [*_head(name, what, "gauge"), f"hubmerge_{name} {value:g}"]
        return "\n".join(lines) + "\n"


def _head(name: str, what: str, kind: str) -> list[str]:
    return [f"# HELP hubmerge_{name} {what}", f"# TYPE hubmerge_{name} {kind}"]
