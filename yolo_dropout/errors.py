"""The exceptions that a user may see.

Every message is one line: the field, the rule, the value that was got, and the way out.
"""

from __future__ import annotations


class YoloDropoutError(Exception):
    """Base of all errors that this package raises on purpose."""


class SpecError(YoloDropoutError, ValueError):
    """What was asked cannot be done: a field of the spec, or an argument, is wrong."""


class SiteError(YoloDropoutError, ValueError):
    """Dropout cannot act in this model the way it was asked for."""


class InputError(YoloDropoutError, ValueError):
    """A data set, a model file or a results file cannot be used."""


class ScoresError(YoloDropoutError, ValueError):
    """Scores cannot be compared: ragged, empty, not finite, or without a control."""


class WorkerError(YoloDropoutError, RuntimeError):
    """A process of ours has died, or has failed in a way that nobody foresaw."""


class ClusterError(YoloDropoutError, RuntimeError):
    """A Ray cluster cannot be reached, or cannot be used."""


class StudyFolderError(YoloDropoutError, OSError):
    """A study folder cannot be read, written, or does not belong to this spec."""
