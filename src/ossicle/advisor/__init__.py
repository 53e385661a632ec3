"""Which protocol? What is measured from where you stand, and what follows from it."""
