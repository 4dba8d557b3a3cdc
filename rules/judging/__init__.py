"""What is made of the state: quality, levels, the life of alerts, silence, people. Functions of (world, ..., outcome)."""
