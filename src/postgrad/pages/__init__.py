"""Pages: the self-contained HTML that people forward. Built from the report alone; nothing is measured here."""

from postgrad.pages.report_page import render_report, write_report

__all__ = ["render_report", "write_report"]
