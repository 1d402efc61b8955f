"""How well the guide understands: sets, rooms, scores, and the choice of the Judge's coefficients."""
