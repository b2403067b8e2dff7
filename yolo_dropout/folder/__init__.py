"""Where a study keeps which file, and how each is read and written; what cannot be written is a `StudyFolderError`."""
