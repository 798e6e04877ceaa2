"""Whatever turns a setting into a measurement: real, simulated or recorded."""
