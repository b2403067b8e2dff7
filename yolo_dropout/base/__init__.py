"""Files, text and platforms: what every room may use."""
