"""What a worker calls where Ultralytics trains."""
