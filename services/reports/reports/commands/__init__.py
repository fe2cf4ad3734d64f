"""Changes of reports: `forming` makes their figures, `filing` moves them from hand to hand."""
