"""The model that the labs take apart."""
