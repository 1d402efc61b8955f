"""Care: who looks after whom, what needs attention, and what they may change from afar."""
