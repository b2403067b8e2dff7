"""A study as one self-contained HTML page, as pictures, and as tables."""
