return { name = "bench-sampler", fields = { { config = { type = "record", fields = {} } } } }
