"""Drive the cases of a recorded process log through the HTTP API, and check what was recorded.

The parts, in the order in which data passes them: `reader` (file to cases), `executions` (lifecycle events
to executions), `discover` (executions to a step graph), `plan` (what to do per case), `drive` (HTTP),
`compare` and `report`.
"""
