"""A report as one self-contained HTML page: static tables first, plots drawn in the browser from embedded data."""
