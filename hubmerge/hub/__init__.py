"""The Hub: names, commits, files, licences, permissions. No other package opens connections."""
