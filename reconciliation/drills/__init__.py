"""Incidents rehearsed from a file: a world, steps of the real code, and what must come of it.

The way of a drill: `source` reads YAML with its lines, `grammar` turns it into the frozen values
of `schema`, `world` sets the scene, `steps` runs the real code, `state` reads what came of it,
`compare` holds it against the expectations, `runner` goes through all of that and `report` tells.
`served` is the one table of the steps and expectations that this version serves.
"""
