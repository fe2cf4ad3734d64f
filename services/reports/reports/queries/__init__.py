"""Reads, cut to the caller's scope: `reading` of reports and statistics, `cockpit`, `opening` of figures, `changes`."""
