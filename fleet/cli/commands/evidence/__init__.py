"""The commands for auditors: report and audit."""
