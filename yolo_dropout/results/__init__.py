"""Run folders -> curves, scores, summary, what is due; and runs of others."""
