"""Registers of offices read and judged: sheets, headings, columns, people, organisations, one row at a time.

Pure: no database, no network, no clock. The callers give the organisations and the date of the registers; who is a
member already, and which rows are of one person, is found by commands.import_matching and decided by `people`.
"""
