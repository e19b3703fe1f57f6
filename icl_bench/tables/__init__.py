"""The schema of every table, and the only code that touches Parquet."""
