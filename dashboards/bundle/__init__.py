"""What the console uses from others, bundled into one file: see README.md."""
