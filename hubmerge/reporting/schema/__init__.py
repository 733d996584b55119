"""The report as typed objects: what report.json holds."""
