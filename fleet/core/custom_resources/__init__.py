"""What fleet's objects in the API of a cluster say beside the policy: the spec of rollouts, and every status.

The fields are spelled in camelCase in the API. The schemas of the CRDs are made from these structs.
"""
