"""What a command tells the shell."""

FINISHED, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
