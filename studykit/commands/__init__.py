"""The commands, one module each. Imported at every start, so heavy imports stay in the bodies."""
