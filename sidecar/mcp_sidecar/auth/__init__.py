"""Who may issue tokens: finds the issuers' keys, keeps them fresh, and writes them where this node's guards read them.

Its law: what an issuer's documents say leads nowhere that the operator did not allow, costs a bounded amount, and takes
no key away for being late.
"""
