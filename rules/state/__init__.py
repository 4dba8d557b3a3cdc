"""What the rules remember: clock, subjects, samples, memories, neighbourhood. It judges nothing."""
