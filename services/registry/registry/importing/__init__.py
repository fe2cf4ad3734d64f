"""The import engine: offices' registers in, a decision for every row out.

Pure: no database, no network, no clock. The callers give the organisations, the people already in the
base and the date of the registers; see `engine.classify`.
"""
