"""What a day or a month was like: air, fleet, rivers, winds; and the same on paper."""
