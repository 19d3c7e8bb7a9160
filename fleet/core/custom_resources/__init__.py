"""The parts of fleet's objects in the API of a cluster that are not policy: the spec of rollouts, and every status.

The fields are spelled in camelCase in the API. The schemas of the CRDs are made from these structs.
"""
