"""The web page of `dcign explore`: its server, and the runs and pictures that it shows."""
