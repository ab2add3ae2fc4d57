"""What the labs that measure a machine share: fresh processes, and the memory that they took."""
