"""The benches, as far as they could rot unseen."""
