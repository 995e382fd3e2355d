"""The second reader: a model that the operator has reads what is new, and may close it. It opens nothing."""
