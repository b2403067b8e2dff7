"""The same numbers with less beside them: checkpoints in memory, images made once."""
