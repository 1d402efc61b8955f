"""The doctor: looks at everything that a guide needs on its machine, and says in a sentence each what to do."""
