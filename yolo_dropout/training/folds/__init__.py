"""A data set cut into folds that plain Ultralytics can train on."""
