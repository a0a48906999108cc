"""What people read about a decision: one page a batch, and the plots beside it in MLflow.

Concept: plain values in, one self-contained HTML text or PNG files out.

Promise: nothing here decides, and a page shows a missing number as missing, never as zero.
"""

from components.report.batch_report import Matrix, ReportData, render

__all__ = ["Matrix", "ReportData", "render"]
