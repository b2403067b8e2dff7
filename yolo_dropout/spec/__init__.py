"""What was asked: the spec, its rules, its runs, and how a curve becomes a score."""
