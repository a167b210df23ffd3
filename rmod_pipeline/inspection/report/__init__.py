"""Report on a finished data set: measure it, compare it with its recipe, and hold it against thresholds."""

from rmod_pipeline.inspection.report.make import make_report
from rmod_pipeline.inspection.report.records import Report, ReportFinding

__all__ = ["Report", "ReportFinding", "make_report"]
