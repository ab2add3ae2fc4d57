"""What has been learned: the store, its statistics and its reports."""
