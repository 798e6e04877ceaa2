"""Coarse-grained molecular dynamics of electrode slurries on LAMMPS: density and viscosity."""
