"""Pages: the self-contained HTML that people forward. Built from the report alone; nothing is measured here."""

from postgrad.pages.check_page import render_check, write_check
from postgrad.pages.report_page import render_report, write_report

__all__ = ["render_check", "render_report", "write_check", "write_report"]
