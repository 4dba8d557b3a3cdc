"""The rules over recordings: what they would have said, what of it holds, and a plain threshold beside them."""
